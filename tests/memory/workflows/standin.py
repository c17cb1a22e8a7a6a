"""Rows and keys for tests of the workflow alone: a table in which a key is only a name.

What the keys do to a field is tested where they live; here it matters which rows were reached, how
often, and by whom.
"""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import psycopg

from memory.operations.rotate_field_keys.errors import NotProven
from memory.schema.events import Event, Report
from memory.workflows.cut import cut
from memory.workflows.field_keys import Rows, Tools
from memory.workflows.terms import Done, Place, Shard

CREATE = """
CREATE TABLE rows (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), key_id text NOT NULL,
  content text NOT NULL, written int NOT NULL DEFAULT 0);
CREATE TABLE keys (id text PRIMARY KEY, state text NOT NULL);
CREATE TABLE log (at timestamptz NOT NULL DEFAULT clock_timestamp(), worker int NOT NULL,
  what text NOT NULL);
INSERT INTO keys VALUES ('old', 'primary');
"""
NEXT = """
WITH batch AS (
  SELECT id FROM rows WHERE (%(after)s::uuid IS NULL OR id > %(after)s::uuid)
    AND (%(until)s::uuid IS NULL OR id <= %(until)s::uuid) ORDER BY id LIMIT %(limit)s),
written AS (
  UPDATE rows SET key_id = k.id, written = written + 1 FROM keys k
  WHERE k.state = 'primary' AND key_id <> k.id AND rows.id IN (SELECT id FROM batch)
  RETURNING rows.id)
SELECT (SELECT id::text FROM batch ORDER BY id DESC LIMIT 1), (SELECT count(*) FROM written)
"""
LEFT = "SELECT count(*) FROM rows JOIN keys k ON k.state = 'primary' AND k.id <> rows.key_id"


@dataclass
class TableRows(Rows):
    """One session's view."""

    session: psycopg.Connection[tuple[object, ...]]
    pause: float

    def cut(self, shards: int) -> Sequence[Shard]:
        return [
            Shard(place=Place(schema="public", table="rows"), span=span)
            for span in cut(self.session, "rows", ("id",), shards)
        ]

    def reencrypt(self, cursor: list[str] | None, until: list[str] | None, limit: int) -> Done:
        time.sleep(self.pause)
        row = self.session.execute(
            NEXT,
            {
                "after": cursor[0] if cursor else None,
                "until": until[0] if until else None,
                "limit": limit,
            },
        ).fetchone()
        assert row is not None
        note(self.session, f"batch after {cursor}")
        return Done(cursor=[str(row[0])] if row[0] else None, rows=int(str(row[1])))

    def left(self) -> int:
        row = self.session.execute(LEFT).fetchone()
        return int(str(row[0])) if row else 0


@dataclass
class TableKeys:
    """The ring, as a table."""

    dsn: str

    def add(self, key_id: str) -> None:
        self._run("add", "INSERT INTO keys VALUES (%s, 'accepted') ON CONFLICT DO NOTHING", key_id)

    def promote(self, key_id: str) -> None:
        promote = "UPDATE keys SET state = CASE id WHEN %s THEN 'primary' ELSE 'accepted' END"
        self._run("promote", promote, key_id)

    def end(self, key_id: str, report: Report) -> list[str]:
        report(Event(kind="begin", text="proof"))
        if self._run("end", f"{LEFT} WHERE %s <> ''", key_id) != [(0,)]:
            raise NotProven("rows are left under another key")
        retire = "UPDATE keys SET state = 'retired' WHERE id <> %s RETURNING id"
        return [str(name) for (name,) in self._run("retire", retire, key_id)]

    def _run(self, what: str, statement: str, key_id: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as session:
            note(session, what)
            cursor = session.execute(statement.encode(), (key_id,))
            return cursor.fetchall() if cursor.description else []


def note(session: psycopg.Connection[tuple[object, ...]], what: str) -> None:
    """Keep who did what."""
    session.execute("INSERT INTO log (worker, what) VALUES (%s, %s)", (os.getpid(), what))


def tools(dsn: str, pause: float = 0.0) -> Tools:
    """What the activities work with, on a database with these tables."""

    @contextmanager
    def rows(_place: Place) -> Iterator[Rows]:
        with psycopg.connect(dsn, autocommit=True) as session:
            yield TableRows(session, pause)

    def new_version(uri: str, _since: datetime) -> str:
        with psycopg.connect(dsn, autocommit=True) as session:
            note(session, f"new version of {uri}")
        return "version-2"

    return Tools(
        places=lambda: [Place(schema="public", table="rows")],
        rows=rows,
        keys=lambda: TableKeys(dsn),
        new_version=new_version,
    )
