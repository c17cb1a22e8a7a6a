"""Counts what is due, and deletes it a few rows at a time.

A batch is one short transaction: its rows and the audit of their end, or neither.  It re-judges
each row as it is at that moment, waits for nobody longer than ``LOCK_MS``, and walks from the
oldest on, so that a run that was killed only has less to do the next time.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.types.json import Jsonb

from memory.operations.retention.errors import RowsBusy
from memory.operations.retention.policy import Policy
from memory.operations.tenants import Place
from memory.schema import sql
from memory.schema.connection import Session
from memory.schema.events import Event, Report

LOCK_MS = 2000
PASSES = 3
"""Over rows that others held at first."""
Key = tuple[datetime, str]


@dataclass(frozen=True, kw_only=True)
class Due:
    """What the policy ends at one place."""

    rows: int
    """In all; a row that several rules end counts once."""
    of: int
    """Rows that there are."""
    oldest: datetime | None
    by_rule: tuple[int, ...]

    def as_data(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {**asdict(self), "oldest": self.oldest and self.oldest.isoformat()}


@dataclass(kw_only=True)
class Ending:
    """One walk over what is due at one place."""

    session: Session
    place: Place
    policy: Policy
    now: datetime
    """Of the server, once for all batches: what becomes due meanwhile is the next run's."""
    request: str = ""
    """Ties the audit of every batch to the record of this run."""
    batch_rows: int = 500
    pause_seconds: float = 0.05
    """Between batches, for others."""
    report: Report
    ended: int = field(default=0, init=False)

    def due(self) -> Due:
        """Count, without a lock that anybody waits for."""
        words, values = self.policy.condition(self.now)
        each = [rule.condition(self.now) for rule in self.policy.rules]
        counts = ", ".join(f"count(*) FILTER (WHERE {one})" for one, _ in each)
        row = _execute(
            self.session,
            f"SELECT count(*), count(*) FILTER (WHERE {words}),"  # noqa: S608 - quoted
            f" min(created_at) FILTER (WHERE {words}), {counts} FROM {self.place.table}",
            [*values, *values, *(value for _, some in each for value in some)],
        ).fetchone()
        if row is None:
            raise AssertionError("an aggregate returns a row")
        return Due(rows=row[1], of=row[0], oldest=row[2], by_rule=tuple(row[3:]))

    def run(self, expected: int) -> int:
        """Delete all of it; return how many rows.  Raises RowsBusy."""
        for turn in range(PASSES):
            if not self._walk(expected):
                return self.ended
            time.sleep(turn + 1)
        raise RowsBusy(
            f"{self.place}: {self.ended} rows were deleted; others that are due are held by long"
            " transactions. Run again later"
        )

    def _walk(self, expected: int) -> int:
        """Go once from the oldest to the newest that is due; return how many rows were held."""
        last: Key | None = None
        held = 0
        while keys := self._next(last):
            last = keys[-1]
            try:
                self.ended += self._delete([key[1] for key in keys])
            except (pg.LockNotAvailable, pg.DeadlockDetected):
                held += len(keys)
            share = min(1.0, self.ended / expected) if expected else None
            text = f"{self.place}: {self.ended} of {expected} rows deleted"
            self.report(Event(kind="progress", text=text, share=share))
            time.sleep(self.pause_seconds)
        return held

    def _next(self, last: Key | None) -> Sequence[Key]:
        words, values = self.policy.condition(self.now)
        after = "" if last is None else " AND (created_at, id) > (%s, %s::uuid)"
        return list(
            _execute(
                self.session,
                f"SELECT created_at, id::text FROM {self.place.table} WHERE {words}{after}"  # noqa: S608 - quoted
                " ORDER BY created_at, id LIMIT %s",
                [*values, *(last or ()), self.batch_rows],
            )
        )

    def _delete(self, ids: Sequence[str]) -> int:
        words, values = self.policy.condition(self.now)
        with self.session.transaction():
            self.session.execute(f"SET LOCAL lock_timeout = {LOCK_MS}")
            gone = list(
                _execute(
                    self.session,
                    f"DELETE FROM {self.place.table} WHERE id = ANY(%s::uuid[]) AND {words}"  # noqa: S608 - quoted
                    " RETURNING tenant_id, id::text",
                    [list(ids), *values],
                )
            )
            audit(self.session, self.place, "retention", self.request, gone)
        return len(gone)


def audit(
    session: Session,
    place: Place,
    operation: str,
    request: str,
    gone: Sequence[tuple[str, str]],
) -> None:
    """Enter whose rows went, and which; in the transaction that deletes them."""
    table = sql.qualified(place.schema, "memory_audit")
    for tenant in Counter(tenant for tenant, _ in gone):
        ids = [row for owner, row in gone if owner == tenant]
        _execute(
            session,
            f"INSERT INTO {table} (tenant_id, actor, operation, ids, rows, request_id)"  # noqa: S608 - quoted
            " VALUES (%s, left(session_user, 64), %s, %s, %s, %s)",
            [tenant, operation, Jsonb(ids), len(ids), request],
        )


def server_time(session: Session) -> datetime:
    """The server's clock; ages are judged by the clock that wrote them."""
    row = session.execute("SELECT now()").fetchone()
    if row is None:
        raise AssertionError("a SELECT without FROM returns a row")
    moment: datetime = row[0]
    return moment


def _execute(session: Session, query: str, values: Sequence[Any]) -> psycopg.Cursor[Any]:
    return session.execute(query.encode(), values)
