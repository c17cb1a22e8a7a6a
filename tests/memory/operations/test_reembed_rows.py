"""memory/operations/reembed/rows.py and recall.py: what needs no server."""

from itertools import pairwise

import pytest

from memory.operations.reembed.backfill import described, duration
from memory.operations.reembed.ledger import Progress
from memory.operations.reembed.recall import Hit, recall
from memory.operations.reembed.rows import Batch, Row, spread


def window(count: int, content: str = "abcd") -> Batch:
    return Batch(rows=tuple(Row(key=(str(number),), content=content) for number in range(count)))


@pytest.mark.parametrize(
    ("count", "rows", "tokens", "sizes"),
    [
        (1, 10, 100, [1]),
        (10, 10, 100, [10]),
        (11, 10, 100, [6, 5]),
        (40, 10, 100, [10, 10, 10, 10]),
        (40, 10, 5, [5, 5, 5, 5, 5, 5, 5, 5]),
    ],
)
def test_neighbours_are_dealt_out_and_none_is_lost(
    count: int, rows: int, tokens: int, sizes: list[int]
) -> None:
    given = window(count)
    batches = spread(given, rows=rows, tokens=tokens, before=["b"])
    assert [len(batch.rows) for batch in batches] == sizes
    dealt = [row.key for batch in batches for row in batch.rows]
    assert sorted(dealt) == sorted(row.key for row in given.rows)
    cursors = [batch.cursor for batch in batches]
    assert cursors == [["b"]] * (len(sizes) - 1) + [[str(count - 1)]]
    if len(sizes) > 1:
        first = [int(row.key[0]) for row in batches[0].rows]
        assert all(b - a == len(sizes) for a, b in pairwise(first))


EXACT: list[Hit] = [(("a",), 0.1), (("b",), 0.2), (("c",), 0.3)]


@pytest.mark.parametrize(
    ("hits", "found"),
    [
        (EXACT, 1.0),
        ([(("a",), 0.1), (("x",), 0.3), (("y",), 0.3)], 1.0),
        ([(("a",), 0.1), (("b",), 0.2), (("z",), 0.31)], 2 / 3),
        ([], 0.0),
    ],
)
def test_a_row_as_near_as_the_last_one_is_as_good(hits: list[Hit], found: float) -> None:
    assert recall(hits, EXACT) == pytest.approx(found)


def test_nothing_to_find_is_found() -> None:
    assert recall([], []) == 1.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "5 s"), (89, "89 s"), (120, "2 min"), (5400, "1 h 30 min")]
)
def test_time_is_said_as_a_person_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_progress_in_one_phrase() -> None:
    progress = Progress(rows_done=50, rows_total=150, rows_a_second=10, tokens_paid=700)
    progress.price_per_million = 100.0
    assert described(progress) == (
        "50 of 150 rows, 10 a second, 10 s left, 700 tokens, cost 0.0700"
    )
    assert Progress().seconds_left is None
