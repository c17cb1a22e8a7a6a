"""Everything that the service answers instead of what it was asked for.  One family, one base.

No text here repeats what was sent or stored: an answer may be logged by whoever gets it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException


class ServiceError(HTTPException):
    """Base of the family: a status, a code for programs, and a text for people.

    Of the framework's kind, because any other that is raised while a body is read is lost there.
    """

    status = 500
    code = "internal"
    retry_after_seconds: int | None = None

    def __init__(self, message: str, *, details: "Sequence[Detail]" = ()) -> None:
        super().__init__(self.status, message)
        self.message = message
        self.details = details


@dataclass(frozen=True, kw_only=True)
class Detail:
    """One of several mistakes."""

    where: str
    """Path in the request, e.g. ``body.memories.3.session_id``."""
    problem: str


class SettingsRefused(Exception):  # noqa: N818 - named after what the operator sees
    """The environment is not one that the service can run with; its text names every mistake."""


class BadRequest(ServiceError):  # noqa: N818 - HTTP's own name, as below
    """What was asked for cannot be done, whoever asks."""

    status, code = 400, "bad_request"


class NotSealable(BadRequest):
    """A sensitive field, and no keys to encrypt it with."""

    code = "encryption_off"


class NotSearchable(BadRequest):
    """A filter on a field that only the holder of the keys can read."""

    code = "field_encrypted"


class Unauthorized(ServiceError):  # noqa: N818
    """No key, or none of ours."""

    status, code = 401, "unauthorized"


class Forbidden(ServiceError):  # noqa: N818
    """A key of ours, and another's memories."""

    status, code = 403, "forbidden"


class NotFound(ServiceError):  # noqa: N818
    """There is no such memory, or it is another tenant's."""

    status, code = 404, "not_found"


class Conflict(ServiceError):  # noqa: N818
    """The id is taken by another memory."""

    status, code = 409, "conflict"


class TooLarge(ServiceError):  # noqa: N818
    """More bytes than are read."""

    status, code = 413, "too_large"


class Invalid(ServiceError):  # noqa: N818
    """The request is understood, and a value in it is not allowed."""

    status, code = 422, "invalid"


class Unreadable(ServiceError):  # noqa: N818
    """A memory that its key does not open: it was changed, or moved, behind the service's back."""

    status, code = 500, "unreadable"


class Busy(ServiceError):  # noqa: N818
    """Nothing is wrong: there is more to do than can be done at once."""

    status, code, retry_after_seconds = 503, "busy", 1


class Unavailable(ServiceError):  # noqa: N818
    """Something that is needed does not answer; the same request may work later."""

    status, code, retry_after_seconds = 503, "unavailable", 5


class ModelUnavailable(Unavailable):
    """The model's endpoint gave no vector; a request that brings one does not need it."""

    code = "model_unavailable"


class ModelRefused(ServiceError):  # noqa: N818
    """The model's endpoint will not make a vector of this text."""

    status, code = 422, "model_refused"
