"""A recommendation as plain data: the same for YAML and JSON, in the order in which it is read."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sizing.advice import Advice, advise
from sizing.build import BuildOn, build_on
from sizing.catalogue import BURSTABLE, GIB, SKU_ORIGIN, STORAGE, STORAGE_ORIGIN, Sku
from sizing.latency import cached_bytes
from sizing.needs import disk as disk_terms
from sizing.needs import total
from sizing.prediction import Prediction
from sizing.prices import Bought, Cost, PriceBook, Unpriced, monthly_cost, together
from sizing.recommend import Recommendation
from sizing.verdict import Verdict
from sizing.workload import Hnsw, Workload

Pools = Mapping[str, Mapping[str, int]]
"""Settings of the pools by who has one, in its own words."""
EF_SEARCH = 40
"""pgvector's default and the strategy's: rows compared before the nearest are returned."""


@dataclass(frozen=True, kw_only=True)
class Market:
    """Where it is bought, and what is known of the prices there."""

    prices: PriceBook
    region: str | None
    currency: str
    today: date

    def cost(self, *bought: Bought) -> Cost | Unpriced:
        """A month of all of it."""
        return together([self._cost(one) for one in bought])

    def _cost(self, one: Bought) -> Cost | Unpriced:
        return monthly_cost(
            self.prices,
            sku=one.sku,
            disk=one.disk,
            storage_tier=one.storage_tier,
            servers=one.servers,
            region=self.region,
            currency=self.currency,
            today=self.today,
        )


def report(r: Recommendation, market: Market, pools: Pools) -> dict[str, Any]:
    """Everything that is known, without the terms; those are in ``sizing.explain``."""
    return {
        "workload": _workload(r.workload),
        "mission": _mission(r, market),
        "measured": {"today": _sizes(r.today), "grown": _sizes(r.grown)},
        "recommendation": _recommendation(r, market, pools),
        "safe": safe(r),
        "advice": [_advice(advice, market) for advice in advise(r)],
        "sources": {
            "sizes": f"{SKU_ORIGIN.source} ({SKU_ORIGIN.dated})",
            "disks": f"{STORAGE_ORIGIN.source} ({STORAGE_ORIGIN.dated})",
        },
    }


def safe(r: Recommendation) -> dict[str, str]:
    """Which of the two answers can be relied on, and why."""
    mission = r.mission.step
    said = f"{mission.sku.name} with {mission.storage_gib} GiB"
    if r.outgrown:
        return {"answer": "measured", "why": f"no single server holds the grown load, nor {said}"}
    if r.bought == r.bought_by_formula:
        return {"answer": "both", "why": "the formula and the measured model name the same server"}
    if r.mission_holds_growth:
        why = f"{said} also holds the grown load; the measured model asks for less"
        return {"answer": "both", "why": why}
    index, raw = r.grown.vector_index_bytes / GIB, r.mission.total_gb
    short = next(r.load.obstacles(mission.sku), None)
    disk = STORAGE[mission.storage_gib]
    if short is not None:
        why = f"text and nothing that a database adds; on {said}, {short}"
    elif not r.load.room_on(disk):
        why = (
            f"text; tables, indexes (the vector index alone {index:,.1f} GiB) and the room to"
            f" rebuild them do not fit {mission.storage_gib} GiB"
        )
    else:
        why = (
            f"text and no operations; {r.load.iops:,} IOPS are needed, and {mission.storage_gib}"
            f" GiB bring {disk.iops:,}"
        )
    return {"answer": "measured", "why": f"the formula counts {raw:,.2f} GB of {why}"}


def _workload(workload: Workload) -> dict[str, Any]:
    index = workload.index
    return {
        **{k: v for k, v in asdict(workload).items() if k != "index"},
        "index": None
        if index is None
        else {"method": "hnsw" if isinstance(index, Hnsw) else "ivfflat", **asdict(index)},
        "messages": workload.messages,
        "rows": workload.rows,
    }


def _mission(r: Recommendation, market: Market) -> dict[str, Any]:
    found = r.mission
    step, mapped = found.step, found.mapped
    return {
        "formula": "(sessions x messages x bytes x retention / 30 + facts x bytes) x growth",
        "episodic_gb": round(found.episodic_gb, 6),
        "semantic_gb": round(found.semantic_gb, 6),
        "total_gb": round(found.total_gb, 6),
        "mapped": {"sku": short_name(mapped.sku), "storage_gb": mapped.storage_gib},
        "environment": r.wish.environment,
        "sku": short_name(step.sku),
        "vcores": step.sku.vcores,
        "ram_gb": step.sku.memory_gib,
        "storage_gb": step.storage_gib,
        "holds_today": r.mission_verdict.fits,
        "due_in_months": r.mission_verdict.due_in_months,
        "holds_growth": r.mission_holds_growth,
        "cost": cost_data(market.cost(r.bought_by_formula)),
    }


def short_name(sku: Sku) -> str:
    """As the strategy writes it: without ``Standard_``."""
    return sku.name.removeprefix("Standard_")


def _sizes(prediction: Prediction) -> dict[str, Any]:
    build = prediction.build
    return {
        "total_gib": _gib(prediction.bytes),
        "vector_index_gib": _gib(prediction.vector_index_bytes),
        "by_kind_gib": {
            kind: _gib(sum(o.bytes for o in prediction.objects if o.kind == kind))
            for kind in dict.fromkeys(o.kind for o in prediction.objects)
        },
        "objects": {f"{o.database}.{o.name} ({o.kind})": o.bytes for o in prediction.objects},
        "wal_bytes_a_row": prediction.wal_bytes_a_row,
        "build": None
        if build is None
        else {
            "memory_mib": build.memory_mib,
            "minutes_on_one_core": round(build.minutes_on_one_core, 1),
            "wal_gib": _gib(build.wal_bytes),
            "temporary_gib": _gib(build.temporary_bytes),
        },
    }


def _recommendation(r: Recommendation, market: Market, pools: Pools) -> dict[str, Any]:
    verdict, index = r.verdict, _workload(r.workload)["index"]
    return {
        "sku": r.sku.name,
        "tier": r.sku.tier,
        "vcores": r.sku.vcores,
        "memory_gib": r.sku.memory_gib,
        "storage_gib": r.disk.size_gib,
        "storage_tier": r.storage_tier,
        "outgrown": r.outgrown,
        "high_availability": r.wish.high_availability,
        "index": {**index, "ef_search": EF_SEARCH} if isinstance(r.workload.index, Hnsw) else index,
        "memory": _memory(r),
        "connections": {
            "needed": r.wish.connections_needed,
            "max_connections": r.sku.max_connections,
            "for_users": r.sku.user_connections,
            "pools": {name: dict(pool) for name, pool in pools.items()},
            "built_in_pooler": r.sku.tier != BURSTABLE,
        },
        "disk": {
            "fullest_gib": _gib(total(disk_terms(r.load.workload, r.grown, r.disk.size_gib))),
            "iops_needed": r.load.iops,
        },
        "p95_ms": {"at_most": round(r.p95_ms, 1), "target": r.wish.target_p95_ms},
        "cost": cost_data(market.cost(r.bought)),
        "today": _verdict(verdict),
        "due_in_months": verdict.due_in_months,
        "why_not_smaller": _why_not_smaller(r),
    }


def _memory(r: Recommendation) -> dict[str, Any]:
    share = r.grown.vector_index_bytes / (r.sku.memory_gib * GIB)
    built = None if r.grown.build is None else build_on(r.grown.build, r.sku)
    return {
        "vector_index_share_of_ram": round(share, 3),
        "working_set_gib": _gib(r.grown.bytes),
        "working_set_in_memory": r.grown.bytes <= cached_bytes(r.sku.memory_gib),
        "shared_buffers_mib": r.sku.shared_buffers_mib,
        "maintenance_work_mem_kib": r.sku.maintenance_work_mem_kib,
        "build": None if built is None else _build(built),
    }


def _build(built: BuildOn) -> dict[str, Any]:
    return {
        "needs_mib": built.memory_mib,
        "session_maintenance_work_mem_mib": built.session_mib,
        "in_memory": built.in_memory,
        "minutes": round(built.minutes, 1),
    }


def _why_not_smaller(r: Recommendation) -> str:
    smaller = r.next_smaller
    if smaller is None:
        return "it is the smallest for this environment"
    obstacle = next(r.load.obstacles(smaller), None)
    return f"on {smaller.name}, {obstacle}"


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        f.what: {
            "needed": round(f.needed, 2),
            "available": round(f.available, 2),
            "unit": f.unit,
            "headroom": round(f.headroom, 3),
            "fits": f.fits,
            "due_in_months": f.due,
        }
        for f in verdict.findings
    }


def _advice(advice: Advice, market: Market) -> dict[str, Any]:
    data: dict[str, Any] = {"what": advice.what, "text": advice.text}
    if advice.settings:
        data["settings"] = dict(advice.settings)
    if advice.bought:
        data["cost"] = cost_data(market.cost(*advice.bought))
    return data


def cost_data(cost: Cost | Unpriced) -> dict[str, Any] | str:
    """A cost with where it comes from; or the sentence that there is none."""
    if isinstance(cost, Unpriced):
        return str(cost)
    return {
        "a_month": float(cost.amount),
        "currency": cost.currency,
        "region": cost.region,
        "dated": cost.dated.isoformat(),
        "source": cost.source,
        "terms": cost.terms,
    }


def builds(r: Recommendation, skus: Iterable[Sku]) -> Mapping[str, BuildOn]:
    """The same build on several sizes, by their names."""
    build = r.grown.build
    return {} if build is None else {sku.name: build_on(build, sku) for sku in skus}


def _gib(size: float) -> float:
    return round(size / GIB, 3)
