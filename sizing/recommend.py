"""The server for a workload as it will have grown: the mission's formula beside the measured model.

The smallest size that Azure sells on which everything fits with room to spare.  «Smallest» is by
cores, then by memory, which is also the order of Azure's list prices; so the answer is the same
whether or not prices are known, and never becomes smaller when the load becomes larger.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sizing import needs
from sizing.bounds import refuse_impossible
from sizing.build import build_on
from sizing.catalogue import BURSTABLE, GIB, SKUS, STORAGE, Disk, Sku
from sizing.growth import grown
from sizing.latency import cached_bytes, p95_ms, search_ms
from sizing.mission import FLOOR, Environment, Mission, mission
from sizing.predict import predict
from sizing.prediction import Prediction
from sizing.prices import Bought
from sizing.verdict import STORAGE_SHARE, Verdict, judge
from sizing.workload import Workload

HighAvailability = Literal["Disabled", "SameZone", "ZoneRedundant"]

MEMORY_AIM = 0.6
"""Of RAM for the vector index once grown: the alert is at 80 %, the rows want the rest."""
CPU_AIM = 0.7
"""Of all cores in the busiest minute; of a Burstable size's base."""
MOST_READS = 3_750
"""Pages a second that the disk is asked for: half of what a P50 gives; memory takes the rest."""
SERIES = "s_v3"
"""The mission's own generation."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is asked of the server beside holding the workload."""

    environment: Environment
    connections_needed: int
    """At the busiest moment: every autoscaler at its bound, in a roll-out."""
    high_availability: HighAvailability = "Disabled"
    target_p95_ms: float = 100.0
    """Of a vector search; the mission's alert is at 100 ms."""
    series: str = SERIES
    """The generation that is preferred: ``s_v3``, ``ds_v4``, ``ds_v5``, ``ads_v5`` …"""


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """What to buy, and why."""

    workload: Workload
    wish: Wish
    today: Prediction
    grown: Prediction
    """At ``growth_factor``."""
    mission: Mission
    sku: Sku
    disk: Disk
    storage_tier: str
    outgrown: bool
    """No single server of Azure's holds it; ``sku`` and ``disk`` are then the largest."""
    mission_holds_growth: bool
    """Whether the mission's server also holds the grown workload, with the margins of ours."""
    p95_ms: float
    """Of a search on the recommended server with the grown workload."""

    @property
    def load(self) -> "Load":
        """The grown workload, to be asked about other sizes."""
        return Load(grown(self.workload, self.workload.growth_factor), self.grown, self.wish)

    @property
    def servers(self) -> int:
        """How many are billed: a standby is one more."""
        return 1 if self.wish.high_availability == "Disabled" else 2

    @property
    def bought(self) -> Bought:
        """What is on the bill."""
        return Bought(self.sku, self.disk, self.storage_tier, self.servers)

    @property
    def bought_by_formula(self) -> Bought:
        """The mission's server, with the standby that is wished for."""
        disk = STORAGE[self.mission.step.storage_gib]
        return Bought(self.mission.step.sku, disk, disk.default_tier, self.servers)

    @property
    def next_smaller(self) -> Sku | None:
        """The size that was tried before this one."""
        tried = list(candidates(self.wish))
        place = tried.index(self.sku) if self.sku in tried else 0
        return tried[place - 1] if place > 0 else None

    @property
    def verdict(self) -> Verdict:
        """On the recommended server, as the workload is today."""
        return self._judge(self.sku, self.disk.size_gib, self.storage_tier)

    @property
    def mission_verdict(self) -> Verdict:
        """On the server of the mission's formula, as the workload is today."""
        step = self.mission.step
        return self._judge(step.sku, step.storage_gib, None)

    def _judge(self, sku: Sku, storage_gib: int, tier: str | None) -> Verdict:
        return judge(
            self.workload,
            self.today,
            sku=sku,
            storage_gib=storage_gib,
            connections_needed=self.wish.connections_needed,
            storage_tier=tier,
        )


def recommend(workload: Workload, wish: Wish) -> Recommendation:
    """Choose the smallest server for the workload at its growth factor.

    Raises ``SizingError`` for a question without an answer.
    """
    refuse_impossible(
        workload,
        connections_needed=wish.connections_needed,
        target_p95_ms=wish.target_p95_ms,
        series=wish.series,
    )
    later = grown(workload, workload.growth_factor)
    load = Load(later, predict(later), wish)
    sku = next((sku for sku in candidates(wish) if load.machine_fits(sku)), None)
    disk = next((disk for disk in disks(wish) if load.disk_fits(disk)), None)
    chosen, on = sku or largest(), disk or list(STORAGE.values())[-1]
    by_formula = mission(workload, wish.environment)
    return Recommendation(
        workload=workload,
        wish=wish,
        today=predict(workload),
        grown=load.prediction,
        mission=by_formula,
        sku=chosen,
        disk=on,
        storage_tier=load.tier(on) or on.tiers[-1],
        outgrown=sku is None or disk is None,
        mission_holds_growth=load.machine_fits(by_formula.step.sku)
        and load.own_tier_fits(STORAGE[by_formula.step.storage_gib]),
        p95_ms=p95_ms(later, load.prediction, chosen),
    )


