"""Cuts a table into spans of its primary key with about as many rows each.

Keys are rarely even: version 7 of uuid crowds them together, and so does a sequence.  So the cuts
are quantiles of a sample of whole pages, which is read in moments from a table of any size.  The
spans need not be equal: any worker takes the next one.
"""

from collections.abc import Sequence
from typing import Any

from memory.schema import sql
from memory.schema.connection import Session
from memory.workflows.terms import MOST_SHARDS, Span

KEYS_A_SHARD = 200
"""Sampled; a span then has about a tenth more or fewer rows than another."""
ALL = 100.0

LIKELY_ROWS = "SELECT reltuples::float8 FROM pg_class WHERE oid = %s::regclass"


def cut(session: Session, relation: str, keys: tuple[str, ...], shards: int) -> list[Span]:
    """Return the spans, which together are every row that is there or will be.

    ``relation`` is quoted.  A small table has fewer spans than asked for,
    and the last of them may hold nothing yet.
    """
    wanted = min(shards, MOST_SHARDS)
    row = _execute(session, LIKELY_ROWS, [relation]).fetchone()
    rows = row[0] if row else -1.0
    share = min(ALL, ALL * wanted * KEYS_A_SHARD / rows) if rows > 0 else ALL
    text = ", ".join(f"{sql.name(key)}::text" for key in keys)
    names = sql.names(keys)
    query = (
        "SELECT DISTINCT ON (part) key FROM ("  # noqa: S608 - quoted
        f" SELECT ARRAY[{text}] AS key, ntile(%s) OVER (ORDER BY {names}) AS part,"
        f" row_number() OVER (ORDER BY {names}) AS place"
        f" FROM {relation} TABLESAMPLE SYSTEM (%s) REPEATABLE (1)) AS sampled"
        " WHERE part < %s ORDER BY part, place DESC"
    )
    found = _execute(session, query, [wanted, share, wanted]).fetchall()
    return between([key for (key,) in found])


def between(cuts: Sequence[Sequence[str]]) -> list[Span]:
    """The spans that cuts make: always one more than there are cuts."""
    ends: list[list[str] | None] = [None, *(list(cut) for cut in cuts), None]
    return [Span(after=ends[at], until=ends[at + 1]) for at in range(len(ends) - 1)]


def _execute(session: Session, statement: str, parameters: Sequence[object]) -> Any:
    return session.execute(statement, parameters)
