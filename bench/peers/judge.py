"""The judge: plain SQL on PostgreSQL's catalog, and nothing of the engine's or of any tool's."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import psycopg

from bench.peers.wanted import SCHEMA, TABLE, Column, Index, Wanted

Session = psycopg.Connection[Any]

RELATION_SEEN = """
SELECT c.oid, c.relfilenode, coalesce(c.reloptions, '{}') FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %s AND c.relname = %s AND c.relkind = 'r'
"""
COLUMNS_SEEN = """
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid)
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname
"""
INDEXES_SEEN = """
SELECT c.relname, c.relfilenode, am.amname, i.indisvalid AND i.indisready AND i.indislive,
       i.indisunique, i.indpred IS NOT NULL, coalesce(c.reloptions, '{}'),
       ARRAY(SELECT coalesce(a.attname, '(expression)')
             FROM unnest(i.indkey::int2[]) WITH ORDINALITY k (attnum, place)
             LEFT JOIN pg_catalog.pg_attribute a
                    ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             ORDER BY k.place),
       ARRAY(SELECT o.opcname FROM unnest(i.indclass::oid[]) WITH ORDINALITY k (opclass, place)
             JOIN pg_catalog.pg_opclass o ON o.oid = k.opclass ORDER BY k.place)
FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am am ON am.oid = c.relam
WHERE i.indrelid = %s ORDER BY c.relname
"""
# The order of the rows does not matter, their contents do.
ROWS_SEEN = """
SELECT count(*), coalesce(sum(hashtextextended(to_jsonb(t)::text, 0)), 0)::text
FROM memory.zep_memory_vectors t
"""


@dataclass(frozen=True, kw_only=True)
class IndexSeen:
    """An index that is there, of whatever kind."""

    definition: Index
    usable: bool
    """Valid, ready and live: PostgreSQL plans with it, and keeps it up to date."""
    partial: bool
    storage: int
    """Changes when the index is built again."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is there; two of them are equal when nothing was changed in between."""

    storage: int | None = None
    """None where there is no such table."""
    columns: Mapping[str, Column]
    indexes: Mapping[str, IndexSeen]
    options: Mapping[str, str]
    rows: int = 0
    contents: str = ""
    """A digest of all rows."""

    @classmethod
    def of(cls, session: Session) -> Self:
        """Look at the table, if there is one."""
        table = session.execute(RELATION_SEEN, (SCHEMA, TABLE)).fetchone()
        if table is None:
            return cls(columns={}, indexes={}, options={})
        oid, storage, options = table
        rows, contents = session.execute(ROWS_SEEN).fetchone() or (0, "")
        return cls(
            storage=storage,
            columns={
                name: Column(type=kind, not_null=not_null, default=default)
                for name, kind, not_null, default in session.execute(COLUMNS_SEEN, (oid,))
            },
            indexes={row[0]: _index(row) for row in session.execute(INDEXES_SEEN, (oid,))},
            options=_options(options),
            rows=rows,
            contents=contents,
        )

    def faults(self, wanted: Wanted) -> list[str]:
        """Return how this differs from what is wanted, a few words each; empty for a right end."""
        if self.storage is None:
            return ["there is no table"]
        return [
            *_different("column", wanted.columns, self.columns),
            *self._index_faults(wanted.indexes),
            *_different("option", wanted.options, self.options),
            *([] if self.rows == wanted.rows else [f"{self.rows} rows instead of {wanted.rows}"]),
        ]

    def _index_faults(self, wanted: Mapping[str, Index]) -> Iterator[str]:
        for name in sorted({*wanted, *self.indexes}):
            seen, want = self.indexes.get(name), wanted.get(name)
            if seen is None:
                yield f"index {name} missing"
            elif not seen.usable:
                yield f"index {name} INVALID"
            elif want is None:
                yield f"index {name} not wanted"
            elif seen.partial or seen.definition != want:
                yield f"index {name} has {_words(seen)}"


def _index(row: tuple[Any, ...]) -> IndexSeen:
    _, storage, method, usable, unique, partial, options, columns, opclasses = row
    definition = Index(
        method=method,
        columns=tuple(columns),
        opclasses=tuple(opclasses),
        options=_options(options),
        unique=unique,
    )
    return IndexSeen(definition=definition, usable=usable, partial=partial, storage=storage)


def _options(pairs: list[str]) -> dict[str, str]:
    return dict(sorted(pair.split("=", 1) for pair in pairs))


def _different(kind: str, wanted: Mapping[str, Any], seen: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*wanted, *seen}):
        if name not in seen:
            yield f"{kind} {name} missing"
        elif name not in wanted:
            yield f"{kind} {name} not wanted"
        elif seen[name] != wanted[name]:
            found = seen[name].type if isinstance(seen[name], Column) else seen[name]
            yield f"{kind} {name} is {found}"


def _words(seen: IndexSeen) -> str:
    kind = seen.definition
    options = " ".join(f"{key}={value}" for key, value in kind.options.items())
    words = [kind.method, *kind.columns, *kind.opclasses, options, "partial" * seen.partial]
    return " ".join(filter(None, words))
