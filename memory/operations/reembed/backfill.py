"""Gives every row its new value, in batches that may be interrupted after any of them.

A pass goes through the rows by key, a window of them after the other.  Several batches may be at
the endpoint at once; they are written in the order in which they were read, each in a transaction
with its progress, so that a run that is killed pays again at most for what was under way.  Rows
that writers add or change meanwhile are found by the next pass, and the last few by the swap's.
Memory holds one window of contents and the vectors under way.
"""

import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial

from psycopg import errors as pg

from memory.embeddings.client import Answer
from memory.embeddings.errors import EmbeddingError, EndpointRefused, WrongAnswer
from memory.embeddings.limits import Budget
from memory.operations.reembed import ledger, rows
from memory.operations.reembed.errors import ReembedError, RowsLeft, Stop
from memory.operations.reembed.found import Found
from memory.operations.reembed.ledger import Entry, Progress
from memory.operations.reembed.rows import Batch
from memory.schema.connection import Session
from memory.schema.events import Event, Patience, Report

HELD = (pg.LockNotAvailable, pg.DeadlockDetected)
LARGEST_HALF = 65504
WINDOW = 16
"""Batches that neighbouring rows are dealt out to; as many contents are in memory."""
FEW_ROWS = 32
"""What traffic leaves at any moment; the swap finds them."""

Ask = Callable[[Sequence[str]], Answer]
"""One request for the vectors of some texts; many threads call it at once."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How much at once.

    Batches are small, and dealt out: a row's new version finds room on its own page, and so needs
    no new entry in the indexes, only where its neighbour's was committed before.
    """

    batch_rows: int = 64
    batch_tokens: int = 100_000
    """At most, estimated; OpenAI takes 300,000 in a request, 8,192 in one text."""
    in_flight: int = 2


