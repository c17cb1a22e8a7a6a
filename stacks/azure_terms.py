"""Settings in Azure's own words: the arguments of the provider's classes.

Translation only; nothing is decided and nothing is declared here.
"""

from pulumi_azure_native import dbforpostgresql as pg

from components.maintenance import MaintenanceWindow
from components.postgres import EntraAdmin
from components.server_parameters import BASELINE, Pooler
from stacks.settings.model import ManagedPostgres, StackSettings

PRODUCT = "engram"


def tags(settings: StackSettings) -> dict[str, str]:
    """Return the labels of every resource."""
    return {
        "product": PRODUCT,
        "environment": settings.environment,
        "owner": settings.tags.owner,
        "cost-centre": settings.tags.cost_centre,
        "data-classification": settings.tags.data_classification,
        "managed-by": "pulumi",
    }


def sku(server: ManagedPostgres) -> pg.SkuArgs:
    """Return name and tier; Azure asks for both, though the name says it all."""
    return pg.SkuArgs(name=server.sku, tier=pg.SkuTier(server.size.tier))


def storage(server: ManagedPostgres) -> pg.StorageArgs:
    """Return the disk."""
    grow = pg.StorageAutoGrow
    return pg.StorageArgs(
        type=pg.StorageType.PREMIUM_LRS,
        storage_size_gb=server.storage.size_gib,
        tier=pg.AzureManagedDiskPerformanceTier(server.storage.tier),
        auto_grow=grow.ENABLED if server.storage.auto_grow else grow.DISABLED,
    )


def backup(server: ManagedPostgres) -> pg.BackupArgs:
    """Return how long backups are kept, and whether in two regions."""
    geo = pg.GeographicallyRedundantBackup
    return pg.BackupArgs(
        backup_retention_days=server.backup.retention_days,
        geo_redundant_backup=geo.ENABLED if server.backup.geo_redundant else geo.DISABLED,
    )


def high_availability(server: ManagedPostgres) -> pg.HighAvailabilityArgs:
    """Return the standby server."""
    standby = server.high_availability
    return pg.HighAvailabilityArgs(
        mode=pg.PostgreSqlFlexibleServerHighAvailabilityMode(standby.mode),
        standby_availability_zone=standby.standby_zone,
    )


def maintenance(server: ManagedPostgres) -> MaintenanceWindow:
    """Return the weekly hour of maintenance."""
    window = server.maintenance
    return MaintenanceWindow(day=window.day, start_hour=window.start_hour)


def entra_admin(server: ManagedPostgres) -> EntraAdmin:
    """Return who administers with a token."""
    admin = server.entra_admin
    return EntraAdmin(object_id=admin.object_id, name=admin.name, type=pg.PrincipalType(admin.type))


def parameters(settings: StackSettings, server: ManagedPostgres) -> dict[str, str]:
    """Return the server parameters, in the order in which they are written."""
    tuned = {name: str(value) for name, value in server.parameters.items()}
    if not server.built_in_pooler:
        return {**BASELINE, **tuned}
    pooler = Pooler(
        default_pool_size=settings.connections.pooler.default_pool_size,
        max_client_connections=settings.connections.pooler.max_client_connections,
        wait_seconds=settings.connections.application.timeout_seconds,
    )
    return {**BASELINE, **tuned, **pooler.parameters()}
