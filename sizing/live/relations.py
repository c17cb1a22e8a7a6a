"""Sizes of the relations that a live database has, each with its maps."""

from memory.schema.connection import Session
from sizing.live.compare import Key

Sizes = dict[Key, int]
"""Bytes by kind and name."""


SIZES = """
WITH tables AS (
    SELECT c.oid, c.relname, c.reltoastrelid FROM pg_class c
    WHERE c.relnamespace = to_regnamespace(%(schema)s) AND c.relname = ANY(%(tables)s)
      AND c.relkind = 'r'
), relations AS (
    SELECT 'heap' AS kind, relname::text AS name, oid FROM tables
    UNION ALL
    SELECT 'toast', relname, reltoastrelid FROM tables WHERE reltoastrelid <> 0
    UNION ALL
    SELECT 'toast index', t.relname, i.indexrelid FROM tables t
    JOIN pg_index i ON i.indrelid = t.reltoastrelid
    UNION ALL
    SELECT m.amname, c.relname, c.oid FROM tables t
    JOIN pg_index i ON i.indrelid = t.oid JOIN pg_class c ON c.oid = i.indexrelid
    JOIN pg_am m ON m.oid = c.relam
)
SELECT kind, name, sum(pg_relation_size(oid, fork))::bigint AS bytes
FROM relations, unnest(ARRAY['main', 'fsm', 'vm', 'init']) AS fork GROUP BY kind, name
ORDER BY bytes DESC, name
"""


def sizes(session: Session, schema: str, tables: list[str]) -> Sizes:
    """Of the tables' own relations, TOAST and indexes."""
    rows = session.execute(SIZES, {"schema": schema, "tables": tables}).fetchall()
    return {(kind, name): int(size) for kind, name, size in rows}
