"""Medians, spreads, ratios and goals, from samples that are written down."""

import pytest

from bench.errors import BenchError
from bench.figures import Comparison, Spread, evaluate
from bench.measure import Contender, Sample, Suite, nothing


def samples(*wall: float) -> list[Sample]:
    return [Sample(wall_seconds=seconds, cpu_seconds=seconds / 2) for seconds in wall]


def suite(*contenders: Contender) -> Suite:
    return Suite(title="suite", contenders=contenders)


BASELINE = Contender(name="baseline", run=nothing)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0], Spread(median=3, lowest=3, highest=3)),
        ([9.0, 1.0, 2.0], Spread(median=2, lowest=1, highest=9)),
        ([4.0, 1.0, 2.0, 3.0], Spread(median=2.5, lowest=1, highest=4)),
    ],
)
def test_a_spread_is_median_and_extremes(values: list[float], expected: Spread) -> None:
    assert Spread.of(values) == expected


def test_a_ratio_is_formed_within_each_round() -> None:
    subject = Contender(name="subject", run=nothing, against="baseline", goal=2.5)
    # The machine was ten times as busy in the second round, for both alike.
    taken = {"baseline": samples(1, 10, 1), "subject": samples(2, 20, 3)}
    baseline, figures = evaluate(suite(BASELINE, subject), taken)
    assert baseline.comparison is None
    assert figures.wall_seconds == Spread(median=3, lowest=2, highest=20)
    assert figures.cpu_seconds == Spread(median=1.5, lowest=1, highest=10)
    assert figures.comparison == Comparison(
        baseline="baseline", ratio=Spread(median=2, lowest=2, highest=3), goal=2.5
    )


@pytest.mark.parametrize(
    ("median", "goal", "met"),
    [(2.4, 2.5, True), (2.5, 2.5, True), (2.6, 2.5, False), (9, None, None)],
)
def test_the_median_decides_about_the_goal(
    median: float, goal: float | None, met: bool | None
) -> None:
    ratio = Spread(median=median, lowest=0.1, highest=99)
    assert Comparison(baseline="baseline", ratio=ratio, goal=goal).met is met


def test_a_baseline_that_is_not_measured_is_named() -> None:
    subject = Contender(name="subject", run=nothing, against="yesterday")
    with pytest.raises(BenchError, match=r"subject has the baseline 'yesterday'.*there are: subj"):
        evaluate(suite(subject), {"subject": samples(1)})
