"""Rows that are not as they ought to be, read, encrypted again and written, a few at a time.

A batch is read without a lock.  It is written by short statements that take a row only if it is
still the version that was read (``xmin``) and that nobody else has locked; any other row is left
to a later pass.  So a concurrent write always wins, nobody waits long, and nothing can deadlock.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from memory.encryption.cipher import FieldCipher
from memory.encryption.fields import Policy
from memory.operations.rotate_field_keys.sealing import Fresh, Row, sealed
from memory.operations.rotate_field_keys.target import Target
from memory.schema.connection import Session

ROWS_A_TRANSACTION = 64
Some = TypeVar("Some")

# A content that nothing is to be done with stays where it is.
READ = """
SELECT id, tenant_id,
  CASE WHEN starts_with(content, %(prefix)s) OR {open_content} THEN content END,
  metadata, blind_index, xmin::text
FROM {table} WHERE {range} AND ({wanted}) ORDER BY id LIMIT %(limit)s
"""
WRITE = """
WITH fresh AS (
  SELECT * FROM json_to_recordset(%s::json)
    AS r (id uuid, seen xid, content text, metadata jsonb, blind jsonb)
), free AS MATERIALIZED (
  SELECT t.id FROM {table} t JOIN fresh ON t.id = fresh.id AND t.xmin = fresh.seen
  FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE {table} t SET key_id = %s, content = coalesce(fresh.content, t.content),
  metadata = coalesce(fresh.metadata, t.metadata),
  blind_index = CASE WHEN fresh.blind IS NULL THEN t.blind_index
    WHEN fresh.blind <> '{{}}' THEN fresh.blind END
FROM fresh JOIN free USING (id) WHERE t.id = fresh.id
"""


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What became of some rows."""

    last: UUID | None = None
    """The last row that was read; None at the end of the range."""
    rows_seen: int = 0
    rows_written: int = 0
    broken: tuple[UUID, ...] = ()
    """Rows that cannot be decrypted; they are left as they are."""
    why: str = ""
    """What the first of them was refused with."""

    @property
    def left_to_writers(self) -> int:
        """Rows that somebody changed, deleted or held in the meantime."""
        return self.rows_seen - self.rows_written - len(self.broken)


def reencrypt(  # noqa: PLR0913, PLR0917 - where to begin, where to end, and how much at once
    session: Session,
    cipher: FieldCipher,
    table: str,
    after: UUID | None,
    until: UUID | None,
    limit: int,
    policy: Policy | None = None,
) -> Batch:
    """Bring the next rows of ``(after, until]`` under the primary key, and commit them.

    Rows that are as they ought to be are passed over: a range that is done costs one scan.
    """
    cipher = cipher.now()
    target = Target.of(cipher, policy)
    rows = read(session, table, target, after, until, limit)
    work = sealed(rows, cipher, target)
    written = sum(write(session, table, target, part) for part in dealt(work.fresh))
    return Batch(
        last=rows[-1].id if len(rows) == limit else None,
        rows_seen=len(rows),
        rows_written=written,
        broken=work.broken,
        why=work.why,
    )


def read(  # noqa: PLR0913, PLR0917 - where to begin, where to end, and how much at once
    session: Session,
    table: str,
    target: Target,
    after: UUID | None,
    until: UUID | None,
    limit: int,
) -> list[Row]:
    """The next rows by key that are not as they ought to be."""
    bounds = ["id > %(after)s"] if after is not None else []
    bounds += ["id <= %(until)s"] if until is not None else []
    statement = READ.format(
        table=table,
        open_content=target.open_content,
        range=" AND ".join(bounds) or "true",
        wanted=target.wanted,
    )
    given = {**target.parameters(), "after": after, "until": until, "limit": limit}
    return [
        Row(id=key, tenant=tenant, content=content, metadata=data, blind_index=index, seen=seen)
        for key, tenant, content, data, index, seen in session.execute(statement.encode(), given)
    ]


def dealt(rows: Sequence[Some]) -> list[Sequence[Some]]:
    """Neighbours in different transactions, so that a row's new version finds room on its page.

    Keys in the order of time are also the order on disk.  A version that has to go to another page
    enters every index again, and the graph of vectors costs milliseconds for each.
    """
    count = -(-len(rows) // ROWS_A_TRANSACTION)
    return [rows[number::count] for number in range(count)]


def write(session: Session, table: str, target: Target, fresh: Sequence[Fresh]) -> int:
    """Write the rows that nobody has touched; return how many those were."""
    statement = WRITE.format(table=table)
    text = json.dumps(fresh, ensure_ascii=False, separators=(",", ":"))
    return session.execute(statement.encode(), (text, target.key_id)).rowcount
