"""From samples to figures: medians, spreads, ratios, goals."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from bench.errors import BenchError
from bench.measure import Contender, Sample, Suite


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Several values of one quantity."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Summarise values; there must be at least one."""
        return cls(median=statistics.median(values), lowest=min(values), highest=max(values))


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How many times the wall time of its baseline a contender took, round by round."""

    baseline: str
    ratio: Spread
    goal: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the goal; none where there is no goal."""
        return None if self.goal is None else self.ratio.median <= self.goal


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What is known of one contender after the last round."""

    name: str
    wall_seconds: Spread
    cpu_seconds: Spread
    comparison: Comparison | None = None


def evaluate(suite: Suite, samples: Mapping[str, Sequence[Sample]]) -> list[Figures]:
    """Return the figures of each contender.  Raises ``BenchError`` for an unknown baseline."""
    return [_figures(contender, samples) for contender in suite.contenders]


def _figures(contender: Contender, samples: Mapping[str, Sequence[Sample]]) -> Figures:
    own = samples[contender.name]
    return Figures(
        name=contender.name,
        wall_seconds=Spread.of([sample.wall_seconds for sample in own]),
        cpu_seconds=Spread.of([sample.cpu_seconds for sample in own]),
        comparison=_comparison(contender, samples),
    )


def _comparison(contender: Contender, samples: Mapping[str, Sequence[Sample]]) -> Comparison | None:
    if contender.against is None:
        return None
    if contender.against not in samples:
        raise BenchError(
            f"{contender.name} has the baseline {contender.against!r}, which is not measured;"
            f" there are: {', '.join(samples)}"
        )
    pairs = zip(samples[contender.name], samples[contender.against], strict=True)
    ratios = [own.wall_seconds / base.wall_seconds for own, base in pairs]
    return Comparison(baseline=contender.against, ratio=Spread.of(ratios), goal=contender.goal)
