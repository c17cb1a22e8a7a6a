"""How far a concurrent index build is, and who holds it up, seen from a second session."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import psycopg
from typing_extensions import override

from memory.schema.connection import Session
from memory.schema.errors import SchemaError

POLL_SECONDS = 1.0

PROGRESS = """
SELECT p.phase, p.tuples_done, p.tuples_total, p.blocks_done, p.blocks_total,
       (SELECT string_agg(format('process %%s (%%s, busy for %%s s)', b.pid, b.usename,
                                 extract(epoch FROM now() - b.xact_start)::int), ', ')
        FROM pg_stat_activity b WHERE b.pid = ANY (pg_blocking_pids(p.pid)))
FROM pg_stat_progress_create_index p WHERE p.pid = %s
"""


class BuildWatch(AbstractContextManager["BuildWatch"]):
    """Reports a build's progress while its own session is busy.

    It connects only when the build outlives one poll: a small one costs nothing extra.  A watcher
    that loses its connection falls silent; the build does not depend on it.
    """

    def __init__(
        self, builder_pid: int, open_session: Callable[[], Session], report: Callable[[str], None]
    ) -> None:
        self._pid = builder_pid
        self._open = open_session
        self._report = report
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @override
    def __enter__(self) -> Self:
        self._thread.start()
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._done.wait(POLL_SECONDS):
            return
        try:
            with self._open() as session:
                last = ""
                while not self._done.is_set():
                    text = self._now(session)
                    if text and text != last:
                        self._report(text)
                        last = text
                    self._done.wait(POLL_SECONDS)
        except (psycopg.Error, SchemaError) as error:
            self._report(f"progress is not visible: {error}")

    def _now(self, session: Session) -> str:
        row = session.execute(PROGRESS, (self._pid,)).fetchone()
        return describe(*row) if row else ""


def describe(  # noqa: PLR0913, PLR0917 - the columns of one row
    phase: str,
    tuples_done: int,
    tuples_total: int,
    blocks_done: int,
    blocks_total: int,
    blockers: str | None,
) -> str:
    """One line: phase, share done, and the transactions that the build waits for."""
    done, total = (tuples_done, tuples_total) if tuples_total else (blocks_done, blocks_total)
    share = f" {100 * done / total:.0f} %" if total else ""
    waits = f", waits for {blockers}" if blockers else ""
    return f"{phase}{share}{waits}"
