"""The table in which an operation keeps how far it came, and what it has paid.

The ledger is believed in what only it can know: the goal, the tokens that were paid, where a pass
over the rows stood.  What the catalog shows is asked of the catalog.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from psycopg import sql as composing

from memory.operations.reembed.errors import GoalRefused, NotInThisPhase
from memory.operations.reembed.found import Found
from memory.operations.reembed.goal import Goal, Subject
from memory.schema import sql
from memory.schema.connection import Session
from memory.schema.steps import Step

KIND = "reembed"
Phase = Literal[
    "backfill", "index", "check", "ready", "swapped", "contracted", "aborted"
]  # fmt: skip
ENDED: tuple[Phase, ...] = ("contracted", "aborted")
COLUMNS = {"id", "kind", "subject", "phase", "goal", "progress", "started_at", "changed_at",
           "ended_at"}  # fmt: skip
COUNTED = ("rows_done", "tokens_paid", "tokens_estimated")
"""What several processes add up."""
LOCK = "none that anyone waits for"


@dataclass(kw_only=True)
class Progress:
    """How far the rows are; all of it is written in the transaction that moves it."""

    cursor: list[str] | None = None
    """Key of the last row of the present pass, as text; None before the first."""
    rows_done: int = 0
    rows_total: int = 0
    """As counted at the start; rows that writers add come on top."""
    tokens_paid: int = 0
    tokens_estimated: int = 0
    """What had been estimated for the paid ones."""
    price_per_million: float | None = None
    seconds: float = 0.0
    """Time spent on rows, over all runs."""
    rows_a_second: float = 0.0
    """Of the latest run."""
    check: dict[str, Any] | None = None
    """The last comparison of the two columns, and the index that it was made with."""

    @property
    def cost(self) -> float | None:
        """What was paid; None without a price."""
        if self.price_per_million is None:
            return None
        return self.tokens_paid * self.price_per_million / 1_000_000

    @property
    def seconds_left(self) -> float | None:
        """Until the last row, at the present rate; None where there is none yet."""
        if not self.rows_a_second:
            return None
        return max(0, self.rows_total - self.rows_done) / self.rows_a_second


@dataclass(kw_only=True)
class Entry:
    """One re-embedding."""

    id: int
    phase: Phase
    goal: Goal
    started_at: datetime
    changed_at: datetime
    ended_at: datetime | None = None
    progress: Progress = field(default_factory=Progress)


def create_steps(found: Found) -> Sequence[Step]:
    """The table itself; nobody but its owner may read what it knows."""
    if found.has_ledger:
        return ()
    table = found.subject.ledger
    create = f"""CREATE TABLE {table} (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind text NOT NULL,
  subject text NOT NULL,
  phase text NOT NULL,
  goal jsonb NOT NULL,
  progress jsonb NOT NULL,
  started_at timestamp with time zone NOT NULL DEFAULT now(),
  changed_at timestamp with time zone NOT NULL DEFAULT now(),
  ended_at timestamp with time zone
)"""
    index = f"CREATE UNIQUE INDEX ON {table} (kind, subject) WHERE ended_at IS NULL"
    statements = [create, index]
    if found.ledger_grantees:
        names = ", ".join(sql.grantee(role) for role in found.ledger_grantees)
        statements.append(f"REVOKE ALL ON TABLE {table} FROM {names}")
    return [
        found.place.step(text, "how far operations came", LOCK, "expand") for text in statements
    ]


def begin_step(found: Found, goal: Goal, progress: Progress) -> Step:
    """Enter a new re-embedding."""
    insert = (
        f"INSERT INTO {found.subject.ledger} (kind, subject, phase, goal, progress)"  # noqa: S608 - quoted
        f" VALUES ('{KIND}', {_text(str(found.subject))}, 'backfill',"
        f" {_text(goal.model_dump_json())}, {_text(json.dumps(asdict(progress)))})"
    )
    return found.place.step(insert, "what is to be reached", LOCK, "expand")


def turn_step(found: Found, entry: Entry, phase: Phase, batch: str) -> Step:
    """Enter a phase together with what makes it true."""
    return found.place.step(turn(found.subject, entry, phase), f"now {phase}", LOCK, batch)


def turn(subject: Subject, entry: Entry, phase: Phase) -> str:
    """The statement that enters a phase, or the end."""
    ended = ", ended_at = now()" if phase in ENDED else ""
    return (
        f"UPDATE {subject.ledger} SET phase = '{phase}', changed_at = now(){ended}"  # noqa: S608 - quoted
        f" WHERE id = {entry.id}"
    )


def read(session: Session, subject: Subject) -> Entry | None:
    """The re-embedding of this column that has not ended, if there is one."""
    rows = _entries(session, subject, "ended_at IS NULL")
    return rows[0] if rows else None


def history(session: Session, subject: Subject) -> Sequence[Entry]:
    """Those that have ended, latest first."""
    return _entries(session, subject, "ended_at IS NOT NULL")


def save(session: Session, subject: Subject, entry: Entry) -> None:
    """Write goal and progress, within the caller's transaction."""
    _execute(
        session,
        f"UPDATE {subject.ledger} SET goal = %s, progress = %s, changed_at = now() WHERE id = %s",  # noqa: S608 - quoted
        (entry.goal.model_dump_json(), json.dumps(asdict(entry.progress)), entry.id),
    )


