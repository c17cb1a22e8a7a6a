"""Figures as a table for people, and as one document for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.table import Table

from bench.figures import Comparison, Figures, Spread
from bench.machine import Machine

HEADERS = ("wall s", "CPU s", "against", "ratio", "goal")


def as_table(title: str, rounds: int, figures: Sequence[Figures]) -> Table:
    """Return one suite; each quantity is its median, with lowest and highest in brackets."""
    table = Table(title=f"{title}, {rounds} rounds", title_justify="left", box=None, pad_edge=False)
    table.add_column("")
    for header in HEADERS:
        table.add_column(header, justify="left" if header in {"against", "goal"} else "right")
    for row in figures:
        table.add_row(row.name, seconds(row.wall_seconds), seconds(row.cpu_seconds), *_against(row))
    return table


def as_document(
    moment: datetime, machine: Machine, rounds: int, suites: Mapping[str, Sequence[Figures]]
) -> dict[str, Any]:
    """Return everything as plain data."""
    return {
        "date": moment.isoformat(timespec="seconds"),
        "machine": asdict(machine),
        "rounds": rounds,
        "suites": {title: [_plain(row) for row in figures] for title, figures in suites.items()},
    }


def seconds(spread: Spread) -> str:
    """Return a spread with as many digits as it is worth: milliseconds, or hundredths."""
    return _written(spread, 3 if spread.median < 1 else 2)


def verdict(comparison: Comparison) -> str:
    """Return the goal and whether it is met, in words."""
    if comparison.goal is None:
        return ""
    return f"≤ {comparison.goal:g}: {'met' if comparison.met else 'missed'}"


def _against(row: Figures) -> tuple[str, str, str]:
    if row.comparison is None:
        return ("", "", "")
    return (row.comparison.baseline, _written(row.comparison.ratio, 2), verdict(row.comparison))


def _written(spread: Spread, digits: int) -> str:
    low, high = (f"{value:.{digits}f}" for value in (spread.lowest, spread.highest))
    return f"{spread.median:.{digits}f} ({low} to {high})"


def _plain(row: Figures) -> dict[str, Any]:
    plain = asdict(row)
    if row.comparison is not None:
        plain["comparison"]["met"] = row.comparison.met
    return plain
