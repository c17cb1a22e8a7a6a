"""What was done to a database, each entry sealed with the one before it.

The table ``memory_operations`` takes entries and gives none back: its logins may read and add.  An
entry's digest is SHA-256 over all that it says and over the digest of its predecessor, so that a
changed, lost or inserted entry shows.  Entries cut off at the end do not: for that, keep the last
position and digest elsewhere (the evidence and the certificates do) and give them to ``verify``.

No entry holds contents or secrets; persons are named by a fingerprint.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import errors as pg
from psycopg.rows import class_row

from memory.operations.errors import Decision, LedgerMissing, RecordsUnusable
from memory.schema.connection import Session

TABLE = "memory.memory_operations"
GENESIS = "0" * 64
"""What the first entry names as its predecessor."""
LOCK_KEY = (0x656E6772, 0x72656373)
"""``engram`` and ``recs`` as two 32-bit numbers: what pg_locks shows as classid and objid."""
BATCH = 1000
ENDED = frozenset({"done", "stopped", "failed", "interrupted"})
"""States in which an operation is over; others are on the way."""
COLUMNS = "position, at, operation, actor, detail, previous, digest"
Detail = Mapping[str, Any]

# A statement of its own, so that the next one sees what the one before committed.
TURN = "SELECT pg_advisory_xact_lock(%s, %s)"
LAST = f"SELECT {COLUMNS} FROM {TABLE} ORDER BY position DESC LIMIT 1"  # noqa: S608 - constants
# The digest is over what the table will give back: jsonb rewrites numbers.
STAMP = "SELECT clock_timestamp(), session_user::text, %s::jsonb"
ADD = f"INSERT INTO {TABLE} ({COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s)"  # noqa: S608 - constants
NEXT = f"SELECT {COLUMNS} FROM {TABLE} WHERE position > %s ORDER BY position LIMIT %s"  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True)
class Record:
    """One entry."""

    position: int
    at: datetime
    operation: str
    actor: str
    """The login that wrote it, as the server knows it."""
    detail: dict[str, Any]
    previous: str
    digest: str

    def sealed(self) -> str:
        """The digest that this entry ought to have."""
        return seal(self.position, self.at, self.operation, self.actor, self.detail, self.previous)

    def as_data(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {**asdict(self), "at": instant(self.at)}


@dataclass(frozen=True, kw_only=True)
class Chain:
    """What a walk over all entries found."""

    rows: int
    broken: int | None = None
    """The first position that is not what it was, or not where it was."""
    why: str = ""
    head: str = GENESIS
    """Digest of the last entry that is in order."""

    @property
    def ok(self) -> bool:
        """Whether every entry is as it was written."""
        return self.broken is None


def seal(  # noqa: PLR0913, PLR0917 - the columns of an entry, in their order
    position: int, at: datetime, operation: str, actor: str, detail: Detail, previous: str
) -> str:
    """The digest of an entry over all its columns but the digest, times in UTC."""
    told = {
        "position": position,
        "at": instant(at),
        "operation": operation,
        "actor": actor,
        "detail": detail,
        "previous": previous,
    }
    return digest(told)


def digest(told: Detail) -> str:
    """SHA-256 over canonical JSON: sorted keys, no blanks."""
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def instant(at: datetime) -> str:
    """A time in UTC to the microsecond, as it is sealed."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def append(session: Session, operation: str, detail: Detail) -> Record:
    """Add an entry, in the caller's transaction where there is one; others wait for its end.

    Raises LedgerMissing where the table is not there, or not for this login.
    """
    text = _json(detail)
    with _explained(), session.transaction():
        session.execute(TURN, LOCK_KEY)
        last = _one(session, LAST)
        row = session.execute(STAMP, (text,)).fetchone()
        if row is None:
            raise AssertionError("a SELECT without FROM returns a row")
        at, actor, kept = row
        position, previous = (last.position + 1, last.digest) if last else (1, GENESIS)
        sealed = seal(position, at, operation, actor, kept, previous)
        session.execute(ADD, (position, at, operation, actor, text, previous, sealed))
    return Record(
        position=position,
        at=at,
        operation=operation,
        actor=actor,
        detail=kept,
        previous=previous,
        digest=sealed,
    )


