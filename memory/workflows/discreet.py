"""What an activity fails with, in words that may be kept: an error's text can quote a row.

Temporal writes the text of an exception, and of those that caused it, into the history.  Texts of
our own families are made to be read by an operator; of any other only its name goes out, and of
PostgreSQL's the five letters of its state.
"""

import logging
import traceback
from typing import Any

import psycopg
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)
from typing_extensions import override

from memory.embeddings.errors import EmbeddingError, EndpointBusy
from memory.encryption.errors import EncryptionError, UnknownKey, VaultRefused
from memory.operations.errors import OperationError
from memory.operations.reembed.errors import AlreadyRunning as AlreadyReembedding
from memory.operations.rotate_field_keys.errors import AlreadyRunning as AlreadyRotating
from memory.schema.errors import ConnectionRefused, SchemaError

LOG = logging.getLogger(__name__)
OURS = (OperationError, SchemaError, EmbeddingError, EncryptionError)
PASSING = (
    AlreadyReembedding,
    AlreadyRotating,
    ConnectionRefused,
    EndpointBusy,
    OSError,
    UnknownKey,
    VaultRefused,
    psycopg.OperationalError,
)
"""What another try, later or by another worker, may find gone."""


class Discretion(Interceptor):
    """Stands before every activity of a worker."""

    @override
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Discreet(next)


class _Discreet(ActivityInboundInterceptor):
    @override
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await self.next.execute_activity(input)
        except (ApplicationError, CancelledError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, its text must not go out
            failed = error
        raise in_words(failed) from None


def in_words(error: Exception) -> ApplicationError:
    """What may be told in place of an error, and whether another try makes sense."""
    lines = "".join(traceback.format_tb(error.__traceback__))
    LOG.warning("%s at\n%s", type(error).__name__, lines)  # lines of code, and no values
    return ApplicationError(
        told(error), type=type(error).__name__, non_retryable=not isinstance(error, PASSING)
    )


def told(error: Exception) -> str:
    """The words for an error."""
    name = type(error).__name__
    if isinstance(error, OURS):
        return str(error)
    if isinstance(error, psycopg.Error):
        return f"PostgreSQL refused: {name}, state {error.sqlstate or 'unknown'}"
    return f"{name}; the worker's log says where"
