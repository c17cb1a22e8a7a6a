"""How far a concurrent index build is, how fast it goes, and who holds it up."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from memory.schema.blockers import Blocker, named, read_blockers
from memory.schema.connection import Session
from memory.schema.events import Event, Report

POLL_SECONDS = 1.0
QUIET_SECONDS = 30.0
"""A build that goes on as before is mentioned this often; a per cent more is told at once."""
WINDOW_SECONDS = 30.0
"""The rate is that of the last polls: a graph takes longer for each row as it grows."""

PROGRESS = """
SELECT phase, tuples_done, tuples_total, blocks_done, blocks_total
FROM pg_stat_progress_create_index WHERE pid = %s
"""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One look at ``pg_stat_progress_create_index``."""

    seconds: float
    """When, by a clock that only runs forward."""
    phase: str
    tuples_done: int = 0
    tuples_total: int = 0
    blocks_done: int = 0
    blocks_total: int = 0

    @property
    def done_of_total(self) -> tuple[int, int]:
        """Rows where PostgreSQL knows their total, blocks of the table or index otherwise."""
        if self.tuples_total:
            return self.tuples_done, self.tuples_total
        return self.blocks_done, self.blocks_total

    @property
    def share(self) -> float | None:
        """Of this phase, 0 to 1."""
        done, total = self.done_of_total
        return min(done / total, 1.0) if total else None


class BuildProgress:
    """Turns successive looks at one process's build into events."""

    def __init__(
        self, pid: int, report: Report, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pid = pid
        self._report = report
        self._clock = clock
        self._samples: deque[Sample] = deque()
        self._told: tuple[object, ...] = ()
        self._told_at = 0.0

    def look(self, session: Session) -> None:
        """Ask once, and report what is new."""
        row = session.execute(PROGRESS, (self._pid,)).fetchone()
        if row is None:
            return
        names = ("phase", "tuples_done", "tuples_total", "blocks_done", "blocks_total")
        sample = Sample(seconds=self._clock(), **dict(zip(names, row, strict=True)))
        self.tell(sample, read_blockers(session, self._pid))

    def tell(self, sample: Sample, blockers: tuple[Blocker, ...] = ()) -> None:
        """Report this look, unless it differs in nothing from what was just said."""
        if self._samples and self._samples[-1].phase != sample.phase:
            self._samples.clear()
        self._samples.append(sample)
        while sample.seconds - self._samples[0].seconds > WINDOW_SECONDS:
            self._samples.popleft()
        done, total = sample.done_of_total
        per_cent = 100 * done // total if total else None
        news = (sample.phase, per_cent, tuple(blocker.pid for blocker in blockers))
        if news == self._told and sample.seconds - self._told_at < QUIET_SECONDS:
            return
        self._told, self._told_at = news, sample.seconds
        text = describe(self._samples[0], sample, blockers)
        self._report(Event(kind="progress", text=text, share=sample.share))


def describe(first: Sample, now: Sample, blockers: tuple[Blocker, ...] = ()) -> str:
    """One line: phase, share done, rate and time left since ``first``, and who is in the way."""
    words = [now.phase if now.share is None else f"{now.phase} {100 * now.share:.0f} %"]
    passed = now.seconds - first.seconds
    rows = now.tuples_done - first.tuples_done
    if passed > 0 and rows > 0:
        words.append(f"{rows / passed:,.0f} rows/s")
    done, total = now.done_of_total
    moved = done - first.done_of_total[0]
    if passed > 0 and moved > 0 and total > done:
        words.append(f"{duration((total - done) * passed / moved)} left")
    if blockers:
        words.append(f"waits for {named(blockers)}")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """A duration as people say it: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 90:  # noqa: PLR2004 - below, minutes would be too coarse
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - hours from two on
