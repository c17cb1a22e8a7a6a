"""Waiting for what a process does in its own time."""

import time
from collections.abc import Callable

from local.cloud.postgres.errors import PostgresError

POLL_SECONDS = 0.005


def wait_until(done: Callable[[], bool], seconds: float, failure: str) -> None:
    """Return when something is so; ``PostgresError`` when it takes too long."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise PostgresError(f"{failure}: gave up after {seconds:.0f} s")
        time.sleep(POLL_SECONDS)
