"""What a run tells while it works, and how long it waits for others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Report = Callable[["Event"], None]


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something happened: a batch begins or ends, a build moves on, a lock is awaited.

    ``advice`` says what to expect of the build that comes next, ``stopped`` that a signal ended
    the run in good order.
    """

    kind: Literal["begin", "end", "progress", "waiting", "advice", "stopped"]
    text: str
    step: int = 0
    share: float | None = None
    """Of a build's present phase, 0 to 1; None where nobody can tell."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait for others."""

    lock_timeout_ms: int = 2000
    """A short change lets others pass after this, and tries again."""
    retry_seconds: float = 300
    """For all tries of one batch together."""
    runner_seconds: float = 3600
    """For another runner; its build of a large index may take that long."""


PATIENT = Patience()


def silent(_: Event) -> None:
    """Report nothing."""
