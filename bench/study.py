"""A table of measurements that one ratio cannot say: many quantities, each explained."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.measure import Announce
from local.paths import Paths

Cell = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Study:
    """One table; what a contender did is a row."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    """How it was obtained, and the goals, met or missed; one line each."""


Measure = Callable[[Paths, int, Announce], Iterator[Study]]
"""Measure in the given folders, in that many rounds; each table comes as soon as it is known."""
