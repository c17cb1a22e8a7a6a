"""Answers: JSON, and refusals that all have one form."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from memory.service.bodies import ErrorBody, Problem, Refusal
from memory.service.callers import SCHEME
from memory.service.errors import Detail, Invalid, ServiceError, TooLarge, Unauthorized

JSON = "application/json"
MOST_DETAILS = 20
CODES = {404: "not_found", 405: "method_not_allowed", 413: TooLarge.code}


def answer(body: object, status: int = 200) -> Response:
    """Return a model, or plain data, as it is: it was made here and needs no second look."""
    return Response(to_json(body), status, media_type=JSON)


def refusal(error: ServiceError, mark: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error in the one form."""
    details = [Problem(where=d.where, problem=d.problem) for d in error.details[:MOST_DETAILS]]
    said = Refusal(code=error.code, message=error.message, request_id=mark, details=details)
    more = dict(headers or {})
    if error.retry_after_seconds is not None:
        more["retry-after"] = str(error.retry_after_seconds)
    if isinstance(error, Unauthorized):
        more["www-authenticate"] = SCHEME
    body = to_json(ErrorBody(error=said))
    return Response(body, error.status, headers=more, media_type=JSON)


async def on_service_error(request: Request, error: Exception) -> Response:
    """Answer one of ours."""
    if not isinstance(error, ServiceError):
        raise error
    return refusal(error, request.state.request_id)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: no such path, no such method, too large."""
    if not isinstance(error, HTTPException):
        raise error
    code = CODES.get(error.status_code, "refused")
    known = ServiceError(TEXTS.get(code, "the request cannot be understood"))
    known.status, known.code = error.status_code, code
    return refusal(known, request.state.request_id, error.headers)


TEXTS = {
    "not_found": "there is no such path; /openapi.json has them all",
    "method_not_allowed": "the path does not have this method; /openapi.json has them all",
    TooLarge.code: "the body is larger than this service reads; send fewer memories at once",
}


async def on_invalid(request: Request, error: Exception) -> Response:
    """Answer a body, path or query that is not of the described form."""
    if not isinstance(error, RequestValidationError):
        raise error
    return refusal(invalid(error.errors()), request.state.request_id)


def invalid(found: Sequence[Mapping[str, Any]], *above: str) -> Invalid:
    """Return pydantic's mistakes as one error: where and what, without the values."""
    details = [
        Detail(
            where=".".join(str(part)[:64] for part in (*above, *item["loc"])),
            problem=item["msg"].removeprefix("Value error, "),
        )
        for item in found
    ]
    return Invalid("the request is not of the form that /openapi.json describes", details=details)
