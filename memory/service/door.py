"""What every request passes: a mark, a limit, a key, a measure, and one line in the log."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from memory.service.answers import refusal
from memory.service.callers import SUBJECT_HEADER, TENANT_HEADER, Callers
from memory.service.errors import Busy, ServiceError, TooLarge
from memory.service.metrics import Metrics
from memory.service.store import Visit

OPEN_TO_ALL = frozenset({"/livez", "/readyz", "/openapi.json"})
"""They tell nothing of anybody."""
REQUEST_ID = "x-request-id"
MARK = re.compile(r"[A-Za-z0-9._-]{1,64}")
UNKNOWN = "unknown"
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
LOG = structlog.get_logger("memory.service")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much is held in memory."""

    requests: int
    bytes: int
    """Of one body."""


class Door:
    """Wraps the application.  Nothing behind it is reached without a key of ours."""

    def __init__(self, app: ASGIApp, *, callers: Callers, metrics: Metrics, limits: Limits) -> None:
        self._app = app
        self._callers = callers
        self._metrics = metrics
        self._limits = limits
        self._inside = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; what is no request goes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        headers = Headers(scope=scope)
        mark = _mark(headers.get(REQUEST_ID))
        scope.setdefault("state", {})["request_id"] = mark
        answered = Answered(send, mark)
        self._inside += 1
        self._metrics.in_flight.inc()
        try:
            refused = self._refused(scope, headers, mark)
            await (refused or self._app)(scope, self._limited(receive), answered)
        except Exception as error:  # whatever it is, the caller gets an answer
            LOG.error("failed", request_id=mark, exc_info=error)
            if not answered.status:
                unknown = ServiceError("something went wrong here; the log says what")
                await refusal(unknown, mark)(scope, receive, answered)
        finally:
            self._inside -= 1
            self._metrics.in_flight.dec()
            self._note(scope, answered, time.perf_counter() - begun)

    def _refused(self, scope: Scope, headers: Headers, mark: str) -> Response | None:
        """Return why the request goes no further, or note whose it is."""
        if scope["path"] in OPEN_TO_ALL:
            return None
        try:
            if self._inside > self._limits.requests:
                raise Busy(f"{self._limits.requests} requests are under way already")
            caller = self._callers.who(
                headers.get("authorization"),
                headers.get(TENANT_HEADER),
                headers.get(SUBJECT_HEADER),
            )
            self._weigh(headers.get("content-length", ""))
        except ServiceError as error:
            return refusal(error, mark)
        scope["state"]["visit"] = Visit(caller=caller, request_id=mark)
        return None

    def _weigh(self, length: str) -> None:
        if length.isdecimal() and int(length) > self._limits.bytes:
            raise TooLarge(f"the body is larger than the {self._limits.bytes} bytes that are read")

    def _limited(self, receive: Receive) -> Receive:
        """Count what comes: a body may not say how long it is."""
        total = 0

        async def counted() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            self._weigh(str(total))
            return message

        return counted

    def _note(self, scope: Scope, answered: "Answered", seconds: float) -> None:
        route = getattr(scope.get("route"), "path", UNKNOWN)
        method = scope["method"] if scope["method"] in METHODS else UNKNOWN
        self._metrics.observe_request(method, route, answered.status, seconds)
        visit = scope["state"].get("visit")
        log: Callable[..., None] = LOG.debug if route in OPEN_TO_ALL else LOG.info
        log(
            "request",
            method=method,
            route=route,
            status=answered.status,
            milliseconds=round(seconds * 1000, 1),
            request_id=scope["state"]["request_id"],
            **({"actor": visit.caller.actor, "tenant": visit.caller.tenant} if visit else {}),
        )


class Answered:
    """Sends on, adds the request's mark, and remembers the status."""

    def __init__(self, send: Send, mark: str) -> None:
        self._send = send
        self._header = (REQUEST_ID.encode(), mark.encode())
        self.status = 0

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), self._header]
        await self._send(message)


def _mark(given: str | None) -> str:
    return given if given and MARK.fullmatch(given) else uuid4().hex
