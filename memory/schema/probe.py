"""One real nearest-neighbour query, and the proof that the index answers it."""

import psycopg

from memory.schema.connection import Session
from memory.schema.errors import StepFailed
from memory.schema.sql import name
from memory.schema.steps import Probe

HIDE_TIMEOUT_MS = 500
"""While it waits for its lock, readers queue behind it: it gives up quickly and tries again."""


def prove(session: Session, probe: Probe, *, role: str | None) -> int:
    """Run the query and return its number of rows; the transaction is rolled back.

    Sequential scans are switched off: on a small table the planner would rightly take one, and
    what is to be shown is that the index *can* answer.  Raises StepFailed when it does not.
    """
    answered = 0
    with session.transaction():
        _execute(session, f"SET LOCAL lock_timeout = {HIDE_TIMEOUT_MS}")
        if role:
            _execute(session, f"SET LOCAL ROLE {name(role)}")
        if probe.hidden:
            _execute(session, f"DROP INDEX {probe.hidden}")
        used = index_used(session, probe.query)
        if used == probe.index:
            answered = len(session.execute(probe.query).fetchall())
        raise psycopg.Rollback
    if used != probe.index:
        raise StepFailed(
            f"index {probe.index} does not answer a nearest-neighbour query on {probe.relation}"
            f" (the planner takes {used or 'no index'}); its distance must be the query's"
        )
    return answered


def index_used(session: Session, query: str) -> str | None:
    """Name of the index by which the planner would answer, sequential scans aside."""
    _execute(session, "SET LOCAL enable_seqscan = off")
    row = session.execute(f"EXPLAIN (FORMAT JSON) {query}").fetchone()
    node = row[0][0]["Plan"] if row else {}
    while "Index Name" not in node and node.get("Plans"):
        node = node["Plans"][0]
    used = node.get("Index Name")
    return str(used) if used else None


def _execute(session: Session, statement: str) -> None:
    session.execute(statement)