@dataclass(frozen=True)
class Load:
    """The grown workload, asked one question at a time."""

    workload: Workload
    prediction: Prediction
    wish: Wish

    def machine_fits(self, sku: Sku) -> bool:
        """Memory at rest and in a build, connections, cores, IOPS, the time of a search."""
        return next(self.obstacles(sku), None) is None

    def obstacles(self, sku: Sku) -> Iterator[str]:
        """Each thing of which this size has too little, with its numbers."""
        if sku.tier == BURSTABLE and self.wish.high_availability != "Disabled":
            yield "no Burstable size has a standby"
        index = self.prediction.vector_index_bytes / GIB
        if index > MEMORY_AIM * sku.memory_gib:
            yield (
                f"the vector index would take {index:,.1f} GiB of {sku.memory_gib:,};"
                f" aimed at is {MEMORY_AIM:.0%}"
            )
        build = self.prediction.build
        if build is not None and not (built := build_on(build, sku)).in_memory:
            yield (
                f"building the vector index would take {built.memory_mib:,} MiB, and"
                f" {built.session_mib:,} are to be had: on the disk it takes many times longer"
            )
        if self.wish.connections_needed > sku.user_connections:
            yield (
                f"{self.wish.connections_needed:,} connections are needed,"
                f" {sku.user_connections:,} granted"
            )
        cores = sku.vcores if sku.credits is None else sku.credits.base_percent / 100
        if self.cores > CPU_AIM * cores:
            yield f"{self.cores:,.2f} cores would be busy of {cores:g}; aimed at is {CPU_AIM:.0%}"
        if self.iops > sku.iops:
            yield f"{self.iops:,} IOPS are needed, {sku.iops:,} are the machine's most"
        reads = self._reads(cached_bytes(sku.memory_gib))
        if reads > MOST_READS:
            yield (
                f"{reads:,.0f} pages a second would be read from the disk;"
                f" aimed at is {MOST_READS:,} at most"
            )
        slow = p95_ms(self.workload, self.prediction, sku)
        if slow > self.wish.target_p95_ms:
            yield (
                f"a search would take up to {slow:,.0f} ms, {search_ms(self.workload):,.0f} if its"
                " rows were in memory"
            )

    def disk_fits(self, disk: Disk) -> bool:
        """Size, and a performance tier that is quick enough."""
        return self.room_on(disk) and self.tier(disk) is not None

    def own_tier_fits(self, disk: Disk) -> bool:
        """Size, in the performance tier that it brings; a quicker one is bought beside it."""
        return self.room_on(disk) and self.tier(disk) == disk.default_tier

    def tier(self, disk: Disk) -> str | None:
        """The performance tier that it takes; None where none is quick enough."""
        return disk.cheapest_tier(self.iops)

    def room_on(self, disk: Disk) -> bool:
        """Size alone."""
        full = needs.total(needs.disk(self.workload, self.prediction, disk.size_gib))
        return full <= STORAGE_SHARE * disk.size_gib * GIB

    @property
    def cores(self) -> float:
        """Busy in the busiest minute."""
        return needs.total(needs.cpu(self.workload))

    @property
    def iops(self) -> int:
        """Operations a second in the busiest minute, on any server that is large enough."""
        *writes, _ = needs.iops(self.workload, self.prediction, 0)
        return math.ceil(needs.total(tuple(writes)) + min(self._reads(0), MOST_READS))

    def _reads(self, memory_bytes: float) -> float:
        """Pages a second that a server with this much memory reads from its disk."""
        *_, reads = needs.iops(self.workload, self.prediction, memory_bytes)
        return reads.value


def candidates(wish: Wish) -> Iterator[Sku]:
    """Sizes not below the environment's floor, smallest first; the preferred series before all."""
    floor = FLOOR[wish.environment].sku
    allowed = [
        sku
        for sku in SKUS.values()
        if sku.vcores >= floor.vcores
        and sku.memory_gib >= floor.memory_gib
        and (sku.tier != BURSTABLE or _may_be_burstable(wish))
    ]
    ordered = sorted(allowed, key=lambda sku: (sku.vcores, sku.memory_gib, sku.name))
    yield from (sku for sku in ordered if sku.tier == BURSTABLE or sku.series == wish.series)
    yield from (sku for sku in ordered if sku.tier != BURSTABLE and sku.series != wish.series)


def _may_be_burstable(wish: Wish) -> bool:
    """Azure offers no standby there, and the mission's table none in uat and prod."""
    floor = FLOOR[wish.environment].sku
    return floor.tier == BURSTABLE and wish.high_availability == "Disabled"


def disks(wish: Wish) -> Iterator[Disk]:
    """Sizes of Premium SSD, smallest first, not below the environment's floor."""
    least = FLOOR[wish.environment].storage_gib
    yield from (disk for size, disk in STORAGE.items() if size >= least)


def largest() -> Sku:
    """The most memory that Azure sells as one server."""
    return max(SKUS.values(), key=lambda sku: (sku.memory_gib, sku.vcores))
