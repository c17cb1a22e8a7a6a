"""One rotation at a time; the shards of a workflow are one together."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from memory.operations.rotate_field_keys.errors import AlreadyRunning
from memory.schema.connection import Session

LOCK_KEY = (0x656E6772, 0x6669656C)
"""``engr`` and ``fiel`` as two 32-bit numbers: what pg_locks shows as classid and objid."""
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
def alone(session: Session, *, wait_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock that nobody else then has.  Raises AlreadyRunning."""
    with _held(session, "", wait_seconds):
        yield


@contextmanager
def beside(session: Session, *, wait_seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock together with other shards, and keep the command out.

    Raises AlreadyRunning.
    """
    with _held(session, "_shared", wait_seconds):
        yield


@contextmanager
def _held(session: Session, kind: str, wait_seconds: float) -> Iterator[None]:
    deadline = time.monotonic() + wait_seconds
    while not _one(session, f"SELECT pg_try_advisory_lock{kind}(%s, %s)"):
        if time.monotonic() > deadline:
            holder = _one(session, HOLDER) or "it has just finished"
            raise AlreadyRunning(
                f"another process rotates the field keys: {holder}; let it finish, then run again"
            )
        time.sleep(0.25)
    try:
        yield
    finally:
        if not session.closed:
            session.execute(f"SELECT pg_advisory_unlock{kind}(%s, %s)".encode(), LOCK_KEY)


def _one(session: Session, statement: str) -> object:
    row = session.execute(statement.encode(), LOCK_KEY).fetchone()
    return row[0] if row else None
