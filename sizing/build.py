"""Building the vector index on a size of server: memory, minutes, and a Burstable's credits.

The formulas are the schema engine's own, ``memory.schema.estimate``; here they meet a machine.
"""

from dataclasses import dataclass

from memory.schema.estimate import Machine, session_memory_kib
from sizing.catalogue import Sku
from sizing.prediction import Build


@dataclass(frozen=True, kw_only=True)
class BuildOn:
    """One build on one size."""

    sku: Sku
    memory_mib: int
    """That the whole build needs."""
    session_mib: int
    """That the schema engine gives it as ``maintenance_work_mem``."""
    minutes: float
    """With all cores, in memory; a Burstable size from a full bank of credits."""

    @property
    def in_memory(self) -> bool:
        """If not, the build goes on on the disk, many times slower than ``minutes``."""
        return self.memory_mib <= self.session_mib


def build_on(build: Build, sku: Sku) -> BuildOn:
    """Reckon one build on one size."""
    session = session_memory_kib(
        build.memory_mib,
        sku.maintenance_work_mem_kib,
        sku.shared_buffers_mib * 1024,
        Machine(vcores=sku.vcores, memory_gib=sku.memory_gib),
    )
    return BuildOn(
        sku=sku,
        memory_mib=build.memory_mib,
        session_mib=session // 1024,
        minutes=_minutes(build.minutes_on_one_core, sku),
    )


def _minutes(work: float, sku: Sku) -> float:
    """Core minutes over the cores; what the credits do not cover runs at the base."""
    if sku.credits is None:
        return work / sku.vcores
    full = sku.credits.minutes_at_full(sku.vcores)
    if work <= full * sku.vcores:
        return work / sku.vcores
    return full + (work - full * sku.vcores) / (sku.credits.base_percent / 100)
