"""A recommendation for people: a table of the two answers, the findings, and what to know."""

from collections.abc import Iterator
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from sizing.advice import advise
from sizing.catalogue import GIB
from sizing.explain import Line, explain
from sizing.growth import HORIZON_MONTHS
from sizing.prices import UNKNOWN, Cost, Unpriced
from sizing.recommend import Recommendation
from sizing.report import Market, Pools, builds, report, safe, short_name


def show(
    console: Console, r: Recommendation, market: Market, pools: Pools, *, explained: bool
) -> None:
    """Print it all, the answer first."""
    data = report(r, market, pools)
    console.print(_answers(r, data, market))
    console.print(_findings(r))
    for line in (*_remarks(r, data), *_costs(r, market)):
        console.print(Text(line))
    if explained:
        for title, lines in explain(r).items():
            console.print(_explained(title, lines))


def _answers(r: Recommendation, data: dict[str, Any], market: Market) -> RenderableType:
    table = Table(title=f"{r.wish.environment}: {_load(r)}", title_justify="left")
    table.add_column("")
    table.add_column("mission's formula")
    table.add_column("measured model")
    step, found = r.mission.step, data["recommendation"]
    mapped = r.mission.mapped
    table.add_row("counted", f"{r.mission.total_gb:,.2f} GB of text", _counted(r))
    if mapped != step:
        table.add_row("by size alone", f"{short_name(mapped.sku)}, {mapped.storage_gib} GB", "")
    ours = short_name(r.sku)
    table.add_row(
        "server",
        short_name(step.sku),
        f"none is large enough; the largest: {ours}" if r.outgrown else ours,
    )
    table.add_row("vCores, RAM", *(f"{s.vcores}, {s.memory_gib:,} GiB" for s in (step.sku, r.sku)))
    table.add_row(
        "storage", f"{step.storage_gib} GiB", f"{r.disk.size_gib:,} GiB ({r.storage_tier})"
    )
    table.add_row("holds today", _yes(r.mission_verdict.fits), _yes(r.verdict.fits))
    table.add_row(
        f"holds x {r.workload.growth_factor:g}",
        _yes(r.mission_holds_growth),
        _yes(not r.outgrown),
    )
    table.add_row(
        "next size due", _due(r.mission_verdict.due_in_months), _due(found["due_in_months"])
    )
    table.add_row("cost", *(_amount(market.cost(b)) for b in (r.bought_by_formula, r.bought)))
    return table


def _findings(r: Recommendation) -> RenderableType:
    table = Table(title=f"today on {short_name(r.sku)}", title_justify="left")
    for name in ("", "needed", "available", "headroom", "full", "why"):
        table.add_column(name, justify="left" if name in ("", "why") else "right")
    for f in r.verdict.findings:
        table.add_row(
            f.what,
            _number(f.needed, f.unit),
            f"{_number(f.available, f.unit)} {f.unit}",
            f"{f.headroom:.0%}",
            _due(f.due) if f.what != "connections" else "-",
            f.why,
        )
    return table


def _remarks(r: Recommendation, data: dict[str, Any]) -> Iterator[str]:
    """What to know beside the tables."""
    judged, found = safe(r), data["recommendation"]
    yield f"safe: {judged['answer']}: {judged['why']}"
    if r.outgrown:
        yield "no single server that Azure sells holds this load"
    else:
        yield f"not smaller: {found['why_not_smaller']}"
        yield from _of_the_server(r, found)
    for advice in advise(r):
        yield f"{advice.what}: {advice.text}"


def _of_the_server(r: Recommendation, found: dict[str, Any]) -> Iterator[str]:
    p95, memory = found["p95_ms"], found["memory"]
    in_memory = "all data are" if memory["working_set_in_memory"] else "not all data are"
    yield f"search: {p95['at_most']:g} ms at most at the 95th percentile ({p95['target']:g} wanted)"
    for name, pool in found["connections"]["pools"].items():
        stated = ", ".join(f"{key} {value}" for key, value in pool.items())
        yield f"pool of {name}, as in the stack file: {stated}"
    yield (
        f"memory: shared_buffers {memory['shared_buffers_mib']:,} MiB; the vector index, grown,"
        f" is {memory['vector_index_share_of_ram']:.0%} of RAM; {in_memory} in memory"
    )
    for built in builds(r, dict.fromkeys((r.mission.step.sku, r.sku))).values():
        where = (
            "in memory"
            if built.in_memory
            else f"of which {built.session_mib:,} are to be had: on the disk, many times longer"
        )
        yield (
            f"index build, grown, on {short_name(built.sku)}: {built.minutes:,.1f} minutes with"
            f" all cores, {built.memory_mib:,} MiB, {where}"
        )
    if r.sku.credits is not None:
        base, most = r.sku.credits.base_percent, r.sku.credits.minutes_at_full(r.sku.vcores)
        yield (
            f"Burstable: {base} % of one vCPU for ever, all {r.sku.vcores} for {most:,.0f} minutes"
            f" from a full bank; the busiest minute asks for {r.load.cores:.1%} of one"
        )


def _explained(title: str, lines: tuple[Line, ...]) -> RenderableType:
    table = Table(title=title, title_justify="left")
    for name in ("term", "value", "how", "source"):
        table.add_column(name, overflow="fold", justify="right" if name == "value" else "left")
    for line in lines:
        table.add_row(line.name, line.value, line.how, line.source)
    return table


def _load(r: Recommendation) -> str:
    w = r.workload
    return (
        f"{w.sessions:,} sessions x {w.messages_per_session:,} messages,"
        f" {w.retention_days} days, {w.facts:,} facts"
    )


def _counted(r: Recommendation) -> str:
    return f"{r.today.bytes / GIB:,.2f} GiB today, {r.grown.bytes / GIB:,.2f} GiB grown"


def _due(months: int | None) -> str:
    if months is None:
        return f"not in {HORIZON_MONTHS // 12} years"
    return "now" if months == 0 else f"in {months} months"


def _yes(value: bool) -> str:  # noqa: FBT001 - the one thing it is about
    return "yes" if value else "no"


def _number(value: float, unit: str) -> str:
    return f"{value:,.1f}" if unit == "GiB" else f"{value:,.0f}"


def _amount(cost: Cost | Unpriced) -> str:
    return UNKNOWN if isinstance(cost, Unpriced) else str(cost)


def _costs(r: Recommendation, market: Market) -> Iterator[str]:
    """How the amount comes about, or why there is none."""
    cost = market.cost(r.bought)
    if isinstance(cost, Unpriced):
        yield str(cost)
        return
    yield f"cost: {cost.terms}; {cost.region}, {cost.dated}, {cost.source}"
    for advice in advise(r):
        if advice.bought:
            yield f"cost of {advice.what}: {_amount(market.cost(*advice.bought))}"
