"""The mission's table on a real server, filled with vectors of ``bench.vectors``.

It is made by the schema engine, without its HNSW index until that is asked for.  The server has
the settings that Azure gives Standard_D2s_v3, uat's size: two vCores and 8 GiB; ``shared_buffers``
too, which the local cloud would otherwise keep small: an index that does not fit would slow every
contender, and most of all one that has to build on disk.
"""

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

import numpy as np
from psycopg import sql
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo
from typing_extensions import override

from bench.errors import BenchError
from bench.measure import Announce
from bench.place import variables
from bench.server import Server
from bench.vectors import Corpus, Rows
from local.cloud.postgres import configuration_files
from memory.schema import runner
from memory.schema.catalog import read_catalog
from memory.schema.connection import Endpoint, Session, connect
from memory.schema.estimate import Machine
from memory.schema.model import (
    AnnIndex,
    Column,
    DesiredSchema,
    Purpose,
    Table,
    VectorType,
    memory_schema,
)
from memory.schema.plan import plan
from memory.schema.steps import Cost

SKU, MEMORY_GIB = "Standard_D2s_v3", 8
COPY = "COPY {} (id, session_id, content, embedding, metadata) FROM STDIN (FORMAT BINARY)"
ANNOUNCE_ROWS = 10_000
WORDS = ("prefers", "lives", "asked", "about", "booked", "cancelled", "thinks", "invoice")
CONTENT_WORDS = 16
"""About a hundred characters, as a fact has."""


def cores() -> int:
    """What the server may use: all that this process may."""
    return len(os.sched_getaffinity(0))


@contextmanager
def large_server() -> Iterator[Server]:
    """A server of that size as Azure sets one up, all of its ``shared_buffers`` included.

    Notices go to its log, where those of every contender are found alike.
    """
    cap = configuration_files.SHARED_BUFFERS_CAP_PAGES
    configuration_files.SHARED_BUFFERS_CAP_PAGES = MEMORY_GIB * 2**30 // 4 // 8192
    try:
        server = Server.create(memory_gib=MEMORY_GIB, log_min_messages="notice")
    finally:
        configuration_files.SHARED_BUFFERS_CAP_PAGES = cap
    # Straight to the server: the local cloud's router is no part of what is measured.
    with variables({**server.way, "PGPORT": str(server.process.port)}):
        yield server


