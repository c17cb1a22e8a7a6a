"""Who stands in the way of a session, as another session sees it while it waits.

After a time-out nobody blocks any more and nobody can be named: one has to look while it lasts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from memory.schema.connection import Session

BLOCKERS = """
SELECT DISTINCT blocker.pid, a.usename, a.application_name, a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::int,
       extract(epoch FROM clock_timestamp() - a.query_start)::int,
       (SELECT min(l.virtualtransaction) FROM pg_locks l
        WHERE l.pid = blocker.pid AND l.locktype = 'virtualxid' AND l.mode = 'ExclusiveLock')
FROM unnest(pg_blocking_pids(%s)) AS blocker (pid)
LEFT JOIN pg_stat_activity a ON a.pid = blocker.pid
ORDER BY blocker.pid
"""
LEFT = """
SELECT count(*) FROM pg_locks
WHERE locktype = 'virtualxid' AND mode = 'ExclusiveLock' AND virtualtransaction = ANY (%s)
"""


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """A process that holds what another one waits for; ages in seconds, None where hidden."""

    pid: int
    """0 for a prepared transaction, which no process holds."""
    user: str | None = None
    application: str | None = None
    state: str | None = None
    """``active``, ``idle in transaction``, … as pg_stat_activity has it."""
    transaction_seconds: int | None = None
    query_seconds: int | None = None
    transaction: str | None = None
    """Its number, which no later transaction of the process has; None where it has none."""

    def __str__(self) -> str:
        """One phrase with all that is known."""
        if not self.pid:
            return "a prepared transaction (see pg_prepared_xacts; COMMIT or ROLLBACK PREPARED)"
        facts = [
            self.user or "user hidden",
            self.application,
            self.state,
            _age("transaction", self.transaction_seconds),
            _age("query", self.query_seconds),
        ]
        return f"process {self.pid} ({', '.join(filter(None, facts))})"


def _age(what: str, seconds: int | None) -> str | None:
    return None if seconds is None else f"{what} {seconds} s old"


def read_blockers(session: Session, pid: int) -> tuple[Blocker, ...]:
    """Who blocks process ``pid`` now; a parallel worker is named by its leader."""
    rows = session.execute(BLOCKERS, (pid,)).fetchall()
    ages = ("transaction_seconds", "query_seconds")
    keys = ("pid", "user", "application", "state", *ages, "transaction")
    return tuple(Blocker(**dict(zip(keys, row, strict=True))) for row in rows)


def any_left(session: Session, blockers: Iterable[Blocker]) -> bool:
    """Whether one of these transactions goes on; taken to be so where nobody can tell."""
    numbers = [blocker.transaction for blocker in blockers]
    if not numbers or None in numbers:
        return True
    row = session.execute(LEFT, (numbers,)).fetchone()
    return bool(row and row[0])


def named(blockers: Iterable[Blocker]) -> str:
    """All of them in one phrase."""
    return ", ".join(str(blocker) for blocker in blockers)
