"""What Azure sells as a Flexible Server: compute sizes and disks.

Sources: learn.microsoft.com/azure/postgresql/compute-storage/concepts-compute (2026-01),
the storage tables of terraform-provider-azurerm.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Sku:
    """One compute size."""

    name: str
    tier: str
    vcores: int
    memory_gib: int


BURSTABLE = {
    "B1ms": (1, 2),
    "B2s": (2, 4),
    "B2ms": (2, 8),
    "B4ms": (4, 16),
    "B8ms": (8, 32),
    "B12ms": (12, 48),
    "B16ms": (16, 64),
    "B20ms": (20, 80),
}
TIERS = {"D": "GeneralPurpose", "E": "MemoryOptimized"}
MEMORY_PER_VCORE_GIB = {"D": 4, "E": 8}
SIZES = frozenset({2, 4, 8, 16, 20, 32, 48, 64, 96, 128, 192})
LARGEST_BY_GENERATION = {
    "s_v3": 64,
    "ds_v4": 64,
    "ds_v5": 96,
    "ads_v5": 96,
    "ds_v6": 192,
    "ads_v6": 192,
}
UNEVEN_MEMORY_GIB = {"E64s_v3": 432, "E64ds_v4": 432, "E96ds_v5": 672, "E96ads_v5": 672}
SIZE = re.compile(r"(?P<family>[DE])(?P<vcores>\d+)(?P<generation>a?d?s_v\d)")


def find_sku(name: str) -> Sku | None:
    """Return the compute size of a SKU name such as ``Standard_D4s_v3``."""
    size = name.removeprefix("Standard_")
    if size == name:
        return None
    if size in BURSTABLE:
        return Sku(name, "Burstable", *BURSTABLE[size])
    match = SIZE.fullmatch(size)
    if match is None:
        return None
    family, vcores = match["family"], int(match["vcores"])
    if vcores not in SIZES or vcores > LARGEST_BY_GENERATION.get(match["generation"], 0):
        return None
    if family == "D" and vcores == 20:  # noqa: PLR2004 - E20 exists, D20 does not
        return None
    memory = UNEVEN_MEMORY_GIB.get(size, vcores * MEMORY_PER_VCORE_GIB[family])
    return Sku(name, TIERS[family], vcores, memory)


DISK_TIERS = {
    32: "P4",
    64: "P6",
    128: "P10",
    256: "P15",
    512: "P20",
    1024: "P30",
    2048: "P40",
    4095: "P50",
    4096: "P50",
    8192: "P60",
    16384: "P70",
    32767: "P80",
}
"""Premium SSD: the sizes in GiB, and the performance tier each has unless asked otherwise."""
DISK_IOPS = {
    "P4": 120,
    "P6": 240,
    "P10": 500,
    "P15": 1100,
    "P20": 2300,
    "P30": 5000,
    "P40": 7500,
    "P50": 7500,
    "P60": 16000,
    "P70": 18000,
    "P80": 20000,
}


def allowed_disk_tiers(size_gib: int) -> tuple[str, ...]:
    """Return the performance tiers of a disk; none below its own, none across 4096 GiB."""
    tiers = list(DISK_IOPS)
    largest = "P50" if size_gib <= 4096 else "P80"  # noqa: PLR2004 - where Azure's disks change
    return tuple(tiers[tiers.index(DISK_TIERS[size_gib]) : tiers.index(largest) + 1])
