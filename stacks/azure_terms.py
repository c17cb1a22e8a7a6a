"""Settings in Azure's own words: the arguments of the provider's classes.

Translation only; nothing is decided and nothing is declared here.
"""

from pulumi_azure_native import dbforpostgresql as pg

from components.maintenance import MaintenanceWindow
from components.postgres import EntraAdmin
from components.server_parameters import BASELINE, Pooler
from stacks.settings.catalogue import SKUS, STORAGE_TIERS
from stacks.settings.model import ManagedPostgres, StackSettings
from stacks.settings.scale_out import ElasticClusterSettings, ReadReplicaSettings

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
    return _sku(server.sku)


def _sku(name: str) -> pg.SkuArgs:
    return pg.SkuArgs(name=name, tier=pg.SkuTier(SKUS[name].tier))


def storage(server: ManagedPostgres) -> pg.StorageArgs:
    """Return the disk."""
    disk = server.storage
    return _premium(disk.size_gib, disk.tier, auto_grow=disk.auto_grow)


def _premium(size_gib: int, tier: str, *, auto_grow: bool) -> pg.StorageArgs:
    grow = pg.StorageAutoGrow
    return pg.StorageArgs(
        type=pg.StorageType.PREMIUM_LRS,
        storage_size_gb=size_gib,
        tier=pg.AzureManagedDiskPerformanceTier(tier),
        auto_grow=grow.ENABLED if auto_grow else grow.DISABLED,
    )


def backup(server: ManagedPostgres) -> pg.BackupArgs:
    """Return how long backups are kept, and whether in two regions."""
    return _backup(server, geo_redundant=server.backup.geo_redundant)


def _backup(server: ManagedPostgres, *, geo_redundant: bool) -> pg.BackupArgs:
    geo = pg.GeographicallyRedundantBackup
    return pg.BackupArgs(
        backup_retention_days=server.backup.retention_days,
        geo_redundant_backup=geo.ENABLED if geo_redundant else geo.DISABLED,
    )


def high_availability(server: ManagedPostgres) -> pg.HighAvailabilityArgs:
    """Return the standby server; one that is being restored has none until it stands."""
    standby, restore = server.high_availability, server.restore_from
    if restore is not None and not restore.finished:
        return no_standby()
    return pg.HighAvailabilityArgs(
        mode=pg.PostgreSqlFlexibleServerHighAvailabilityMode(standby.mode),
        standby_availability_zone=standby.standby_zone,
    )


def no_standby() -> pg.HighAvailabilityArgs:
    """Return that there is none."""
    return pg.HighAvailabilityArgs(mode=pg.PostgreSqlFlexibleServerHighAvailabilityMode.DISABLED)


def replica_sku(server: ManagedPostgres, replica: ReadReplicaSettings) -> pg.SkuArgs:
    """Return a replica's name and tier: the server's, where it has none of its own."""
    return _sku(replica.sku or server.sku)


def replica_storage(server: ManagedPostgres, replica: ReadReplicaSettings) -> pg.StorageArgs:
    """Return a replica's disk: as the server's, or larger; then in its own performance tier."""
    size = replica.storage_gib
    if size is None or size == server.storage.size_gib:
        return storage(server)
    return _premium(size, STORAGE_TIERS[size][0], auto_grow=server.storage.auto_grow)


def node_sku(cluster: ElasticClusterSettings) -> pg.SkuArgs:
    """Return name and tier of each node."""
    return _sku(cluster.sku)


def node_storage(cluster: ElasticClusterSettings) -> pg.StorageArgs:
    """Return the disk of each node, which grows by nobody's hand."""
    return _premium(cluster.storage.size_gib, cluster.storage.tier, auto_grow=False)


def node_backup(server: ManagedPostgres) -> pg.BackupArgs:
    """Return how long the nodes' backups are kept: in one region, Azure offers no other."""
    return _backup(server, geo_redundant=False)


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
