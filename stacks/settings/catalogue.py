"""What Azure sells and where: data with its sources, and no opinion of ours."""

from dataclasses import dataclass
from typing import Literal

Tier = Literal["Burstable", "GeneralPurpose", "MemoryOptimized"]

RESERVED_CONNECTIONS = 15
"""superuser_reserved_connections 10 + reserved_connections 5, both read-only on Azure.

https://learn.microsoft.com/azure/postgresql/configure-maintain/concepts-limits
"""


@dataclass(frozen=True)
class Sku:
    """One size of Flexible Server."""

    tier: Tier
    vcores: int
    memory_gib: int

    @property
    def max_connections(self) -> int:
        """Azure's default: 25 a GiB up to 2 GiB, then 0.1049164697034809 a MiB, at most 5000.

        https://learn.microsoft.com/azure/postgresql/server-parameters/concepts-server-parameters
        """
        if self.memory_gib <= 2:  # noqa: PLR2004 - the formula's own border, in GiB
            return 25 * self.memory_gib
        return min(int(0.1049164697034809 * self.memory_gib * 1024), 5000)

    @property
    def user_connections(self) -> int:
        """What is left when Azure has kept its share."""
        return self.max_connections - RESERVED_CONNECTIONS


_BURSTABLE = {
    "B1ms": (1, 2),
    "B2s": (2, 4),
    "B2ms": (2, 8),
    "B4ms": (4, 16),
    "B8ms": (8, 32),
    "B12ms": (12, 48),
    "B16ms": (16, 64),
    "B20ms": (20, 80),
}
_GENERAL_PURPOSE_VCORES = (2, 4, 8, 16, 32, 48, 64)
_MEMORY_OPTIMIZED = {2: 16, 4: 32, 8: 64, 16: 128, 20: 160, 32: 256, 48: 384, 64: 432}


def _skus() -> dict[str, Sku]:
    """Spell out the series: D has 4 GiB a vCore, E has 8 (432 at 64 vCores before v5)."""
    skus = {f"Standard_{n}": Sku("Burstable", v, m) for n, (v, m) in _BURSTABLE.items()}
    for series in ("s_v3", "ds_v4", "ds_v5", "ads_v5"):
        wide = (96,) if series.endswith("v5") else ()
        for vcores in (*_GENERAL_PURPOSE_VCORES, *wide):
            skus[f"Standard_D{vcores}{series}"] = Sku("GeneralPurpose", vcores, 4 * vcores)
        for vcores, memory in _MEMORY_OPTIMIZED.items():
            gib = 8 * vcores if series.endswith("v5") else memory
            skus[f"Standard_E{vcores}{series}"] = Sku("MemoryOptimized", vcores, gib)
    return skus


SKUS: dict[str, Sku] = _skus()
"""By Azure's name, ``Standard_`` and the size.

https://learn.microsoft.com/azure/postgresql/compute-storage/concepts-compute (January 2026)
"""

STORAGE_TIERS: dict[int, tuple[str, ...]] = {
    32: ("P4", "P6", "P10", "P15", "P20", "P30", "P40", "P50"),
    64: ("P6", "P10", "P15", "P20", "P30", "P40", "P50"),
    128: ("P10", "P15", "P20", "P30", "P40", "P50"),
    256: ("P15", "P20", "P30", "P40", "P50"),
    512: ("P20", "P30", "P40", "P50"),
    1024: ("P30", "P40", "P50"),
    2048: ("P40", "P50"),
    4095: ("P50",),
    4096: ("P50",),
    8192: ("P60", "P70", "P80"),
    16384: ("P70", "P80"),
    32767: ("P80",),
}
"""Sizes of Premium SSD in GiB, and the performance tiers each may have; the first is its default.

Validators of hashicorp/terraform-provider-azurerm, internal/services/postgres/validate.
"""


@dataclass(frozen=True)
class Region:
    """What a region of the public cloud offers to a Flexible Server."""

    zones: bool
    pair: str | None = None
    """Where geo-redundant backups go; none where the region stands alone."""
    geo_backup: bool = True

    @property
    def geo_backup_region(self) -> str | None:
        """The paired region, where Azure offers geo-redundant backup there."""
        return self.pair if self.geo_backup else None