@dataclass(kw_only=True)
class Backfill:
    """One run over the rows; ``entry.progress`` moves with what is committed."""

    session: Session
    found: Found
    entry: Entry
    ask: Ask | None
    """None for a cast, which the server computes."""
    budget: Budget
    pace: Pace
    patience: Patience
    report: Report
    until: Sequence[str] | None = None
    """The last key that is this run's concern; None for all."""
    _began: float = field(default_factory=time.monotonic)
    _seconds_before: float = 0.0
    _done_here: int = 0

    def run(self) -> None:
        """Go on until a pass over all rows finds few, or no fewer than the one before.

        Raises Stop for a budget and for what the endpoint refuses, RowsLeft for rows that nothing
        can be done for; what was written stands, and what was paid is in the ledger.
        """
        if self.ask is not None:
            rows.register(self.session, self.found, self.entry.goal)
        self._seconds_before = self.entry.progress.seconds
        try:
            self._passes()
        except ReembedError:
            self._book()
            raise

    def _passes(self) -> None:
        before = math.inf
        while True:
            whole = self.entry.progress.cursor is None
            seen = self._cast() if self.ask is None else self._pass(self.ask)
            self._commit(lambda: (0, None))  # the next pass begins with the first row
            if whole and (seen <= FEW_ROWS or seen >= before):
                break
            before = seen if whole else before
        subject = self.found.subject
        if self.ask and (left := rows.count_without_content(self.session, self.found)):
            raise RowsLeft(
                f"{left} rows of {subject.relation} have a vector and no content, and no model"
                f" takes an empty text. Give them content, or set their {subject.column} to NULL"
                f" where coalesce({subject.content}, '') = ''; then run again"
            )

    def _pass(self, ask: Ask) -> int:
        """Read, ask and write, with a few batches under way; return how many rows were read."""
        flying: deque[tuple[Batch, Future[Answer]]] = deque()
        seen, batches, more = 0, self._batches(), True
        with ThreadPoolExecutor(self.pace.in_flight) as threads:
            try:
                while more or flying:
                    while more and len(flying) < self.pace.in_flight:
                        batch = next(batches, None)
                        if batch is None:
                            more = False
                        else:
                            self.budget.reserve(batch.tokens)
                            flying.append((batch, threads.submit(ask, batch.texts)))
                            seen += len(batch.rows)
                    if flying:
                        self._land(*flying.popleft(), ask)
            except ReembedError:
                self._rescue(flying, write=False)
                raise
            except EmbeddingError as error:
                self._rescue(flying, write=True)
                raise Stop(f"{error}. What was written stands: {self._sofar()}") from None
        return seen

    def _batches(self) -> Iterator[Batch]:
        """The rows by key, a window after the other, each dealt out to batches."""
        cursor, size = self.entry.progress.cursor, self.pace.batch_tokens
        while True:
            window = self._window(cursor)
            if not window.rows:
                return
            yield from rows.spread(window, rows=self.pace.batch_rows, tokens=size, before=cursor)
            cursor = window.last

    def _window(self, cursor: Sequence[str] | None) -> Batch:
        count = self.pace.batch_rows * WINDOW
        if self.ask is None:
            return rows.read_keys(self.session, self.found, cursor, rows=count, until=self.until)
        tokens = self.pace.batch_tokens * WINDOW
        return rows.read_batch(
            self.session, self.found, cursor, rows=count, tokens=tokens, until=self.until
        )

    def _land(self, batch: Batch, future: Future[Answer], ask: Ask) -> None:
        """Write the answer; where the endpoint refuses the batch, find the row that it refuses."""
        try:
            answer = future.result()
        except EndpointRefused as refusal:
            if not refusal.inputs_are_at_fault:
                raise
            self.budget.release(batch.tokens)
            for row in batch.rows:
                one = Batch(rows=(row,), cursor=self.entry.progress.cursor)
                self.budget.reserve(one.tokens)
                self._write(one, self._alone(one, ask))
        except WrongAnswer:
            self.budget.settle(batch.tokens, None)  # wrong, and paid all the same
            raise
        else:
            self._write(batch, answer)

    def _alone(self, one: Batch, ask: Ask) -> Answer:
        try:
            return ask(one.texts)
        except EndpointRefused as refusal:
            subject, row = self.found.subject, one.rows[0]
            raise EndpointRefused(
                f"{refusal}, for the row with key {', '.join(row.key)}: its content has"
                f" {len(row.content)} characters, too many perhaps; shorten it, or set its"
                f" {subject.column} to NULL, and run again"
            ) from None

    def _rescue(self, flying: deque[tuple[Batch, Future[Answer]]], *, write: bool) -> None:
        """Write what is paid for, behind the batch that failed; the cursor stays before it.

        Where nothing can be written, count at least what it cost.
        """
        for batch, future in flying:
            if future.cancel():
                continue
            try:
                answer = future.result()
            except EmbeddingError:
                continue
            if write:
                self._write(replace(batch, cursor=self.entry.progress.cursor), answer)
            else:
                self.budget.settle(batch.tokens, answer.tokens)

    def _write(self, batch: Batch, answer: Answer) -> None:
        self.budget.settle(batch.tokens, answer.tokens)

        def write() -> tuple[int, Sequence[str] | None]:
            written = rows.write_batch(self.session, self.found, batch, answer.vectors)
            return written, batch.cursor

        self._refuse_unwritten(batch, self._commit(write), as_read=True)

    def _refuse_unwritten(self, batch: Batch, written: int, *, as_read: bool) -> None:
        """Raise RowsLeft for rows that something keeps from being written: no pass would end."""
        if written == len(batch.rows):
            return
        if left := rows.unwritten(self.session, self.found, batch, as_read=as_read):
            raise RowsLeft(
                f"{left} of {len(batch.rows)} rows were written and still have no value, though"
                " nobody changed them: a BEFORE UPDATE trigger or a rule of"
                f" {self.found.subject.relation} turns the change away; disable it for the time"
                " of the re-embedding, and run again"
            )

    def _cast(self) -> int:
        """The whole pass on the server; return how many rows it saw."""
        seen = 0
        for batch in self._batches():
            self._cast_or_name(batch)
            seen += len(batch.rows)
        return seen

    def _cast_or_name(self, batch: Batch) -> None:
        """Cast a batch; where a value does not fit, find its row and raise Stop."""
        try:
            written = self._commit(partial(self._cast_batch, batch))
        except pg.NumericValueOutOfRange:
            subject, (row, *others) = self.found.subject, batch.rows
            if others:
                for one in batch.rows:
                    self._cast_or_name(Batch(rows=(one,), cursor=self.entry.progress.cursor))
                return
            raise Stop(
                f"the row with key {', '.join(row.key)} has a number in its {subject.column} that"
                f" no halfvec holds, beyond {LARGEST_HALF}: change it, or set it to NULL, and run"
                f" again; or --abort. {self._sofar()}"
            ) from None
        self._refuse_unwritten(batch, written, as_read=False)

    def _cast_batch(self, batch: Batch) -> tuple[int, Sequence[str] | None]:
        written = rows.cast_batch(self.session, self.found, self.entry.goal, batch)
        return written, batch.cursor

    def _book(self) -> None:
        """Keep what was paid, also for what could not be written."""
        paid, estimated = self.budget.paid, self.budget.estimated
        moved = replace(self.entry.progress, tokens_paid=paid, tokens_estimated=estimated)
        self.entry.progress = self._save(moved)

    def _save(self, moved: Progress) -> Progress:
        """Enter into the ledger how far it is; return what stands there then."""
        ledger.save(self.session, self.found.subject, replace(self.entry, progress=moved))
        return moved

    def _commit(self, work: Callable[[], tuple[int, Sequence[str] | None]]) -> int:
        """Rows and progress in one transaction, again where a writer holds a row; return rows."""
        deadline = time.monotonic() + self.patience.retry_seconds
        while True:
            try:
                with self.session.transaction():
                    self._execute(f"SET LOCAL lock_timeout = {self.patience.lock_timeout_ms}")
                    written, cursor = work()
                    saved = self._save(self._moved(written, cursor))
            except HELD as error:
                if time.monotonic() > deadline:
                    raise Stop(
                        f"a writer holds a row for more than {self.patience.retry_seconds:.0f} s:"
                        " end its transaction, and run again"
                    ) from error
                time.sleep(secrets.SystemRandom().uniform(0.05, 0.5))
            else:
                self.entry.progress = saved
                self._done_here += written
                self._tell()
                return written

    def _moved(self, written: int, cursor: Sequence[str] | None) -> Progress:
        here = time.monotonic() - self._began
        return replace(
            self.entry.progress,
            cursor=None if cursor is None else list(cursor),
            rows_done=self.entry.progress.rows_done + written,
            tokens_paid=self.budget.paid,
            tokens_estimated=self.budget.estimated,
            price_per_million=self.budget.price_per_million,
            seconds=self._seconds_before + here,
            rows_a_second=(self._done_here + written) / here if here else 0.0,
        )

    def _tell(self) -> None:
        progress = self.entry.progress
        share = min(1.0, progress.rows_done / progress.rows_total) if progress.rows_total else None
        self.report(Event(kind="progress", text=f"backfill: {self._sofar()}", share=share))

    def _sofar(self) -> str:
        return described(self.entry.progress)

    def _execute(self, statement: str) -> None:
        self.session.execute(statement)


def described(progress: Progress) -> str:
    """Rows, rate, time left and cost in one phrase."""
    words = [f"{progress.rows_done} of {progress.rows_total} rows"]
    if progress.rows_a_second:
        words.append(f"{progress.rows_a_second:.0f} a second")
    if progress.seconds_left is not None:
        words.append(f"{duration(progress.seconds_left)} left")
    if progress.tokens_paid:
        words.append(f"{progress.tokens_paid} tokens")
    if progress.cost is not None:
        words.append(f"cost {progress.cost:.4f}")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:  # noqa: PLR2004 - what a person still says in seconds
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004 - in minutes
