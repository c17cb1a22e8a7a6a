"""What Azure sells and where: data with its sources, and no opinion of ours.

Sizes and disks are those of ``sizing``, which reads them from its data files.
"""

from dataclasses import dataclass

from sizing.catalogue import SKUS, STORAGE_TIERS, Sku, Tier

__all__ = ["PARAMETERS", "REGIONS", "SKUS", "STORAGE_TIERS", "Region", "Sku", "Tier"]


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
