"""Requests to Zep and Graphiti: few, patient, and silent about what is in them."""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit
from urllib.request import Request, urlopen

from memory.operations.forget.errors import ServiceRefused, SubjectUnclear

TIMEOUT_SECONDS = 60.0
"""Zep vacuums its whole database after each deletion."""
PAUSES_SECONDS = (0.5, 2.0, 5.0)
MISSING, BUSY, SERVER_ERROR = 404, 429, 500


@dataclass(frozen=True, kw_only=True)
class Service:
    """One service, and what every request to it carries."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        """Refuse what is no address."""
        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise SubjectUnclear(f"{self.name}: {self.url!r} is no http(s):// address")

    def get(self, *path: str, query: str = "") -> Any:
        """The answer's JSON; None where there is no such thing.  Raises ServiceRefused."""
        return self._asked("GET", path, query)

    def prove(self, *path: str, query: str = "") -> None:
        """Raise ServiceRefused unless there is an answer to what is always there.

        A wrong address answers 404 to everything, which is also how nothing is found.
        """
        if self.get(*path, query=query) is None:
            raise ServiceRefused(
                f"{self.name} does not know /{'/'.join(path)}: is its address right? Nothing was"
                " deleted"
            )

    def delete(self, *path: str) -> bool:
        """Whether there was something to delete.  Raises ServiceRefused.

        A deletion may be repeated: one that was done and not answered finds nothing the next time.
        """
        return self._asked("DELETE", path, "") is not None

    def _asked(self, method: str, path: tuple[str, ...], query: str) -> Any:
        """Ask until there is an answer: 404 is one, and so is everything below 400."""
        why = ""
        for pause in (*PAUSES_SECONDS, None):
            try:
                return self._once(method, path, query)
            except _Passing as passing:
                why = str(passing)
            if pause is not None:
                self.sleep(pause)
        raise ServiceRefused(
            f"{self.name} {why}, {len(PAUSES_SECONDS) + 1} times. What was deleted so far stays"
            " deleted; give the same command again when it answers"
        )

    def _once(self, method: str, path: tuple[str, ...], query: str) -> Any:
        # Not for a log: the path holds ids of persons.
        where = "/".join((self.url.rstrip("/"), *(quote(part, safe="") for part in path)))
        request = Request(  # noqa: S310 - the scheme is looked at in __post_init__
            f"{where}?{query}" if query else where,
            headers=dict(self.headers),
            method=method,
        )
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
                text = answer.read()
        except HTTPError as error:
            error.close()
            if error.code == MISSING:
                return None
            if error.code == BUSY or error.code >= SERVER_ERROR:
                raise _Passing(f"answered {error.code}") from None
            raise ServiceRefused(
                f"{self.name} answered {error.code} to {method}: are its address and key right?"
            ) from None
        except (URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise _Passing(f"is out of reach ({type(reason).__name__})") from None
        return _parsed(self.name, text)


class _Passing(Exception):  # noqa: N818 - it may pass by itself
    """Worth another try."""


def _parsed(name: str, text: bytes) -> Any:
    """JSON, or an empty answer as what it is."""
    if not text.strip():
        return {}
    try:
        return json.loads(text)
    except ValueError:
        raise ServiceRefused(
            f"{name} does not answer in JSON: does its address lead to something else?"
        ) from None
