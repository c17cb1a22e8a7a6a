"""Lines of JSON on stdout: what happened, to which request, never with what content.

What an exception says may quote a value that was sent or stored, and so may a traceback's source
lines: of an exception its type and its places are logged, nothing else.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

Event = MutableMapping[str, Any]
QUIET = ("httpx", "httpx2", "httpcore", "httpcore2", "openai", "azure", "uvicorn.access")
"""They log addresses and headers of what they send."""


def configure(level: str) -> None:
    """Send everything that this process logs through one form; also what libraries log."""
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        without_values,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
            # A foreign record's own text of its exception would come before ours.
            keep_exc_info=False,
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def without_values(_: object, __: str, event: Event) -> Event:
    """Replace an exception by its type and places."""
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    elif isinstance(error, tuple):
        error = error[1]
    if isinstance(error, BaseException):
        event["error"] = described(error)
    event.pop("exception", None)
    return event


def described(error: BaseException) -> dict[str, Any]:
    """Return what may be known of an exception: its type, SQLSTATE and places, and its causes'."""
    frames = traceback.extract_tb(error.__traceback__)
    found: dict[str, Any] = {
        "type": f"{type(error).__module__}.{type(error).__qualname__}",
        "places": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames[-8:]],
    }
    if sqlstate := getattr(error, "sqlstate", None):
        found["sqlstate"] = sqlstate
    if error.__cause__ is not None:
        found["cause"] = described(error.__cause__)
    return found
