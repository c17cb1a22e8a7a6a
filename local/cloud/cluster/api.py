"""The few calls of the Kubernetes API that the cloud itself makes, with its own certificates."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from local.cloud.cluster.errors import ClusterError

Object = dict[str, Any]
"""A Kubernetes object as JSON."""

MANAGER = "azure"
"""Who owns the fields that the cloud sets, as Azure's own service does."""
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"
TIMEOUT_SECONDS = 10.0
OK, MISSING = 200, 404


class AnswerError(ClusterError):
    """The API server refused; its status is kept."""

    def __init__(self, what: str, status: int, words: str) -> None:
        super().__init__(f"{what}: the API server answered {status}: {words}")
        self.status = status


@dataclass(frozen=True)
class Api:
    """A connection of one user."""

    url: str
    ca_file: Path
    certificate: Path
    key: Path

    @cached_property
    def _pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(
            ca_certs=str(self.ca_file),
            cert_file=str(self.certificate),
            key_file=str(self.key),
            retries=False,
            timeout=TIMEOUT_SECONDS,
        )

    def ready(self) -> bool:
        """Tell whether the server says that it can serve."""
        try:
            answer = self._pool.request("GET", f"{self.url}/readyz")
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == OK

    def get(self, path: str) -> Object | None:
        """Return an object, or ``None`` where there is none."""
        return self._call("GET", path, missing=True)

    def items(self, path: str, **query: str) -> list[Object]:
        """Return all objects of a list, which are few here."""
        found = self._call("GET", f"{path}?{urlencode(query)}")
        return list(found["items"]) if found else []

    def create(self, path: str, given: Object) -> None:
        """Create an object in a collection; one that is there stays as it is."""
        try:
            self._call("POST", f"{path}?fieldManager={MANAGER}", given)
        except AnswerError as error:
            if error.status != 409:  # noqa: PLR2004 - HTTP's conflict: it exists
                raise

    def post(self, path: str, given: Object) -> Object:
        """Ask for something that is made for us, such as a token, and return it."""
        answer = self._call("POST", path, given)
        return answer or {}

    def apply(self, path: str, given: Object) -> None:
        """Create an object, or make our fields of it what we say."""
        name = given["metadata"]["name"]
        self._call("PATCH", f"{path}/{name}?fieldManager={MANAGER}&force=true", given, APPLY)

    def merge(self, path: str, change: Object) -> None:
        """Change some fields of an object; ``None`` removes one."""
        self._call("PATCH", f"{path}?fieldManager={MANAGER}", change, MERGE)

    def delete(self, path: str) -> None:
        """Remove an object that may not exist."""
        self._call("DELETE", path, missing=True)

    def watch(self, path: str) -> Iterator[None]:
        """Yield at the beginning and at each change below a path, until the server ends it."""
        query = urlencode({"watch": "true", "timeoutSeconds": "300"})
        answer = self._pool.request(
            "GET", f"{self.url}{path}?{query}", preload_content=False, timeout=None
        )
        with answer:
            if answer.status != OK:
                words = answer.read().decode(errors="replace")
                raise AnswerError(f"WATCH {path}", answer.status, words)
            yield
            for _chunk in answer.stream():
                yield

    def _call(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content_type: str = "application/json",
        *,
        missing: bool = False,
    ) -> Object | None:
        what = f"{method} {path.partition('?')[0]}"
        try:
            answer = self._pool.request(
                method,
                f"{self.url}{path}",
                body=None if body is None else json.dumps(body),
                headers={"Content-Type": content_type, "Accept": "application/json"},
            )
        except urllib3.exceptions.HTTPError as error:
            raise ClusterError(f"{what}: the API server does not answer: {error}") from error
        if missing and answer.status == MISSING:
            return None
        if answer.status >= 400:  # noqa: PLR2004 - HTTP's border of refusals
            raise AnswerError(what, answer.status, answer.data.decode(errors="replace"))
        document: Object = json.loads(answer.data)
        return document
