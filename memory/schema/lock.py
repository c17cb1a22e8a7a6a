"""One runner at a time, by an advisory lock that is asked for again and again.

A session that waits inside ``pg_advisory_lock`` holds a snapshot, CREATE INDEX CONCURRENTLY waits
for snapshots, and the two wait for each other for ever; hence the polling.  The lock dies with its
session, so a killed runner leaves none behind.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from memory.schema.connection import Session
from memory.schema.errors import LockTimeout

# "engram" and "schema" as two 32-bit numbers: what pg_locks shows as classid and objid.
LOCK_KEY = (0x656E6772, 0x73636865)
FIRST_POLL_SECONDS, LAST_POLL_SECONDS = 0.05, 1.0
"""A killed run's session ends within a moment; a build of hours is not asked for in vain."""
QUIET_SECONDS = 30.0
"""The same holder is named again after this."""

HOLDER = """
SELECT a.pid, a.usename, a.application_name, a.client_addr,
       extract(epoch FROM now() - a.backend_start)::int
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.classid = %s AND l.objid = %s AND l.objsubid = 2 AND l.granted
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@contextmanager
def runner_lock(
    session: Session, *, wait_seconds: float, waiting: Callable[[str], None]
) -> Iterator[None]:
    """Hold the lock; say who has it while waiting.  Raises LockTimeout."""
    now = time.monotonic()
    deadline, pause, told = now + wait_seconds, FIRST_POLL_SECONDS, (0, now)
    while not _taken(session):
        pid, holder = _holder(session)
        now = time.monotonic()
        if now > deadline:
            raise LockTimeout(
                f"another run changes this database: {holder}; waited {wait_seconds:.0f} s."
                f" Let it finish, or end it with SELECT pg_terminate_backend({pid})"
            )
        if pid != told[0] or now - told[1] > QUIET_SECONDS:
            waiting(f"waiting for another run: {holder}")
            told = (pid, now)
        time.sleep(pause)
        pause = min(pause * 2, LAST_POLL_SECONDS)
    try:
        yield
    finally:
        if not session.closed:
            session.execute("SELECT pg_advisory_unlock(%s, %s)", LOCK_KEY)


def _taken(session: Session) -> bool:
    row = session.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK_KEY).fetchone()
    return bool(row and row[0])


def _holder(session: Session) -> tuple[int, str]:
    row = session.execute(HOLDER, LOCK_KEY).fetchone()
    if row is None:
        return 0, "it has just finished"
    pid, user, application, address, age = row
    return pid, f"process {pid}, {user} ({application} from {address}), connected {age} s ago"
