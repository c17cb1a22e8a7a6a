"""How much room a stack has left, as its own outputs say: reckoned from its settings, not measured.

`python -m sizing measure` compares the reckoning with the live database.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console

from local.commands.session import table

NEVER = "ten years or more"
PODS = "while there are no more pods"
"""Rows bring no connections."""


def show(console: Console, sizing: Mapping[str, Any] | None) -> None:
    """Print what is free and when the next size is due; nothing of a customer's server."""
    if sizing is None:
        return
    rooms = table("room", "needed", "of", "free", "lasts")
    for name, room in sizing["headroom"].items():
        of = f"{_number(room['available'])} {room['unit']}"
        long = PODS if name == "connections" else lasts(room)
        rooms.add_row(name, _number(room["needed"]), of, f"{room['free_percent']} %", long)
    console.print(rooms)
    console.print(f"\n[bold]next size[/bold]  {'; '.join(_next(sizing))}\n")


def lasts(room: Mapping[str, Any] | None) -> str:
    """Say how long something is large enough; nothing where nothing is known."""
    if room is None:
        return ""
    if room["due_in_months"] is None:
        return NEVER
    return f"until {room['due_on']}" if room["due_on"] else f"{room['due_in_months']} months"


def _next(sizing: Mapping[str, Any]) -> Iterator[str]:
    due, wanted = sizing["due"], sizing["recommended"]
    rows = f"{sizing['rows']:,} rows"
    yield f"{rows} outgrow nothing in ten years" if due is None else f"{due} lasts {lasts(sizing)}"
    if wanted is not None:
        size = f"{wanted['sku']} with {wanted['storage_gib']} GiB, {wanted['storage_tier']}"
        yield f"{_number(wanted['growth_factor'])} x {rows} take {size}"


def _number(value: float) -> str:
    return f"{value:,.2f}".rstrip("0").rstrip(".")
