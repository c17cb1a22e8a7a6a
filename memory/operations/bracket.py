"""The two entries of an operation whose server goes away in between."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg

from memory.operations.errors import OperationError
from memory.operations.records import Detail, append, ended_as
from memory.operations.tenants import open_base
from memory.schema.errors import SchemaError


@contextmanager
def bracketed(operation: str, detail: Detail) -> Iterator[dict[str, Any]]:
    """Enter that an operation begins, and how it ended, each in a session of its own.

    Otherwise as ``records.recorded``; where the server is still away after a failure, the second
    entry is missing, as after a kill.
    """
    with open_base() as base:
        begun = append(base, operation, {**detail, "state": "begun"}).position
    result: dict[str, Any] = {}
    try:
        yield result
    except BaseException as error:
        with suppress(OperationError, SchemaError, psycopg.Error), open_base() as base:
            told = {"state": ended_as(error), "begun": begun, "error": type(error).__name__}
            append(base, operation, {**result, **told})
        raise
    with open_base() as base:
        append(base, operation, {**result, "state": "done", "begun": begun})
