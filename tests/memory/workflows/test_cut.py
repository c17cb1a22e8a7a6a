"""memory/workflows/cut.py: spans that are every row, once."""

from itertools import pairwise

import psycopg
import pytest

from memory.workflows.cut import between, cut
from memory.workflows.terms import MOST_SHARDS, Span
from tests.postgres import PostgresServer


@pytest.mark.parametrize(
    ("cuts", "spans"),
    [
        ([], [Span()]),
        ([["m"]], [Span(until=["m"]), Span(after=["m"])]),
        (
            [["1", "a"], ["2", "b"]],
            [
                Span(until=["1", "a"]),
                Span(after=["1", "a"], until=["2", "b"]),
                Span(after=["2", "b"]),
            ],
        ),
    ],
)
def test_between_cuts_no_key_is_left_out(cuts: list[list[str]], spans: list[Span]) -> None:
    assert between(cuts) == spans


@pytest.mark.parametrize(
    ("rows", "shards", "spans"),
    [(0, 8, 1), (3, 8, 4), (1000, 8, 8), (1000, 1, 1), (3000, 5 * MOST_SHARDS, MOST_SHARDS)],
)
def test_spans_are_about_equal(
    database: str, postgres_server: PostgresServer, rows: int, shards: int, spans: int
) -> None:
    with psycopg.connect(postgres_server.dsn(database), autocommit=True) as session:
        session.execute("CREATE TABLE t (id uuid PRIMARY KEY)")
        # In the order of time, which crowds them together.
        session.execute("INSERT INTO t SELECT uuidv7() FROM generate_series(1, %s)", (rows,))
        session.execute("ANALYZE t")
        found = cut(session, "t", ("id",), shards)
        assert len(found) == spans
        assert all(one.until == other.after for one, other in pairwise(found))
        sizes = [_rows_in(session, one) for one in found]
    assert sum(sizes) == rows
    assert max(sizes) <= -(-rows // spans) + 1


def _rows_in(session: psycopg.Connection[tuple[int]], span: Span) -> int:
    row = session.execute(
        "SELECT count(*) FROM t WHERE (%(a)s::uuid IS NULL OR id > %(a)s::uuid)"
        " AND (%(u)s::uuid IS NULL OR id <= %(u)s::uuid)",
        {"a": span.after and span.after[0], "u": span.until and span.until[0]},
    ).fetchone()
    return row[0] if row else 0