@dataclass(frozen=True, kw_only=True)
class Memories:
    """The table in its database, and the roles that use it."""

    server: Server
    desired: DesiredSchema
    passwords: Mapping[Purpose, str] = field(repr=False)

    @classmethod
    def create(cls, server: Server, column_type: VectorType, dimensions: int) -> Self:
        """Make the database anew, and the table without its HNSW index."""
        desired = memory_schema(column_type=column_type, dimensions=dimensions)
        passwords = {role.purpose: secrets.token_urlsafe() for role in desired.roles}
        memories = cls(server=server, desired=desired, passwords=passwords)
        server.empty([role.name for role in desired.roles])
        bare = desired.model_copy(update={"tables": (_without_hnsw(memories.table),)})
        runner.apply(server.endpoint(), bare, passwords=passwords)
        return memories

    @property
    def table(self) -> Table:
        """The one table."""
        return self.desired.tables[0]

    @property
    def relation(self) -> str:
        """The table's qualified name."""
        return f"{self.desired.schema_name}.{self.table.name}"

    @property
    def identifier(self) -> sql.Identifier:
        """The table's qualified name, for a statement."""
        return sql.Identifier(self.desired.schema_name, self.table.name)

    @property
    def index(self) -> AnnIndex:
        """The HNSW index, built or not."""
        found = self.table.ann_index
        if found is None:
            raise BenchError(f"table {self.table.name} declares no HNSW index")
        return found

    @property
    def index_relation(self) -> str:
        """The index's qualified name."""
        return f"{self.desired.schema_name}.{self.index.name_in(self.table.name)}"

    @contextmanager
    def session(self, purpose: Purpose) -> Iterator[Session]:
        """Connect as one of the roles; it can send vectors as arrays."""
        whole = self.server.endpoint()
        endpoint = Endpoint(
            host=whole.host,
            database=whole.database,
            user=self.desired.role(purpose).name,
            password=self.passwords[purpose],
        )
        with connect(endpoint) as session:
            send_arrays(session, self.column_type)
            yield session

    @property
    def dimensions(self) -> int:
        """Of a vector."""
        return self._column.dimensions or 0

    @property
    def column_type(self) -> VectorType:
        """``vector`` or ``halfvec``."""
        return "halfvec" if self._column.type == "halfvec" else "vector"

    @property
    def _column(self) -> Column:
        return next(c for c in self.table.columns if c.name == self.index.column)

    def load(self, corpus: Corpus, rows: int, announce: Announce) -> None:
        """Fill the table chunk by chunk, and let the planner know it."""
        with self.session("migrator") as session:
            statement = sql.SQL(COPY).format(self.identifier)
            with session.cursor() as cursor, cursor.copy(statement) as copy:
                copy.set_types(["uuid", "varchar", "text", self.column_type, "jsonb"])
                for chunk in corpus.chunks(rows):
                    if chunk.first % ANNOUNCE_ROWS == 0:
                        announce(f"{self.column_type}: loaded {chunk.first:,} of {rows:,} rows")
                    for row in _records(chunk):
                        copy.write_row(row)
            session.execute(sql.SQL("VACUUM (ANALYZE) {}").format(self.identifier))

    def apply(self) -> None:
        """Let the schema engine build what is missing: the index."""
        machine = Machine(vcores=cores(), memory_gib=MEMORY_GIB)
        endpoint = self.server.endpoint()
        runner.apply(endpoint, self.desired, passwords=self.passwords, machine=machine)

    def estimate(self) -> Cost:
        """What the engine's plan says that the index will cost."""
        with self.server.session() as session:
            catalog = read_catalog(session, self.desired)
        costs = [step.cost for step in plan(catalog, self.desired).steps]
        return max(costs, key=lambda cost: cost.memory_mib, default=Cost())

    def drop_index(self) -> None:
        """Have the table without the index, and nothing left to be written."""
        with self.session("migrator") as session:
            session.execute(f"DROP INDEX IF EXISTS {self.index_relation}")
        with self.server.process.superuser() as session:
            session.execute("CHECKPOINT")

    def mebibytes(self, relation: str) -> float:
        """Size on disk; of a table with its out-of-line vectors, without indexes."""
        with self.session("migrator") as session:
            row = session.execute("SELECT pg_table_size(%s::regclass)", [relation]).fetchone()
        return int(row[0]) / 2**20 if row else 0.0


def _without_hnsw(table: Table) -> Table:
    others = tuple(index for index in table.indexes if not isinstance(index, AnnIndex))
    return table.model_copy(update={"indexes": others})


def _records(rows: Rows) -> Iterator[tuple[object, ...]]:
    """Rows as the table has them; a row's number is its id."""
    rng = np.random.default_rng(rows.first)
    words = rng.integers(len(WORDS), size=(len(rows.vectors), CONTENT_WORDS))
    for offset, vector in enumerate(rows.vectors):
        yield (
            UUID(int=rows.first + offset),
            session_name(int(rows.sessions[offset])),
            " ".join(WORDS[word] for word in words[offset]),
            vector,
            None,
        )


def session_name(number: int) -> str:
    """The ``session_id`` of a conversation, as long as a UUID."""
    return str(UUID(int=number))


def send_arrays(session: Session, column_type: VectorType) -> None:
    """Let a session send arrays of numbers as pgvector's binary form of this type."""
    info = TypeInfo.fetch(session, column_type)
    if info is None:
        raise BenchError(f"the database has no type {column_type}; is the extension installed?")
    info.register(session)
    type_oid, number = info.oid, ">f2" if column_type == "halfvec" else ">f4"

    class VectorDumper(Dumper):
        oid = type_oid
        format = Format.BINARY

        @override
        def dump(self, obj: np.ndarray) -> Buffer:
            return np.array([len(obj), 0], dtype=">i2").tobytes() + obj.astype(number).tobytes()

    session.adapters.register_dumper(np.ndarray, VectorDumper)
