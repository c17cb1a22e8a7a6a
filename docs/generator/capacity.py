"""environments-capacity.md: what the four stack files hold, with which headroom, at what cost."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, get_args

import yaml

from docs.generator.text import Row, document, table
from sizing.catalogue import GIB, STORAGE
from sizing.prices import DEFAULT_CURRENCY, UNKNOWN, Cost, Unpriced, monthly_cost, read_prices
from sizing.verdict import Finding
from stacks.settings import StackSettings, validate
from stacks.settings.loader import PROJECT
from stacks.settings.mistakes import AZURE_KEYS
from stacks.settings.model import Environment, ManagedPostgres
from stacks.settings.sizing import (
    Judgement,
    due_on,
    first_due,
    judgements,
    number,
    recommendation,
    workload_of,
)

ROOT = Path(__file__).parent.parent.parent
MIB = 2**20
GROWS_NOT = "while there are no more pods"
LONG = "ten years or more"


def page() -> str:
    """Return the whole page."""
    stacks = [_settings(stack) for stack in get_args(Environment)]
    blocks = [
        "Reckoned from each stack file's workload by [the measured model](../sizing.md): for the"
        " day that the file states, and at the growth that it states. Where something no longer"
        " fits, `pulumi up` refuses the file; half a year before, it warns.",
        table(
            ("environment", "server", "disk", "rows", "vector index", "outgrown first", "a month"),
            [_overview(s) for s in stacks],
        ),
        "A month is one of the server, its standby where it has one, and their disks, at Azure's"
        " list price; backups beyond the disk's size are not in it. No price is guessed.",
        *sorted({str(cost) for s in stacks if isinstance(cost := _cost(s), Unpriced)}),
        *(block for s in stacks for block in _chapter(s)),
    ]
    return document("What the four environments hold", "the four stack files", blocks)


def _settings(stack: str) -> StackSettings:
    text = (ROOT / f"Pulumi.{stack}.yaml").read_text(encoding="utf-8")
    config: dict[str, Any] = yaml.safe_load(text)["config"]
    azure = {name: config.get(key) for name, key in AZURE_KEYS.items()}
    return validate(stack, config.get(f"{PROJECT}:settings"), azure)


def _managed(s: StackSettings) -> tuple[ManagedPostgres, Judgement]:
    if not isinstance(s.postgres, ManagedPostgres):
        raise AssertionError("the four environments have servers of their own")
    return s.postgres, next(judgements(s))


def _overview(s: StackSettings) -> Row:
    server, one = _managed(s)
    due = first_due(judgements(s))
    first = LONG if due is None else f"{due.finding.what}, after {_when(s, due.months)}"
    return (
        s.environment,
        f"{server.sku}, {_cores(one.sku.vcores)}, {one.sku.memory_gib} GiB",
        f"{one.storage_gib} GiB, {one.storage_tier}",
        f"{one.workload.rows:,}",
        f"{_size(one.prediction.vector_index_bytes)} ({s.memory.index.method})",
        first,
        _priced(_cost(s)),
    )


def _chapter(s: StackSettings) -> Iterator[str]:
    _, one = _managed(s)
    load = workload_of(s)
    yield f"## {s.environment}"
    yield (
        f"{load.sessions:,} sessions of {load.messages_per_session} messages in 30 days, kept for"
        f" {load.retention_days}; {load.facts:,} facts of {load.dimensions} dimensions;"
        f" {load.growth_per_month:.0%} more a month. All relations together:"
        f" {_size(one.prediction.bytes)}."
    )
    yield table(
        ("room", "needed", "may be used", "free", "lasts", "why"),
        [_room(s, finding) for finding in one.verdict.findings],
    )
    yield _growth(s)


def _room(s: StackSettings, finding: Finding) -> Row:
    lasts = LONG if finding.due is None else f"until {_when(s, finding.due)}"
    return (
        finding.what,
        f"{finding.needed:,.2f}".rstrip("0").rstrip("."),
        f"{number(finding.available)} {finding.unit}",
        f"{int(finding.headroom * 100)} %",
        GROWS_NOT if finding.what == "connections" else lasts,
        finding.why,
    )


def _growth(s: StackSettings) -> str:
    found = recommendation(s)
    factor = f"{s.workload.growth_factor:g} times the rows"
    if found is None or found.outgrown:
        return f"No single server holds {factor}."
    return (
        f"For {factor}: {found.sku.name} with {found.disk.size_gib} GiB, {found.storage_tier};"
        f" the deployment strategy's formula says {found.mission.step.sku.name}."
    )


def _cost(s: StackSettings) -> Cost | Unpriced:
    """Price at the day of the price list, so that the page is the same tomorrow."""
    server, one = _managed(s)
    book = read_prices()
    prices = book.find(s.azure.location, DEFAULT_CURRENCY)
    return monthly_cost(
        book,
        sku=one.sku,
        disk=STORAGE[one.storage_gib],
        storage_tier=one.storage_tier,
        servers=1 if server.high_availability.mode == "Disabled" else 2,
        region=s.azure.location,
        currency=DEFAULT_CURRENCY,
        today=prices.fetched if prices else date.max,
    )


def _priced(cost: Cost | Unpriced) -> str:
    return UNKNOWN if isinstance(cost, Unpriced) else f"{cost}, {cost.dated}"


def _cores(number: int) -> str:
    return f"{number} vCore{'' if number == 1 else 's'}"


def _when(s: StackSettings, months: int) -> str:
    day = due_on(s, months)
    return f"{months} months" if day is None else day.isoformat()


def _size(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"