@contextmanager
def recorded(session: Session, operation: str, detail: Detail) -> Iterator[dict[str, Any]]:
    """Enter that an operation begins, and how it ended; the block fills in what the end says.

    What it fills is given ``begun``, the position of the first entry.

    An entry that says ``begun`` and has no other that names its position was killed.
    """
    begun = append(session, operation, {**detail, "state": "begun"})
    result: dict[str, Any] = {"begun": begun.position}
    try:
        yield result
    except BaseException as error:
        ended = {**result, "state": ended_as(error), "error": type(error).__name__}
        with suppress(psycopg.Error, LedgerMissing):
            append(session, operation, ended)
        raise
    append(session, operation, {**result, "state": "done"})


def records(session: Session, operation: str | None = None) -> Iterator[Record]:
    """Every entry, or those of one operation, in order; a thousand at a time."""
    after = 0
    with _explained():
        while batch := _batch(session, after):
            after = batch[-1].position
            yield from (r for r in batch if operation in {None, r.operation})


def verify(session: Session, *, expected: tuple[int, str] | None = None) -> Chain:
    """Walk over the chain; with ``expected``, a position and its digest, nothing before is lost."""
    rows, head = 0, GENESIS
    for record in records(session):
        why = _fault(record, rows + 1, head)
        if expected and record.position == expected[0] and record.digest != expected[1]:
            why = why or f"its digest is not {expected[1]}, as it was noted elsewhere"
        if why:
            return Chain(rows=rows, broken=record.position, why=why, head=head)
        rows, head = record.position, record.digest
    if expected and rows < expected[0]:
        why = f"the chain ends at {rows}; {expected[0]} was noted elsewhere: entries are cut off"
        return Chain(rows=rows, broken=rows + 1, why=why, head=head)
    return Chain(rows=rows, head=head)


def unfinished(session: Session) -> list[Record]:
    """Operations that began and did not say how they ended: they run, or were killed."""
    begun: dict[int, Record] = {}
    for record in records(session):
        state = record.detail.get("state")
        if state == "begun":
            begun[record.position] = record
        elif state in ENDED:
            begun.pop(record.detail.get("begun", 0), None)
    return list(begun.values())


def _fault(record: Record, position: int, previous: str) -> str:
    if record.position != position:
        return f"an entry is lost: {position} was to follow, {record.position} is there"
    if record.previous != previous:
        return "it does not name the entry before it"
    if record.sealed() != record.digest:
        return "it does not say what it was sealed with"
    return ""


def ended_as(error: BaseException) -> str:
    """The state in which an exception leaves an operation, one of ``ENDED``."""
    if isinstance(error, Decision):
        return "stopped"
    return "failed" if isinstance(error, Exception) else "interrupted"


def _json(detail: Detail) -> str:
    try:
        return json.dumps(detail, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise RecordsUnusable(f"an entry is plain JSON, and this is not: {error}") from error


def _batch(session: Session, after: int) -> list[Record]:
    with session.cursor(row_factory=class_row(Record)) as cursor:
        return cursor.execute(NEXT, (after, BATCH)).fetchall()


def _one(session: Session, query: str) -> Record | None:
    with session.cursor(row_factory=class_row(Record)) as cursor:
        return cursor.execute(query.encode()).fetchone()


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except pg.UndefinedTable as error:
        raise LedgerMissing(
            f"{TABLE} is not there: bring the database to its schema first, by"
            " `python -m memory schema apply` or a deployment"
        ) from error
    except pg.InsufficientPrivilege as error:
        raise LedgerMissing(
            f"this login may not write {TABLE}; memory_app and memory_migrator may"
        ) from error
