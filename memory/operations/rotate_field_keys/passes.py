"""One pass over a table: the server reads and writes while this process encrypts.

A thread owns the session.  While the main thread encrypts some rows, the thread writes those
before and reads those after; a few hundred rows are in memory, however many there are.
"""

import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from uuid import UUID

from memory.encryption.cipher import FieldCipher
from memory.operations.rotate_field_keys.batches import (
    ROWS_A_TRANSACTION,
    dealt,
    read,
    write,
)
from memory.operations.rotate_field_keys.sealing import Fresh, Row, sealed
from memory.operations.rotate_field_keys.target import Target
from memory.schema.connection import Session
from memory.schema.events import Event, Report, silent

WINDOW_ROWS = 16 * ROWS_A_TRANSACTION
IN_FLIGHT = 2
"""Writes that may wait for the server while the next rows are encrypted."""
MOST_NAMED = 10


@dataclass(kw_only=True)
class Outcome:
    """What became of the rows of a pass."""

    seen: int = 0
    written: int = 0
    broken: int = 0
    """Rows that cannot be decrypted; they are left as they are."""
    named: list[UUID] = field(default_factory=list)
    """The first of those."""
    why: str = ""
    """What the first of them was refused with."""

    @property
    def left_to_writers(self) -> int:
        """Rows that somebody changed, deleted or held in the meantime."""
        return self.seen - self.written - self.broken


@dataclass(kw_only=True)
class Pass:
    """Every row that is not as it ought to be, once."""

    session: Session
    cipher: FieldCipher
    table: str
    target: Target
    total: int = 0
    """Rows that were counted before, for the progress."""
    report: Report = silent
    window_rows: int = WINDOW_ROWS
    outcome: Outcome = field(default_factory=Outcome, init=False)
    _began: float = field(default_factory=time.monotonic, init=False)

    def run(self) -> Outcome:
        """Go through all rows by key; return what became of them together."""
        with ThreadPoolExecutor(1, thread_name_prefix="rotation") as server:
            writing: deque[Future[int]] = deque()
            window = server.submit(self._read, None).result()
            while window:
                coming = server.submit(self._read, window[-1].id)
                for rows in dealt(window):
                    writing.append(server.submit(self._write, self._sealed(rows)))
                    if len(writing) > IN_FLIGHT:
                        self._wrote(writing.popleft())
                window = coming.result()
            while writing:
                self._wrote(writing.popleft())
        return self.outcome

    def _read(self, after: UUID | None) -> list[Row]:
        return read(self.session, self.table, self.target, after, None, self.window_rows)

    def _sealed(self, rows: Sequence[Row]) -> Sequence[Fresh]:
        work = sealed(rows, self.cipher, self.target)
        self.outcome.seen += len(rows)
        self.outcome.broken += len(work.broken)
        self.outcome.named = [*self.outcome.named, *work.broken][:MOST_NAMED]
        self.outcome.why = self.outcome.why or work.why
        return work.fresh

    def _write(self, fresh: Sequence[Fresh]) -> int:
        return write(self.session, self.table, self.target, fresh) if fresh else 0

    def _wrote(self, writing: Future[int]) -> None:
        self.outcome.written += writing.result()
        passed = time.monotonic() - self._began
        done, rate = self.outcome.written, self.outcome.written / passed if passed else 0.0
        text = f"{self.table}: {done} of {max(self.total, done)} rows, {rate:.0f} a second"
        share = min(1.0, done / self.total) if self.total else None
        self.report(Event(kind="progress", text=text, share=share))
