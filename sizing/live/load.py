"""Fills a scratch database with synthetic rows, as a product would: one INSERT a row.

COPY would extend a table many pages at a time, and leave some of them empty.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from psycopg import sql
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo
from typing_extensions import override

from memory.schema.connection import Session
from sizing.errors import SizingError
from sizing.live import zep
from sizing.live.synthetic import Corpus, Vector
from sizing.records import EMAIL, NAME
from sizing.workload import ElementType

BATCH = 500
"""Rows of one transaction; nobody waits for the disk in between."""
PROJECT = "10000000-0000-4000-8000-000000000001"
MEMORY = sql.SQL(
    "INSERT INTO {} (id, session_id, content, embedding, metadata, created_at, user_id)"
    " VALUES (%s, %s, %s, %s, %s::jsonb, %s, %s)"
)
USER = sql.SQL(
    "INSERT INTO zep.users (uuid, user_id, email, first_name, last_name, project_uuid)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)
SESSION = sql.SQL(
    "INSERT INTO zep.sessions (uuid, session_id, user_id, project_uuid) VALUES (%s, %s, %s, %s)"
)
MESSAGE = sql.SQL(
    "INSERT INTO zep.messages (uuid, session_id, role, role_type, content, created_at, updated_at,"
    " project_uuid, token_count) VALUES (%s, %s, %s, %s::zep.role_type_enum, %s, %s, %s, %s, %s)"
)

Say = Callable[[str, int, int], None]
"""What is being loaded, and how many rows of how many are there."""


@dataclass(frozen=True, kw_only=True)
class Loader:
    """A session that fills tables."""

    session: Session
    corpus: Corpus
    say: Say

    def memories(self, relation: sql.Identifier) -> None:
        """All rows of the memory table."""
        shape = self.corpus.workload
        _send_vectors(self.session, shape.element_type)
        statement, rows = MEMORY.format(relation), self.corpus.memories()
        self._insert("memories", statement, rows, shape.rows)

    def zep(self) -> None:
        """Zep's tables, in a schema of their own that is made here."""
        self.session.execute(zep.TABLES)
        people = self.corpus.workload.sessions
        self._insert("users", sql.Composed([USER]), self._users(), people)
        self._insert("sessions", sql.Composed([SESSION]), self._sessions(), people)
        messages = self.corpus.workload.messages
        self._insert("messages", sql.Composed([MESSAGE]), self._messages(), messages)

    def _users(self) -> Iterator[tuple[object, ...]]:
        for name in self.corpus.session_ids:
            texts = (name[::-1], name[:EMAIL], name[:NAME], name[-NAME:])
            yield (self.corpus.uuid(), *texts, PROJECT)

    def _sessions(self) -> Iterator[tuple[object, ...]]:
        for name in self.corpus.session_ids:
            yield (self.corpus.uuid(), name, name[::-1], PROJECT)

    def _messages(self) -> Iterator[tuple[object, ...]]:
        for session, role, content, at in self.corpus.messages():
            yield (self.corpus.uuid(), session, role, role, content, at, at, PROJECT, len(content))

    def _insert(
        self, what: str, statement: sql.Composed, rows: Iterable[tuple[object, ...]], total: int
    ) -> None:
        self.session.execute("SET synchronous_commit = off")
        done, source = 0, iter(rows)
        while batch := list(itertools.islice(source, BATCH)):
            with self.session.transaction(), self.session.cursor() as cursor:
                cursor.executemany(statement, batch)
            done += len(batch)
            self.say(what, done, total)


def _send_vectors(session: Session, element_type: ElementType) -> None:
    """Let the session send pgvector's binary form.  Raises SizingError without the extension."""
    info = TypeInfo.fetch(session, f"public.{element_type}")
    if info is None:
        raise SizingError(
            f"the database has no type {element_type}; halfvec came with pgvector 0.7, update it"
        )
    type_oid = info.oid

    class VectorDumper(Dumper):
        oid = type_oid
        format = Format.BINARY

        @override
        def dump(self, obj: Vector) -> Buffer:
            return bytes(obj)

    session.adapters.register_dumper(Vector, VectorDumper)
