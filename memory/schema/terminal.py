"""What a person at a terminal sees: the plan as a table, and a bar for each batch that runs."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from memory.schema.events import Event
from memory.schema.steps import Plan


def show_table(plan: Plan) -> None:
    """The plan on a terminal, as wide as it is; a line under each transaction."""
    table = Table(
        Column("#", justify="right"),
        Column("statement", ratio=3, overflow="fold"),
        Column("found", ratio=1, overflow="fold"),
        Column("lock", ratio=1, overflow="fold"),
        Column("rows", justify="right"),
        Column("min", justify="right"),
        Column("MiB", justify="right"),
        expand=True,
    )
    numbers = itertools.count(1)
    for batch in plan.batches():
        for step in batch:
            mark, cost = "[red]" if step.destructive else "", step.cost
            table.add_row(
                str(next(numbers)),
                mark + escape(" ".join(step.sql.split())),
                escape(step.why),
                escape(step.lock),
                f"{cost.rows:,}" if cost.rows else "",
                f"{cost.minutes:,.1f}" if cost.minutes else "",
                f"{cost.memory_mib:,}" if cost.memory_mib else "",
                end_section=step is batch[-1],
            )
    console = Console()
    console.print(table if plan.steps else "nothing to do")
    for note in plan.notes:
        console.print(f"[dim]note: {escape(note)}")


@contextmanager
def bars() -> Iterator["Bars"]:
    """Bars on standard error, until the end of the block."""
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", table_column=Column(ratio=1)),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        expand=True,
    ) as progress:
        yield Bars(progress)


class Bars:
    """A line for each batch, with a bar for what PostgreSQL can tell the share of."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        text = escape(event.text)
        if event.kind == "begin":
            self._task = self._progress.add_task(text, total=None)
        elif event.kind == "end" and self._task is not None:
            self._progress.update(self._task, description=text, total=1, completed=1)
        elif event.kind == "progress" and self._task is not None:
            total = None if event.share is None else 1
            self._progress.update(self._task, description=text, total=total, completed=event.share)
        elif event.kind in {"waiting", "advice"}:
            self._progress.console.print(f"[yellow]{event.kind}[/] {text}")
