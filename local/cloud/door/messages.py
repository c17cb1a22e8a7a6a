"""What a handler gets and gives: HTTP without the wire."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from local.cloud.arm import ArmError
from local.cloud.world import World

Body = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, its TLS already off."""

    method: str
    host: str
    """Lower-case, without port."""
    path: str
    """As sent, without the query."""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = b""

    def json(self) -> Body:
        """Return the body as an object; raises ``Refused`` where it is none."""
        try:
            document = json.loads(self.body or b"{}")
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise Refused(400, "BadParameter", "The request body is not a JSON object.")
        return document

    def form(self) -> Mapping[str, str]:
        """Return the body as the fields of a form."""
        return {name: values[-1] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def bearer(self) -> str | None:
        """Return the token that the caller shows, if any."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token if kind.lower() == "bearer" and token else None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One answer; ``None`` is an empty body."""

    status: int = 200
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):  # noqa: N818 - what Azure did
    """Azure's refusal, in the shape that its services share."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        inner: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.inner = inner
        """The code within the code, e.g. ``ForbiddenByRbac`` in ``Forbidden``."""
        self.headers = headers or {}

    @classmethod
    def of(cls, error: ArmError) -> "Refused":
        """Return what the local cloud refused, as a service says it."""
        return cls(error.status, error.code, error.message)

    @property
    def answer(self) -> Answer:
        """Return it as it is sent."""
        error: Body = {"code": self.code, "message": str(self)}
        if self.inner is not None:
            error["innererror"] = {"code": self.inner}
        return Answer(status=self.status, body={"error": error}, headers=self.headers)


Handler = Callable[[World, Request], Answer]
"""Answers for one host, in a thread of its own; raises ``Refused`` or ``ArmError``.

The world holds every type, and no transaction: a handler opens its own around what it writes.
"""
