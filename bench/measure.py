"""Contenders, measured in turns.

A machine is busier in one minute than in the next.  So contenders take turns, each round begins
with another one, and a ratio is formed within a round before the median of the rounds is taken.
"""

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Work = Callable[[], object]
"""Something to do, whose answer does not matter; a failure is an exception."""


def nothing() -> None:
    """Prepare nothing."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """One thing to measure, and what it is measured against."""

    name: str
    run: Work
    prepare: Work = nothing
    """Runs before each run, outside the measurement."""
    against: str | None = None
    """Name of the baseline; none for a contender that is only a baseline."""
    goal: float | None = None
    """The largest ratio that is good enough."""


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What is measured together."""

    title: str
    contenders: tuple[Contender, ...]
    warm_up: bool = True
    """Whether a round that is not counted comes first, and fills caches for everyone alike."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One run."""

    wall_seconds: float
    cpu_seconds: float
    """Of this process and of the children that have ended; user and system time."""


Stopwatch = Callable[[Work], Sample]
Announce = Callable[[str], None]


def stopwatch(run: Work) -> Sample:
    """Measure one run."""
    cpu, wall = _cpu_seconds(), time.perf_counter()
    run()
    return Sample(
        wall_seconds=time.perf_counter() - wall,
        cpu_seconds=_cpu_seconds() - cpu,
    )


def race(
    suite: Suite, rounds: int, announce: Announce, *, measure: Stopwatch = stopwatch
) -> dict[str, list[Sample]]:
    """Return ``rounds`` samples of each contender, in the order of the rounds."""
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in suite.contenders}
    for number in range(0 if suite.warm_up else 1, rounds + 1):
        turn = f"round {number} of {rounds}" if number else "warming up"
        for contender in _rotated(suite.contenders, number):
            announce(f"{suite.title}: {turn}, {contender.name}")
            contender.prepare()
            sample = measure(contender.run)
            if number:
                samples[contender.name].append(sample)
    return samples


def _rotated(contenders: Sequence[Contender], by: int) -> Sequence[Contender]:
    first = by % len(contenders)
    return [*contenders[first:], *contenders[:first]]


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)
