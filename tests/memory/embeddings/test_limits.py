"""memory/embeddings/limits.py: arithmetic over a clock that is told what time it is."""

import pytest

from memory.embeddings.errors import BudgetSpent
from memory.embeddings.limits import Budget, RateLimit, estimated_tokens


class Clock:
    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 3))
        self.now += seconds


@pytest.mark.parametrize(
    ("requests", "tokens", "sizes", "slept"),
    [
        (None, None, [1000, 1000], []),
        (60, None, [1, 1, 1], [1.0, 1.0]),
        (None, 600, [10, 20, 5], [1.0, 2.0]),
        (60, 600, [50, 1, 1], [5.0, 1.0]),
    ],
)
def test_requests_and_tokens_are_spread_over_the_minute(
    requests: float | None, tokens: float | None, sizes: list[int], slept: list[float]
) -> None:
    clock = Clock()
    limit = RateLimit(requests, tokens, clock=lambda: clock.now, sleep=clock.sleep)
    for size in sizes:
        limit.take(size)
    assert clock.slept == slept


def test_who_waited_elsewhere_does_not_wait_again() -> None:
    clock = Clock()
    limit = RateLimit(60, clock=lambda: clock.now, sleep=clock.sleep)
    limit.take(1)
    clock.now += 5
    limit.take(1)
    assert clock.slept == []


def test_what_one_is_told_to_wait_holds_for_all() -> None:
    clock = Clock()
    limit = RateLimit(clock=lambda: clock.now, sleep=clock.sleep)
    limit.hold(7)
    limit.take(1)
    assert clock.slept == [7.0]


@pytest.mark.parametrize(
    ("texts", "tokens"),
    [(["abcd"], 1), (["abcde"], 2), (["", "a"], 2), (["記憶"], 2), ([], 0)],
)
def test_tokens_are_estimated_from_bytes(texts: list[str], tokens: int) -> None:
    assert estimated_tokens(texts) == tokens


def test_a_budget_counts_what_is_under_way() -> None:
    budget = Budget(price_per_million=1.0, max_cost=0.000_100)
    budget.reserve(60)
    with pytest.raises(BudgetSpent, match=r"0\.0000 is spent.*higher --max-cost"):
        budget.reserve(60)
    budget.release(60)
    budget.reserve(60)


def test_what_the_endpoint_counts_corrects_later_estimates() -> None:
    budget = Budget(price_per_million=1.0, max_cost=0.000_400)
    budget.reserve(100)
    budget.settle(100, 200)
    assert (budget.paid, budget.corrected(50)) == (200, 100)
    budget.reserve(100)
    with pytest.raises(BudgetSpent, match="spent"):
        budget.reserve(1)


def test_without_a_price_nothing_costs_and_nothing_stops() -> None:
    budget = Budget()
    budget.reserve(10**9)
    budget.settle(10**9, None)
    assert (budget.paid, budget.cost(budget.paid)) == (10**9, 0)
