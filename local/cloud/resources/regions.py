"""Which regions of the public cloud are divided into availability zones.

https://learn.microsoft.com/azure/reliability/regions-list
"""

ZONED = frozenset(
    {
        "australiaeast",
        "austriaeast",
        "belgiumcentral",
        "brazilsouth",
        "canadacentral",
        "centralindia",
        "centralus",
        "chilecentral",
        "eastasia",
        "eastus",
        "eastus2",
        "francecentral",
        "germanywestcentral",
        "indonesiacentral",
        "israelcentral",
        "italynorth",
        "japaneast",
        "koreacentral",
        "mexicocentral",
        "newzealandnorth",
        "northeurope",
        "norwayeast",
        "polandcentral",
        "qatarcentral",
        "southafricanorth",
        "southcentralus",
        "southeastasia",
        "spaincentral",
        "swedencentral",
        "switzerlandnorth",
        "uaenorth",
        "uksouth",
        "westeurope",
        "westus2",
        "westus3",
    }
)
ZONES = ("1", "2", "3")


def region_of(location: str) -> str:
    """Return a region's short name; case and spaces mean nothing to Azure."""
    return location.lower().replace(" ", "")


def zones_of(region: str) -> tuple[str, ...]:
    """Return the zones of a region; a region without zones has none."""
    return ZONES if region_of(region) in ZONED else ()
