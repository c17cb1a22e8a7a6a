"""The straight line through figures, and one small backfill on a real server."""

import pytest

from bench.measure import nothing
from bench.reembed import Filling, by_rows, line
from bench.server import Server
from tests.bench.memories import server

__all__ = ["server"]


def test_the_line_through_points_that_lie_on_one() -> None:
    slope, start, fit = line([1, 2, 4], [5.0, 7.0, 11.0])
    assert (slope, start, fit) == pytest.approx((2, 3, 1))


def test_the_line_through_points_that_do_not_says_so() -> None:
    assert line([1, 2, 3, 4], [1.0, 9.0, 2.0, 8.0])[2] < 0.5


@pytest.mark.slow
def test_a_backfill_of_each_size_is_measured(server: Server) -> None:
    study = by_rows(Filling(server=server, dimensions=8, announce=lambda _: nothing()), (40, 80), 1)
    assert [row[0] for row in study.rows] == [40, 80]
    assert all(len(row) == len(study.headers) for row in study.rows)
    assert all(isinstance(row[1], float) and row[1] > 0 for row in study.rows)
    assert "a row" in study.notes[0]
