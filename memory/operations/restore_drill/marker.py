"""An instant of which the rows are known: what a restored server is held against.

While the tables are locked against writers, for two seconds and what counting takes, the rows are
counted and an entry of the books says so; a restore to the whole second in between has exactly
them.  Readers are not disturbed.
"""

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import errors as pg

from memory.operations.errors import Decision, OperationError
from memory.operations.records import Record, append, records
from memory.operations.tenants import Place, open_base, open_place
from memory.schema.connection import Session

OPERATION = "restore-marker"
LOCK_SECONDS = 2.0
MARGIN = timedelta(seconds=2)
"""From the entry's own time on: it is committed within the first second of it."""


@dataclass(frozen=True, kw_only=True)
class Marker:
    """One entry, and what there was when it was made."""

    position: int
    digest: str
    point: datetime
    """A whole second after the entry, and before whatever was written next."""
    rows: dict[str, int]

    @classmethod
    def of(cls, record: Record) -> "Marker":
        """Read an entry."""
        return cls(
            position=record.position,
            digest=record.digest,
            point=record.at.astimezone(UTC).replace(microsecond=0) + MARGIN,
            rows=dict(record.detail["rows"]),
        )

    def as_data(self) -> dict[str, Any]:
        """Plain data for certificate and records."""
        point = self.point.isoformat().replace("+00:00", "Z")
        return {"position": self.position, "digest": self.digest, "at": point, "rows": self.rows}


def make_marker(places: Sequence[Place], pause_seconds: float) -> Marker:
    """Count all rows, and enter it.  Raises Decision where writers would wait for longer."""
    try:
        with ExitStack() as held, open_base() as base:
            rows = {}
            for place in places:
                session = held.enter_context(open_place(place))
                held.enter_context(session.transaction())
                rows[str(place)] = _counted(session, place, pause_seconds)
            marker = Marker.of(append(base, OPERATION, {"rows": rows}))
            _pass_by(base, marker)
    except (pg.LockNotAvailable, pg.QueryCanceled) as error:
        raise Decision(
            f"writers would have waited for longer than {pause_seconds:g} s: choose a quieter"
            " hour, or a longer --pause-seconds. Nothing was made"
        ) from error
    return marker


def find_marker(session: Session, position: int) -> Marker:
    """The marker at a position of the books.  Raises OperationError."""
    found = [r for r in records(session, OPERATION) if r.position == position]
    if not found:
        raise OperationError(
            f"--marker {position}: no entry {OPERATION} has this position; see"
            f" `python -m memory records list --operation {OPERATION}`"
        )
    return Marker.of(found[0])


def _counted(session: Session, place: Place, seconds: float) -> int:
    waiting = math.ceil(min(LOCK_SECONDS, seconds) * 1000)
    session.execute(f"SET LOCAL lock_timeout = {waiting}".encode())
    session.execute(f"SET LOCAL statement_timeout = {math.ceil(seconds * 1000)}".encode())
    session.execute(f"LOCK TABLE {place.table} IN SHARE MODE".encode())
    row = session.execute(f"SELECT count(*) FROM {place.table}".encode()).fetchone()  # noqa: S608 - quoted
    return int(row[0]) if row else 0


def _pass_by(session: Session, marker: Marker) -> None:
    """Return when the server's clock is past the marker's instant."""
    if _clock(session) >= marker.point - MARGIN / 2:
        raise Decision("the server took a second for one entry: choose a quieter hour")
    while (left := (marker.point - _clock(session)).total_seconds()) >= 0:
        time.sleep(left + 0.01)


def _clock(session: Session) -> datetime:
    row = session.execute("SELECT clock_timestamp()").fetchone()
    if row is None:
        raise AssertionError("a SELECT without FROM returns a row")
    now: datetime = row[0]
    return now
