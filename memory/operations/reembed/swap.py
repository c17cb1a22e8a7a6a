"""The swap, and the way back: one short transaction each, with nothing left behind unseen.

The lock that keeps everybody out is asked for with nothing held, so that nobody who has read and
now writes can be in a circle with it.  Rows are judged under it, by an index of those that are
left, and where there is one it is let go at once: no model is asked while anybody waits.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from memory.operations.reembed.errors import Stop
from memory.operations.reembed.found import Found, look
from memory.operations.reembed.goal import Subject
from memory.schema.connection import Session
from memory.schema.errors import LockTimeout
from memory.schema.events import Patience, Report
from memory.schema.tries import Tries

HOLD_SECONDS = 10


class NotYet(Exception):  # noqa: N818 - never seen outside
    """Rows came between the last look and the lock."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Changes names under the lock, however often it takes to get it."""

    session: Session
    second: Callable[[], Session]
    subject: Subject
    patience: Patience
    report: Report

    def run(
        self,
        title: str,
        complete: Callable[[Found], None],
        statements: Callable[[Found], Iterable[str]],
    ) -> None:
        """Lock, let ``complete`` judge the rows, and run the statements; all of it or nothing.

        What ``complete`` raises ends the attempt with nothing changed.  Raises Stop when the lock
        was not to be had.
        """
        tries = Tries(
            session=self.session, second=self.second, patience=self.patience, report=self.report
        )
        try:
            tries.of(title, lambda: self._once(complete, statements))
        except LockTimeout as error:
            raise Stop(f"{error}; nothing was changed") from error

    def _once(
        self, complete: Callable[[Found], None], statements: Callable[[Found], Iterable[str]]
    ) -> None:
        with self.session.transaction():
            self._execute(f"SET LOCAL lock_timeout = {self.patience.lock_timeout_ms}")
            # Should this machine be lost, everybody waits no longer than this.
            limit = f"'{HOLD_SECONDS}s'"
            self._execute(f"SET LOCAL idle_in_transaction_session_timeout = {limit}")
            self._execute(f"LOCK TABLE {self.subject.relation} IN ACCESS EXCLUSIVE MODE")
            # The index of the rows that are left answers; the planner may not know it is empty.
            self._execute("SET LOCAL enable_seqscan = off")
            found = look(self.session, self.subject)
            complete(found)
            for statement in statements(found):
                self._execute(statement)

    def _execute(self, statement: str) -> None:
        self.session.execute(statement)
