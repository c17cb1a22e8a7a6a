"""Figures as a table for people, and as one document for machines."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bench.figures import Comparison, Figures, Spread
from bench.machine import Machine
from bench.study import Cell, Study

HEADERS = ("wall s", "CPU s", "against", "ratio", "goal")


Measured = Sequence[Figures] | Study


def shown(name: str, rounds: int, measured: Measured) -> RenderableType:
    """Return a suite or a study for a terminal."""
    if isinstance(measured, Study):
        return Group(study_table(measured), *(Text(note) for note in measured.notes))
    return as_table(name, rounds, measured)


def study_table(study: Study) -> Table:
    """Return a study; text is to the left, numbers are to the right."""
    table = Table(title=study.title, title_justify="left", box=None, pad_edge=False)
    for number, header in enumerate(study.headers):
        column = [row[number] for row in study.rows]
        is_text = all(isinstance(cell, str) for cell in column)
        table.add_column(header, justify="left" if is_text else "right")
    for row in study.rows:
        table.add_row(*(_cell(cell) for cell in row))
    return table


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
    moment: datetime, machine: Machine, rounds: int, measured: Sequence[tuple[str, Measured]]
) -> dict[str, Any]:
    """Return everything as plain data."""
    suites: dict[str, list[dict[str, Any]]] = {}
    studies: dict[str, list[dict[str, Any]]] = {}
    for name, found in measured:
        if isinstance(found, Study):
            studies.setdefault(name, []).append(asdict(found))
        else:
            suites[name] = [_plain(row) for row in found]
    return {
        "date": moment.isoformat(timespec="seconds"),
        "machine": asdict(machine),
        "rounds": rounds,
        "suites": suites,
        "studies": studies,
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


def _cell(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.3g}" if abs(cell) < 100 else f"{cell:.0f}"  # noqa: PLR2004 - three digits
    return "" if cell is None else str(cell)


def _plain(row: Figures) -> dict[str, Any]:
    plain = asdict(row)
    if row.comparison is not None:
        plain["comparison"]["met"] = row.comparison.met
    return plain