REGIONS: dict[str, Region] = {
    "australiacentral": Region(zones=False, pair="australiacentral2"),
    "australiacentral2": Region(zones=False, pair="australiacentral", geo_backup=False),
    "australiaeast": Region(zones=True, pair="australiasoutheast"),
    "australiasoutheast": Region(zones=False, pair="australiaeast"),
    "austriaeast": Region(zones=True),
    "belgiumcentral": Region(zones=True),
    "brazilsouth": Region(zones=True, pair="southcentralus"),
    "brazilsoutheast": Region(zones=False, pair="brazilsouth", geo_backup=False),
    "canadacentral": Region(zones=True, pair="canadaeast"),
    "canadaeast": Region(zones=False, pair="canadacentral"),
    "centralindia": Region(zones=True, pair="southindia"),
    "centralus": Region(zones=True, pair="eastus2"),
    "chilecentral": Region(zones=True),
    "eastasia": Region(zones=True, pair="southeastasia"),
    "eastus": Region(zones=True, pair="westus"),
    "eastus2": Region(zones=True, pair="centralus"),
    "francecentral": Region(zones=True, pair="francesouth"),
    "francesouth": Region(zones=False, pair="francecentral"),
    "germanynorth": Region(zones=False, pair="germanywestcentral"),
    "germanywestcentral": Region(zones=True, pair="germanynorth"),
    "indonesiacentral": Region(zones=True),
    "israelcentral": Region(zones=True),
    "italynorth": Region(zones=True),
    "japaneast": Region(zones=True, pair="japanwest"),
    "japanwest": Region(zones=False, pair="japaneast"),
    "koreacentral": Region(zones=True, pair="koreasouth"),
    "koreasouth": Region(zones=False, pair="koreacentral"),
    "mexicocentral": Region(zones=True),
    "newzealandnorth": Region(zones=True),
    "northcentralus": Region(zones=False, pair="southcentralus"),
    "northeurope": Region(zones=True, pair="westeurope"),
    "norwayeast": Region(zones=True, pair="norwaywest"),
    "norwaywest": Region(zones=False, pair="norwayeast"),
    "polandcentral": Region(zones=True),
    "qatarcentral": Region(zones=True),
    "southafricanorth": Region(zones=True, pair="southafricawest"),
    "southafricawest": Region(zones=False, pair="southafricanorth"),
    "southcentralus": Region(zones=True, pair="northcentralus"),
    "southeastasia": Region(zones=True, pair="eastasia"),
    "southindia": Region(zones=False, pair="centralindia"),
    "spaincentral": Region(zones=True),
    "swedencentral": Region(zones=True, pair="swedensouth"),
    "swedensouth": Region(zones=False, pair="swedencentral"),
    "switzerlandnorth": Region(zones=True, pair="switzerlandwest"),
    "switzerlandwest": Region(zones=False, pair="switzerlandnorth"),
    "uaecentral": Region(zones=False, pair="uaenorth"),
    "uaenorth": Region(zones=True, pair="uaecentral"),
    "uksouth": Region(zones=True, pair="ukwest"),
    "ukwest": Region(zones=False, pair="uksouth"),
    "westcentralus": Region(zones=False, pair="westus2"),
    "westeurope": Region(zones=True, pair="northeurope"),
    "westindia": Region(zones=False, pair="southindia"),
    "westus": Region(zones=False, pair="eastus"),
    "westus2": Region(zones=True, pair="westcentralus"),
    "westus3": Region(zones=True, pair="eastus", geo_backup=False),
}
"""The public cloud; where both pages speak, the database's own page wins.

https://learn.microsoft.com/azure/reliability/regions-list (2025)
https://learn.microsoft.com/azure/postgresql/overview, «Azure regions»
"""

PARAMETERS: dict[str, tuple[int, int]] = {
    "autovacuum_analyze_threshold": (0, 2_147_483_647),
    "autovacuum_max_workers": (1, 262_143),
    "autovacuum_naptime": (1, 2_147_483),
    "autovacuum_vacuum_cost_delay": (-1, 100),
    "autovacuum_vacuum_cost_limit": (-1, 10_000),
    "autovacuum_vacuum_threshold": (0, 2_147_483_647),
    "autovacuum_work_mem": (-1, 2_097_151),
    "log_autovacuum_min_duration": (-1, 2_147_483_647),
    "log_min_duration_statement": (-1, 2_147_483_647),
    "log_temp_files": (-1, 2_147_483_647),
    "maintenance_work_mem": (1024, 2_097_151),
    "max_parallel_maintenance_workers": (0, 64),
    "work_mem": (4096, 2_097_151),
}
"""Server parameters that an environment may tune, with Azure's bounds; sizes are in KiB.

articles/postgresql/server-parameters/includes/param-18-*.md of MicrosoftDocs/azure-databases-docs
"""
