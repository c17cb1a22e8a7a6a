"""One process at a time re-embeds a table, or many that share its rows; others may ask."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from memory.operations.reembed.errors import AlreadyRunning
from memory.operations.reembed.found import Found, look, see_every_row
from memory.operations.reembed.goal import Subject
from memory.schema import sql
from memory.schema.connection import Endpoint, Session
from memory.schema.runner import SESSION, open_direct

LOCK_CLASS = 0x7265656D
"""“reem”; the other half of the lock is the table."""
LOCK_SECONDS = 10.0
"""A killed predecessor's session may live on for a moment."""

HOLDER = """
SELECT format('process %%s, %%s, connected %%s s ago', a.pid, a.usename,
              extract(epoch FROM now() - a.backend_start)::int)
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objid = %s AND l.objsubid = 2 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@contextmanager
def open_owner(
    endpoint: Endpoint, subject: Subject, *, shared: bool = False
) -> Iterator[tuple[Session, Found]]:
    """A session of the table's owner, alone at work or, ``shared``, beside others that share."""
    with open_direct(endpoint) as session:
        session.execute(SESSION)
        found = look(session, subject.check())
        session.execute(f"SET ROLE {sql.name(found.place.owner)}".encode())
        see_every_row(session, found)
        with alone(session, found, shared=shared):
            yield session, found


@contextmanager
def alone(session: Session, found: Found, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of the table, ``shared`` with others that do the same with other rows.

    Raises AlreadyRunning where another process keeps it.
    """
    key, kind = (LOCK_CLASS, found.oid % 2**31), "_shared" if shared else ""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        row = _execute(session, f"SELECT pg_try_advisory_lock{kind}(%s, %s)", key).fetchone()
        if row and row[0]:
            break
        if time.monotonic() > deadline:
            raise AlreadyRunning(
                f"another process re-embeds {found.subject.relation}: {holder(session, found)};"
                " --status shows how far it is"
            )
        time.sleep(0.25)
    try:
        yield
    finally:
        if not session.closed:
            _execute(session, f"SELECT pg_advisory_unlock{kind}(%s, %s)", key)


def holder(session: Session, found: Found) -> str | None:
    """Which process works on the table, if any does."""
    row = session.execute(HOLDER, (LOCK_CLASS, found.oid % 2**31)).fetchone()
    return str(row[0]) if row else None


def _execute(session: Session, statement: str, parameters: tuple[int, int]) -> Any:
    return session.execute(statement, parameters)
