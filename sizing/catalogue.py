"""What Azure sells as a Flexible Server: compute sizes and disks, from data files with sources.

Data and arithmetic, no opinion of ours.  What a size costs is in ``sizing.prices``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

import yaml

Tier = Literal["Burstable", "GeneralPurpose", "MemoryOptimized"]
DATA = Path(__file__).parent / "data"

GIB = 2**30
RESERVED_CONNECTIONS = 15
"""superuser_reserved_connections 10 + reserved_connections 5, both read-only on Azure.

https://learn.microsoft.com/azure/postgresql/configure-maintain/concepts-limits
"""
SMALL_GIB = 2
"""Up to here Azure's formulas for server parameters are others."""


@dataclass(frozen=True)
class Credits:
    """What a Burstable machine may do beyond its base; a credit is a vCPU for a minute."""

    base_percent: int
    """Of one vCPU: what is left when all credits are spent."""
    banked_an_hour: int
    """By a machine that does nothing."""
    most_banked: int

    def minutes_at_full(self, vcores: int) -> float:
        """How long a full bank lasts with every core busy."""
        return self.most_banked / (vcores - self.base_percent / 100)


@dataclass(frozen=True)
class Sku:
    """One compute size; the defaults are what Azure sets when a server of this size is made.

    It does not set them again when the server is resized.
    https://learn.microsoft.com/azure/postgresql/server-parameters/concepts-server-parameters
    """

    name: str
    """Azure's, with ``Standard_``."""
    tier: Tier
    vcores: int
    memory_gib: int
    iops: int
    """At most, whatever the disk could do."""
    throughput_mib: float
    """MiB a second, at most.  What is read and written here are pages of 8 KiB, of which no size
    and no disk does so many a second that this would be the limit."""
    credits: Credits | None = None
    """Of a Burstable size."""

    @property
    def series(self) -> str:
        """The generation, such as ``s_v3``; empty for Burstable."""
        return self.name.partition("_")[2].lstrip("BDE0123456789") if self.tier != BURSTABLE else ""

    @property
    def max_connections(self) -> int:
        """25 a GiB up to 2 GiB, then 0.1049164697034809 a MiB, at most 5000."""
        if self.memory_gib <= SMALL_GIB:
            return 25 * self.memory_gib
        return min(int(0.1049164697034809 * self.memory_gib * 1024), 5000)

    @property
    def user_connections(self) -> int:
        """What is left when Azure has kept its share."""
        return self.max_connections - RESERVED_CONNECTIONS

    @property
    def shared_buffers_mib(self) -> int:
        """An eighth of a machine of 2 GiB, a quarter of a larger one."""
        return self.memory_gib * (128 if self.memory_gib <= SMALL_GIB else 256)

    @property
    def maintenance_work_mem_kib(self) -> int:
        """82.5 ln(GiB) + 40 MiB; the parameter can be raised to 2 GiB."""
        return math.floor(82.5 * math.log(self.memory_gib) + 40) * 1024


BURSTABLE: Tier = "Burstable"


@dataclass(frozen=True)
class Disk:
    """One size of Premium SSD, in its own performance tier."""

    size_gib: int
    tiers: tuple[str, ...]
    """Performance tiers that it may have; the first is its own, others are bought."""
    max_wal_mib: int
    """``max_wal_size`` of a server made with this disk."""

    @property
    def default_tier(self) -> str:
        """What the size brings."""
        return self.tiers[0]

    @property
    def iops(self) -> int:
        """Of its own tier."""
        return DISK_IOPS[self.default_tier]

    def cheapest_tier(self, iops: int) -> str | None:
        """The first tier that gives ``iops``; None where none does."""
        return next((tier for tier in self.tiers if DISK_IOPS[tier] >= iops), None)


@dataclass(frozen=True)
class Origin:
    """Where a data file comes from."""

    source: str
    dated: date


def read_data(name: str) -> Mapping[str, Any]:
    """Read one file of ``sizing/data``."""
    content: Mapping[str, Any] = yaml.safe_load((DATA / name).read_text(encoding="utf-8"))
    return content


def _skus(data: Mapping[str, Any]) -> dict[str, Sku]:
    banks = {size: Credits(*numbers) for size, numbers in data["credits"].items()}
    return {
        f"Standard_{size}": Sku(f"Standard_{size}", tier, *_numbers(row), banks.get(size))
        for tier, sizes in data["tiers"].items()
        for size, row in sizes.items()
    }


def _numbers(row: list[Any]) -> tuple[int, int, int, float]:
    vcores, memory_gib, iops, throughput_mib = row
    return vcores, memory_gib, iops, throughput_mib


_SKU_DATA, _DISK_DATA = read_data("skus.yaml"), read_data("storage.yaml")

SKUS: dict[str, Sku] = _skus(_SKU_DATA)
"""By Azure's name, ``Standard_`` and the size."""
SKU_ORIGIN = Origin(_SKU_DATA["source"], _SKU_DATA["dated"])
DISK_IOPS: dict[str, int] = {tier: row[0] for tier, row in _DISK_DATA["tiers"].items()}
"""IOPS of each performance tier."""
DISK_THROUGHPUT_MIB: dict[str, int] = {tier: row[1] for tier, row in _DISK_DATA["tiers"].items()}
"""MB a second of each performance tier."""
STORAGE: dict[int, Disk] = {
    size: Disk(size, tuple(tiers), _DISK_DATA["max_wal_mib"][size])
    for size, tiers in _DISK_DATA["sizes_gib"].items()
}
"""By size in GiB, ascending."""
STORAGE_TIERS: dict[int, tuple[str, ...]] = {size: disk.tiers for size, disk in STORAGE.items()}
"""Sizes in GiB and the performance tiers each may have; the first is its default."""
STORAGE_ORIGIN = Origin(_DISK_DATA["source"], _DISK_DATA["dated"])


def disk_of(storage_gib: int) -> Disk:
    """The disk of this size; where Azure sells none, the next smaller, or else the smallest."""
    return STORAGE[max((size for size in STORAGE if size <= storage_gib), default=min(STORAGE))]
