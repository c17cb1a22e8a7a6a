"""Work that needs a lock which others hold: tried shortly, seldom, and again once they are gone.

While a try waits, everybody who comes later queues behind it, so readers stand still for as long
as the try does.  Hence the pause after one: three times as long as the try, and longer every time
while the same transactions are in the way.
"""

import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from psycopg import errors as pg

from memory.schema.blockers import Blocker, any_left, named, read_blockers
from memory.schema.connection import Session
from memory.schema.errors import LockTimeout
from memory.schema.events import Event, Patience, Report
from memory.schema.probe import TooSlow
from memory.schema.watch import Watch

LOOKS = 5
"""Within one try, at who is in the way."""
PAUSE_OVER_TRY = 3.0
"""Three quarters of the time belong to everybody else."""
GROWTH = 1.5
LONGEST_PAUSE_SECONDS = 30.0
GLANCE_SECONDS = 0.5
"""Between two looks, in a pause, whether the way is free."""
Result = TypeVar("Result")


@dataclass(frozen=True, kw_only=True)
class Tries:
    """Repeats what fails for a lock, until ``patience`` is at its end."""

    session: Session
    """Does the work."""
    second: Callable[[], Session]
    """Opens a session that looks who is in the way."""
    patience: Patience
    report: Report

    def of(self, title: str, work: Callable[[], Result]) -> Result:
        """Return what ``work`` returns; its LockNotAvailable and TooSlow are tried again.

        Raises LockTimeout, which names whoever was in the way.
        """
        deadline, pause = time.monotonic() + self.patience.retry_seconds, 0.0
        with self._blockers_watched() as seen:
            while True:
                began = time.monotonic()
                try:
                    return work()
                except (pg.LockNotAvailable, TooSlow) as error:
                    held = _held(error, seen)
                    if time.monotonic() >= deadline:
                        raise self._given_up(title, held, seen) from error
                self.report(Event(kind="waiting", text=f"{title}: {held}; trying again"))
                least = PAUSE_OVER_TRY * (time.monotonic() - began)
                pause = max(least, min(pause * GROWTH, LONGEST_PAUSE_SECONDS))
                self._leave_alone(seen, least, pause, deadline)

    def _leave_alone(
        self, seen: Iterable[Blocker], least: float, most: float, deadline: float
    ) -> None:
        """Wait for ``least`` seconds, and up to ``most`` for the same transactions to end."""
        jitter, now = secrets.SystemRandom().uniform(1, 1.2), time.monotonic()
        end = min(now + most * jitter, deadline)
        _sleep_until(min(now + least * jitter, deadline))
        while time.monotonic() < end and any_left(self.session, seen):
            _sleep_until(min(time.monotonic() + GLANCE_SECONDS, end))

    def _given_up(self, title: str, held: str, seen: Iterable[Blocker]) -> LockTimeout:
        return LockTimeout(
            f"{title}: {held}, and was not to be had in {self.patience.retry_seconds:.0f} s; let"
            f" that transaction end, end it with {_ending(seen)}, or run again later"
        )

    @contextmanager
    def _blockers_watched(self) -> Iterator[list[Blocker]]:
        """A list that holds whoever was last seen in this session's way."""
        seen: list[Blocker] = []
        pid = self.session.info.backend_pid

        def look(session: Session) -> None:
            if found := read_blockers(session, pid):
                seen[:] = found

        # Several looks within one lock_timeout, and none where the lock is free.
        moment = self.patience.lock_timeout_ms / 1000 / LOOKS
        with Watch(self.second, look, first=moment, every=moment, blind=self._blind):
            yield seen

    def _blind(self, reason: str) -> None:
        self.report(Event(kind="progress", text=f"who holds the lock is not visible: {reason}"))


def _held(error: Exception, seen: list[Blocker]) -> str:
    if isinstance(error, TooSlow):
        return str(error)
    return "a lock is held" + (f" by {named(seen)}" if seen else "")


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))


def _ending(blockers: Iterable[Blocker]) -> str:
    pids = [blocker.pid for blocker in blockers if blocker.pid]
    return "; ".join(f"SELECT pg_terminate_backend({pid})" for pid in pids) or "ROLLBACK"
