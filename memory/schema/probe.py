"""One real nearest-neighbour query, and the proof that the index answers it."""

from typing import Any

import psycopg
from psycopg import errors as pg

from memory.schema.connection import Session
from memory.schema.errors import StepFailed
from memory.schema.sql import name
from memory.schema.steps import Probe

HIDE_TIMEOUT_MS = 1500
"""While it waits for its lock, readers queue behind it: it gives up quickly and tries again.

An autovacuum of the table gives way only to who has waited for ``deadlock_timeout``, 1 s.
"""
ANSWER_TIMEOUT_MS = 1000
"""Readers stand still while the others are hidden; an index that is not in memory yet answers
late, and by then it is."""


class TooSlow(Exception):  # noqa: N818 - a try that failed; never seen outside
    """The query was taken back before its answer came, so that readers may go on."""


def prove(session: Session, probe: Probe, *, role: str | None) -> int:
    """Run the query and return its number of rows; the transaction is rolled back.

    Sequential scans are switched off: on a small table the planner would rightly take one, and
    what is to be shown is that the index *can* answer.  Raises StepFailed when it does not, and
    TooSlow when other indexes are hidden and it does not in time.
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
            answered = len(_answer(session, probe))
        raise psycopg.Rollback
    if used != probe.index:
        raise StepFailed(
            f"index {probe.index} does not answer a nearest-neighbour query on {probe.relation}"
            f" (the planner takes {used or 'no index'}); its distance must be the query's"
        )
    return answered


def _answer(session: Session, probe: Probe) -> list[Any]:
    if not probe.hidden:
        return session.execute(probe.query).fetchall()
    _execute(session, f"SET LOCAL statement_timeout = {ANSWER_TIMEOUT_MS}")
    try:
        return session.execute(probe.query).fetchall()
    except pg.QueryCanceled as error:
        raise TooSlow(
            f"{probe.index} did not answer within {ANSWER_TIMEOUT_MS / 1000:g} s, for which readers"
            f" had to wait ({error.diag.message_primary})"
        ) from error


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