def add(session: Session, subject: Subject, entry: Entry, more: Progress) -> Progress:
    """Count what one of many has done into what all have, within the caller's transaction.

    Raises NotInThisPhase where the re-embedding has ended meanwhile.
    """
    counted = ", ".join(f"'{name}', (progress->>'{name}')::bigint + %s" for name in COUNTED)
    row = _execute(
        session,
        f"UPDATE {subject.ledger} SET changed_at = now(),"  # noqa: S608 - quoted
        f" progress = progress || jsonb_build_object({counted})"
        " WHERE id = %s AND phase = 'backfill' RETURNING progress",
        (*(getattr(more, name) for name in COUNTED), entry.id),
    ).fetchone()
    if row is None:
        raise NotInThisPhase(f"the re-embedding of {subject.relation} is no longer in its backfill")
    return _progress(row[0])


def _entries(session: Session, subject: Subject, which: str) -> list[Entry]:
    columns = _execute(
        session,
        "SELECT array_agg(attname::text) FROM pg_attribute WHERE attrelid = to_regclass(%s)"
        " AND attnum > 0 AND NOT attisdropped",
        (subject.ledger,),
    ).fetchone()
    if columns is None or columns[0] is None:
        return []
    if COLUMNS - set(columns[0]):
        raise GoalRefused(
            f"{subject.ledger} is somebody else's table, and progress would be kept in it:"
            " rename it"
        )
    wanted = "id, phase, goal, progress, started_at, changed_at, ended_at"
    ours = f"kind = %s AND subject = %s AND {which} ORDER BY id DESC"
    query = f"SELECT {wanted} FROM {subject.ledger} WHERE {ours}"  # noqa: S608 - quoted
    rows = _execute(session, query, (KIND, str(subject))).fetchall()
    return [_entry(row) for row in rows]


def _entry(row: tuple[Any, ...]) -> Entry:
    return Entry(
        id=row[0],
        phase=row[1],
        goal=Goal.model_validate(row[2]),
        progress=_progress(row[3]),
        started_at=row[4],
        changed_at=row[5],
        ended_at=row[6],
    )


def _progress(data: dict[str, Any]) -> Progress:
    known = {f.name for f in fields(Progress)}
    return Progress(**{key: value for key, value in data.items() if key in known})


def _text(value: str) -> str:
    return composing.Literal(value).as_string(None)


def _execute(session: Session, statement: str, parameters: Sequence[object] = ()) -> Any:
    return session.execute(statement, parameters)
