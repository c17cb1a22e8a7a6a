"""The rows of a re-embedding: which need a value, how they are read, and how they are written.

A batch is read without a lock and written by one short statement that takes a row only if its
content is still the one that was read; a hash says so.  Whatever changed in between stays without a
value and is read again.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import pq
from psycopg.adapt import Buffer, Dumper
from psycopg.types import TypeInfo

from memory.embeddings.limits import estimated_tokens
from memory.operations.reembed.found import Found
from memory.operations.reembed.goal import Goal, Subject
from memory.schema import sql
from memory.schema.connection import Session

MANY = 1000


@dataclass(frozen=True, slots=True)
class Vector:
    """A value of type vector or halfvec, on its way to the server."""

    values: Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row's key, as text, and its content."""

    key: tuple[str, ...]
    content: str

    @property
    def hash(self) -> bytes:
        """What the content is recognised by."""
        return hashlib.sha256(self.content.encode()).digest()


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Rows that are asked for together."""

    rows: tuple[Row, ...]
    cursor: list[str] | None = None
    """Where a pass goes on once this is written."""

    @property
    def texts(self) -> list[str]:
        """The contents, in the rows' order."""
        return [row.content for row in self.rows]

    @property
    def last(self) -> list[str]:
        """The key of the last row."""
        return list(self.rows[-1].key)

    @property
    def tokens(self) -> int:
        """About how many tokens they are."""
        return estimated_tokens(row.content for row in self.rows)


def needs(subject: Subject, derived: str) -> str:
    """The condition of a row that has a vector and not yet the other one."""
    return f"{sql.name(subject.column)} IS NOT NULL AND {sql.name(derived)} IS NULL"


def register(session: Session, found: Found, goal: Goal) -> None:
    """Let the session send vectors in pgvector's own binary form, a tenth of the text's work."""
    info = TypeInfo.fetch(session, sql.qualified(found.place.vectors_in, goal.kind))
    if info is None:  # the column's type exists
        raise AssertionError(f"{goal.kind} is no type here")
    kind: TypeInfo = info
    kind.register(session)
    number = "f" if goal.kind == "vector" else "e"

    class VectorDumper(Dumper):
        oid = kind.oid
        format = pq.Format.BINARY

        def dump(self, obj: Vector) -> Buffer:
            size = len(obj.values)
            return struct.pack(f">HH{size}{number}", size, 0, *obj.values)

    session.adapters.register_dumper(Vector, VectorDumper)


