"""Prediction against a live database: its rows are counted, some are looked at, none is changed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from memory.schema.connection import Session
from memory.schema.estimate import dimensions_of
from sizing import footprint
from sizing.errors import SizingError
from sizing.live.compare import Comparison, compare
from sizing.live.relations import Sizes, sizes
from sizing.prediction import ObjectSize
from sizing.records import Lengths, vector_bytes
from sizing.relations import MEMORIES, ZEP_TABLES, memory_relations, zep_relations
from sizing.workload import Hnsw, Ivfflat, Workload

PGVECTORS_LISTS = 100
SAMPLE = 2000
"""Rows whose lengths are looked at, about."""
FOUND = "SELECT to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text)) IS NOT NULL"
EMBEDDING = """
SELECT format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = format('%%I.%%I', %(schema)s::text, %(table)s::text)::regclass
  AND attname = 'embedding' AND NOT attisdropped
"""
INDEX = """
SELECT m.amname, coalesce(c.reloptions, '{}') FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
WHERE i.indrelid = format('%%I.%%I', %(schema)s::text, %(table)s::text)::regclass
  AND m.amname IN ('hnsw', 'ivfflat') ORDER BY i.indexrelid
"""
DEAD = """
SELECT coalesce(sum(n_dead_tup), 0)::bigint FROM pg_stat_all_tables
WHERE schemaname = %(schema)s AND relname = ANY(%(tables)s)
"""
COUNT = "SELECT count(*) FROM {table}"
SESSIONS = "SELECT count(DISTINCT session_id) FROM {table}"
LENGTHS = """
SELECT octet_length(session_id), octet_length(content),
       CASE WHEN pg_column_compression(content) IS NOT NULL THEN pg_column_size(content) END,
       octet_length(metadata::text),
       CASE WHEN pg_column_compression(metadata) IS NOT NULL THEN pg_column_size(metadata) END
FROM {table} TABLESAMPLE SYSTEM ({percent}) REPEATABLE (1)
"""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was found."""

    comparison: Comparison
    rows: dict[str, int]
    """Of each table."""
    dead: int
    """Rows that a vacuum will remove; they take room, and no prediction counts them."""


@dataclass(frozen=True, kw_only=True)
class Live:
    """A database that is looked at."""

    session: Session
    schema: str = "memory"
    zep_schema: str = "zep"

    def measure(self) -> Measured:
        """Compare the tables of either database, whichever are here.

        Raises SizingError where there are none, or where they may not be read.
        """
        try:
            with self.session.transaction():
                self.session.execute("SET TRANSACTION READ ONLY")
                return self._measured()
        except psycopg.errors.InsufficientPrivilege as error:
            raise SizingError(
                f"{self.session.info.user} may not read the tables ({error.diag.message_primary});"
                " connect as the reader or the migrator of this database, by PGUSER"
            ) from error

    def _measured(self) -> Measured:
        predicted, found, rows, dead = list[ObjectSize](), Sizes(), dict[str, int](), 0
        for schema, tables, relations in (
            (self.schema, (MEMORIES,), self._memories),
            (self.zep_schema, ZEP_TABLES, self._zep),
        ):
            if not self._value(FOUND, {"schema": schema, "table": tables[0]}):
                continue
            counts = {table: int(self._of(COUNT, schema, table)) for table in tables}
            rows |= counts
            predicted += relations(counts)
            found |= sizes(self.session, schema, list(tables))
            dead += int(self._value(DEAD, {"schema": schema, "tables": list(tables)}))
        if not rows:
            raise SizingError(
                f"database {self.session.info.dbname} has neither {self.schema}.{MEMORIES} nor"
                f" {self.zep_schema}.{ZEP_TABLES[0]}; say --schema, --zep-schema, or set PGDATABASE"
            )
        return Measured(comparison=compare(predicted, found), rows=rows, dead=dead)

    def _memories(self, counts: dict[str, int]) -> Iterator[ObjectSize]:
        where = {"schema": self.schema, "table": MEMORIES}
        type_text = str(self._value(EMBEDDING, where))
        workload = Workload(
            sessions=int(self._of(SESSIONS, self.schema, MEMORIES)),
            messages_per_session=0,
            facts=counts[MEMORIES],
            dimensions=dimensions_of(type_text),
            element_type="halfvec" if type_text.startswith("halfvec") else "vector",
            index=_index(self.session.execute(INDEX, where).fetchone()),
        )
        lengths = self._lengths(self.schema, MEMORIES, workload.rows)
        width = vector_bytes(workload.dimensions, workload.element_type)
        session_id = sum(row.session_id for row in lengths) // len(lengths)
        return memory_relations(workload, footprint.of_memories(lengths, width), session_id)

    def _zep(self, counts: dict[str, int]) -> Iterator[ObjectSize]:
        lengths = self._lengths(self.zep_schema, ZEP_TABLES[0], counts[ZEP_TABLES[0]])
        return zep_relations(**counts, message=footprint.of_messages(lengths))

    def _lengths(self, schema: str, table: str, rows: int) -> list[Lengths]:
        """Of some rows, from pages here and there; never none, so that means exist."""
        percent = sql.Literal(min(100.0, 100 * SAMPLE / max(rows, 1)))
        query = sql.SQL(LENGTHS).format(table=sql.Identifier(schema, table), percent=percent)
        return [
            Lengths(
                session_id=session_id,
                content=content,
                compressed_content=left,
                metadata=metadata,
                compressed_metadata=metadata_left,
            )
            for session_id, content, left, metadata, metadata_left in self.session.execute(query)
        ] or [Lengths(content=0)]

    def _of(self, query: Any, schema: str, table: str) -> Any:
        return self._value(sql.SQL(query).format(table=sql.Identifier(schema, table)), None)

    def _value(self, query: Any, parameters: dict[str, Any] | None) -> Any:
        row = self.session.execute(query, parameters).fetchone()
        return row[0] if row else None


def _index(row: tuple[str, list[str]] | None) -> Hnsw | Ivfflat | None:
    """The vector index as its options say; without any it has pgvector's defaults."""
    if row is None:
        return None
    method, pairs = row
    options = {name: int(value) for name, _, value in (pair.partition("=") for pair in pairs)}
    if method == "hnsw":
        return Hnsw(**options)
    return Ivfflat(lists=options.get("lists", PGVECTORS_LISTS))
