"""Every term of a recommendation with its formula and its source."""

from collections.abc import Iterable
from dataclasses import dataclass

from sizing import needs
from sizing.catalogue import GIB, SKU_ORIGIN, Sku
from sizing.latency import cached_bytes
from sizing.mission import (
    BELOW,
    FACT_GB,
    FLOOR,
    LARGE,
    MESSAGE_GB,
    SOURCE,
)
from sizing.prediction import Prediction
from sizing.recommend import CPU_AIM, MEMORY_AIM, Recommendation
from sizing.verdict import MEMORY_SHARE, STORAGE_SHARE

MIB = 2**20
KIB = 2**10


@dataclass(frozen=True, kw_only=True)
class Line:
    """One term, as it is read."""

    name: str
    value: str
    how: str
    source: str


def explain(r: Recommendation) -> dict[str, tuple[Line, ...]]:
    """All terms, under the headings in which they are summed."""
    later = r.load.workload
    memory = cached_bytes(r.sku.memory_gib)
    return {
        "the mission's formula": tuple(_mission(r)),
        "the code's figure": tuple(_code(r)),
        "today, relation by relation": tuple(_objects(r.today)),
        f"x {r.workload.growth_factor:g}, relation by relation": tuple(_objects(r.grown)),
        "disk when it is fullest, grown": tuple(
            _terms(needs.disk(later, r.grown, r.disk.size_gib))
        ),
        "IOPS in the busiest minute, grown": tuple(_terms(needs.iops(later, r.grown, memory))),
        "cores in the busiest minute, grown": tuple(_terms(needs.cpu(later))),
        "limits": tuple(_limits(r.sku)),
    }


def _mission(r: Recommendation) -> Iterable[Line]:
    w, found = r.workload, r.mission
    yield Line(
        name="episodic memory",
        value=f"{found.episodic_gb:,.4f} GB",
        how=f"{w.sessions:,} sessions x {w.messages_per_session:,} messages x {w.message_bytes:,} B"
        f" x {w.retention_days} / 30 days",
        source=SOURCE,
    )
    yield Line(
        name="semantic memory",
        value=f"{found.semantic_gb:,.4f} GB",
        how=f"{w.facts:,} facts x {w.content_bytes:,} B",
        source=SOURCE,
    )
    yield Line(
        name="graph relationships",
        value="0 GB",
        how="not in PostgreSQL: the graph store keeps them; the worked example counts none",
        source=SOURCE,
    )
    yield Line(
        name="total",
        value=f"{found.total_gb:,.4f} GB",
        how=f"their sum x {w.growth_factor:g}; below 2 GB B1ms, below 10 GB D2s_v3, else D4s_v3;"
        f" {r.wish.environment} has at least {FLOOR[r.wish.environment].sku.name}",
        source=SOURCE,
    )


def _code(r: Recommendation) -> Iterable[Line]:
    w, found = r.workload, r.mission
    yield Line(
        name="the function's total",
        value=f"{found.code_total_gb:,.1f} GB",
        how=f"(messages x {MESSAGE_GB} + facts x {FACT_GB}) x {w.growth_factor:g}, called GB."
        f" Wrong: 500 B are 0.0000005 GB and 1 KB 0.000001 GB, so that both are 1000 times too"
        f" much: it names {found.code_step.sku.name} with {found.code_step.storage_gib} GB here,"
        f" and {LARGE.sku.name}, its largest, from {BELOW[-1][0] / FACT_GB:,.0f} facts on",
        source=f"{SOURCE}, calculate_postgres_sizing",
    )


def _objects(prediction: Prediction) -> Iterable[Line]:
    for item in prediction.objects:
        yield Line(
            name=f"{item.database}: {item.name} ({item.kind})",
            value=readable(item.bytes),
            how=item.terms,
            source=item.source,
        )
    yield Line(name="all", value=readable(prediction.bytes), how="their sum", source="")


def _terms(terms: tuple[needs.Term, ...]) -> Iterable[Line]:
    for term in terms:
        yield Line(
            name=term.name,
            value=_value(term.value, term.unit),
            how=term.terms,
            source=term.source,
        )
    unit = terms[0].unit
    yield Line(name="all", value=_value(needs.total(terms), unit), how="their sum", source="")


def _limits(sku: Sku) -> Iterable[Line]:
    catalogue = f"{SKU_ORIGIN.source} ({SKU_ORIGIN.dated})"
    yield Line(
        name="vector index, recommended",
        value=f"{MEMORY_AIM:.0%} of RAM",
        how="when grown: the rows want the rest",
        source="ours",
    )
    yield Line(
        name="vector index, at most",
        value=f"{MEMORY_SHARE:.0%} of RAM",
        how="of today's load: the critical alert",
        source="deployment strategy, section 2, alert thresholds",
    )
    yield Line(
        name="disk, at most",
        value=f"{STORAGE_SHARE:.0%}",
        how="Azure makes a server read-only at 95 %, and grows a disk before",
        source="https://learn.microsoft.com/azure/postgresql/compute-storage/"
        "concepts-storage-premium-ssd",
    )
    yield Line(
        name="cores, at most", value=f"{CPU_AIM:.0%}", how="in the busiest minute", source="ours"
    )
    yield Line(
        name=sku.name,
        value=f"{sku.iops:,} IOPS",
        how=f"{sku.vcores} vCores, {sku.memory_gib} GiB, {sku.throughput_mib:g} MiB/s,"
        f" {sku.max_connections:,} connections",
        source=catalogue,
    )
    if sku.credits is not None:
        yield Line(
            name="CPU credits",
            value=f"{sku.credits.base_percent} % base",
            how=f"{sku.credits.banked_an_hour} an hour, {sku.credits.most_banked} at most:"
            f" {sku.credits.minutes_at_full(sku.vcores):,.0f} minutes of all cores",
            source="https://learn.microsoft.com/azure/virtual-machines/sizes/general-purpose/"
            "bv1-series",
        )


def _value(value: float, unit: str) -> str:
    return readable(value) if unit == "bytes" else f"{value:,.3g} {unit}"


def readable(size: float) -> str:
    """Bytes in the unit in which they are read."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size / unit:,.2f} {name}"
    return f"{size:,.0f} B"