def spread(window: Batch, *, rows: int, tokens: int, before: list[str] | None) -> Sequence[Batch]:
    """Deal neighbouring rows out to different batches; only the last one moves the cursor.

    Keys in the order of time are also the order on disk.  In one batch, the new versions of a
    page's rows would all have to go elsewhere, and into every index.
    """
    count = max(-(-len(window.rows) // rows), -(-window.tokens // tokens), 1)
    parts = [window.rows[number::count] for number in range(count)]
    batches = [Batch(rows=part, cursor=before) for part in parts if part]
    return [*batches[:-1], Batch(rows=batches[-1].rows, cursor=window.last)]


def read_batch(  # noqa: PLR0913 - where to begin, where to end, and how much at once
    session: Session,
    found: Found,
    after: Sequence[str] | None,
    *,
    rows: int,
    tokens: int,
    until: Sequence[str] | None = None,
) -> Batch:
    """The next rows by key that need a value, as many as fit; no model takes an empty text."""
    subject, keys = found.subject, found.keys
    columns = ", ".join(f"{sql.name(key)}::text" for key in keys)
    content = sql.name(subject.content)
    query = (
        f"SELECT ARRAY[{columns}], {content} FROM {subject.relation}"  # noqa: S608 - quoted
        f" WHERE {needs(subject, subject.next)} AND {content} <> ''{_between(found, after, until)}"
        f" ORDER BY {sql.names(keys)} LIMIT %s"
    )
    taken: list[Row] = []
    total = 0
    for key, text in _execute(session, query, [*(after or ()), *(until or ()), rows]):
        row = Row(key=tuple(key), content=text)
        total += estimated_tokens([text])
        if taken and total > tokens:
            break
        taken.append(row)
    return Batch(rows=tuple(taken))


def write_batch(
    session: Session, found: Found, batch: Batch, vectors: Sequence[Sequence[float]]
) -> int:
    """Give each unchanged row its value; return how many there were."""
    subject = found.subject
    content, derived = sql.name(subject.content), sql.name(subject.next)
    keys, names, same = _keyed(found, batch)
    statement = (
        f"UPDATE {subject.relation} t SET {derived} = n.value"  # noqa: S608 - quoted
        f" FROM unnest({_places(found)}, %s::bytea[], %b) AS n ({names}, hash, value)"
        f" WHERE {same} AND t.{sql.name(subject.column)} IS NOT NULL AND t.{derived} IS NULL"
        f" AND sha256(convert_to(t.{content}, 'UTF8')) = n.hash"
    )
    hashes = [row.hash for row in batch.rows]
    cursor = _execute(session, statement, [*keys, hashes, [Vector(v) for v in vectors]])
    return int(cursor.rowcount)


def read_keys(
    session: Session,
    found: Found,
    after: Sequence[str] | None,
    *,
    rows: int,
    until: Sequence[str] | None = None,
) -> Batch:
    """The next rows that the server can give their value by itself, without their contents."""
    columns = ", ".join(f"{sql.name(key)}::text" for key in found.keys)
    query = (
        f"SELECT ARRAY[{columns}] FROM {found.subject.relation}"  # noqa: S608 - quoted
        f" WHERE {needs(found.subject, found.subject.next)}{_between(found, after, until)}"
        f" ORDER BY {sql.names(found.keys)} LIMIT %s"
    )
    keys = _execute(session, query, [*(after or ()), *(until or ()), rows])
    return Batch(rows=tuple(Row(key=tuple(key), content="") for (key,) in keys))


def cast_batch(session: Session, found: Found, goal: Goal, batch: Batch) -> int:
    """Cast the rows on the server, each as it is now; return how many there were."""
    column, derived = sql.name(found.subject.column), sql.name(found.subject.next)
    kind = f"{sql.name(found.place.vectors_in)}.{goal.to}"
    keys, names, same = _keyed(found, batch)
    statement = (
        f"UPDATE {found.subject.relation} t SET {derived} = t.{column}::{kind}"  # noqa: S608 - quoted
        f" FROM unnest({_places(found)}) AS n ({names})"
        f" WHERE {same} AND t.{column} IS NOT NULL AND t.{derived} IS NULL"
    )
    return int(_execute(session, statement, keys).rowcount)


def unwritten(session: Session, found: Found, batch: Batch, *, as_read: bool) -> int:
    """How many rows of a batch have no value, although they are still as they were read."""
    subject = found.subject
    keys, names, same = _keyed(found, batch)
    content = f"sha256(convert_to(t.{sql.name(subject.content)}, 'UTF8')) = n.hash"
    statement = (
        f"SELECT count(*) FROM {subject.relation} t"  # noqa: S608 - quoted
        f" JOIN unnest({_places(found)}, %s::bytea[]) AS n ({names}, hash) ON {same}"
        f" WHERE {needs(subject, subject.next)}" + (f" AND {content}" if as_read else "")
    )
    row = _execute(session, statement, [*keys, [row.hash for row in batch.rows]]).fetchone()
    return int(row[0]) if row else 0


def any_left(session: Session, found: Found, derived: str) -> int:
    """How many rows have a vector and not the other one; nobody needs to know beyond ``MANY``."""
    statement = (
        "SELECT count(*) FROM (SELECT FROM"  # noqa: S608 - quoted
        f" {found.subject.relation} WHERE {needs(found.subject, derived)} LIMIT {MANY}) AS those"
    )
    row = _execute(session, statement).fetchone()
    return int(row[0]) if row else 0


def count_without_content(session: Session, found: Found) -> int:
    """How many rows have a vector and nothing that a new one could be made of."""
    subject = found.subject
    statement = (
        f"SELECT count(*) FROM {subject.relation} WHERE {needs(subject, subject.next)}"  # noqa: S608 - quoted
        f" AND coalesce({sql.name(subject.content)}, '') = ''"
    )
    row = _execute(session, statement).fetchone()
    return int(row[0]) if row else 0


def _keyed(found: Found, batch: Batch) -> tuple[list[list[str]], str, str]:
    """The keys by column, names for these, and the condition that the table's are equal."""
    names = [f"k{number}" for number, _ in enumerate(found.keys)]
    same = " AND ".join(
        f"t.{sql.name(key)} = n.{name}" for key, name in zip(found.keys, names, strict=True)
    )
    keys = [list(column) for column in zip(*(row.key for row in batch.rows), strict=True)]
    return keys, ", ".join(names), same


def _places(found: Found) -> str:
    """A parameter for the keys of each column; they travel as text."""
    return ", ".join(f"%s::text[]::{kind}[]" for kind in found.key_types)


def _between(found: Found, after: Sequence[str] | None, until: Sequence[str] | None) -> str:
    """The condition of keys beyond one and up to another, which belongs to them."""
    values = ", ".join(f"%s::text::{kind}" for kind in found.key_types)
    keys = f"({sql.names(found.keys)})"
    beyond = "" if after is None else f" AND {keys} > ({values})"
    return beyond if until is None else f"{beyond} AND {keys} <= ({values})"


def _execute(session: Session, statement: str, parameters: Sequence[object] = ()) -> Any:
    return session.execute(statement, parameters)
