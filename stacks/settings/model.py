"""The shape of a stack file: every key under ``engram:settings``, with its unit and its bounds.

Rules that need more than one key are in ``rules``; this module knows one value at a time.
"""

from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import Field

from memory.schema.model import Candidates, Links, Lists, VectorType
from stacks.settings.base import Settings
from stacks.settings.catalogue import REGIONS, SKUS, Sku
from stacks.settings.cluster import ClusterSettings, ImageSettings
from stacks.settings.cluster_types import Cidrs, EgressCidrs
from stacks.settings.demand import WorkloadSettings
from stacks.settings.isolation import IsolationSettings
from stacks.settings.restore import RestoreSettings
from stacks.settings.scale_out import ElasticClusterSettings, ReadReplicas
from stacks.settings.types import (
    Cidr,
    Count,
    DatabaseName,
    Emails,
    FilePath,
    Fraction,
    Guid,
    HostName,
    Login,
    Parameters,
    Port,
    Positive,
    PostgresZoneId,
    RegionName,
    SkuName,
    StorageGib,
    SubnetId,
    TagText,
    VaultZoneId,
)
from stacks.settings.upkeep import FieldEncryptionSettings, RetentionSettings
from stacks.settings.vault import ExistingKeyVault, KeyVaultSettings, PasswordSettings
from stacks.settings.workloads import ModelSettings, WorkloadsSettings

Environment = Literal["dev", "test", "uat", "prod"]


class AzureSettings(Settings):
    """The provider's own keys (``azure-native:…``): where, and on whose account."""

    location: RegionName
    subscription_id: Guid
    tenant_id: Guid

    @property
    def geo_location(self) -> str | None:
        """The paired region, where backups may go; none where there is none."""
        return REGIONS[self.location].geo_backup_region


class TagSettings(Settings):
    """What the owner of the bill and the auditor ask of every resource."""

    owner: TagText
    cost_centre: TagText
    data_classification: Literal["public", "internal", "confidential", "restricted"]


class ManagedNetwork(Settings):
    """A network of the stack; environments never overlap, so they can be peered.

    Nobody is inside a new network: the first deployment ends at the schema until the machine
    reaches the database's private endpoint.
    """

    kind: Literal["managed"]
    address_space: Cidr
    endpoints_subnet: Cidr
    """Private endpoints; Azure keeps 5 addresses of it."""
    nodes_subnet: Cidr | None = None
    """Nodes of a cluster of the stack, an address each; pods have addresses of their own."""
    peered_spaces: Cidrs = ()
    """What the network is, or will be, connected to: other environments, the customer's premises.

    Neither the network nor the cluster's own ranges may overlap them.
    """


class PrivateZones(Settings):
    """Zones of the customer's hub, linked to the networks that must resolve our names."""

    postgres: PostgresZoneId | None = None
    """Where PostgreSQL is managed."""
    key_vault: VaultZoneId | None = None
    """Where the vault is managed."""


class ExistingNetwork(Settings):
    """The customer's network and zones: only private endpoints and their records are made."""

    kind: Literal["existing"]
    endpoints_subnet_id: SubnetId
    """In the stack's region.  Its security group is the customer's."""
    endpoints_subnet: Cidr | None = None
    """Its range: pods may reach a database of the stack there, and nowhere else."""
    nodes_subnet_id: SubnetId | None = None
    """Nodes of a cluster of the stack.  Routes and security group are the customer's."""
    peered_spaces: Cidrs = ()
    """Ranges that are reached from it, its own address space included."""
    private_dns_zone_ids: PrivateZones


NetworkSettings = Annotated[ManagedNetwork | ExistingNetwork, Field(discriminator="kind")]


class StorageSettings(Settings):
    """The server's disk.  It never shrinks.

    While `auto_grow` is on, size and tier take effect only as the server is made: later they are
    Azure's, and `python tools/resize.py` changes them.
    """

    size_gib: StorageGib
    tier: Literal["P4", "P6", "P10", "P15", "P20", "P30", "P40", "P50", "P60", "P70", "P80"]
    """Performance tier: IOPS may be bought above what the size brings."""
    auto_grow: bool
    """Azure doubles the disk before it is full; the size here is then only the first one."""


class BackupSettings(Settings):
    """How far back the database can be restored, and from where."""

    retention_days: Annotated[int, Field(ge=7, le=35)]
    geo_redundant: bool
    """A copy in the paired region, encrypted with a key there; fixed when the server is made."""


class AvailabilitySettings(Settings):
    """Standby server, in Azure's words."""

    mode: Literal["Disabled", "SameZone", "ZoneRedundant"]
    zone: Literal["1", "2", "3"]
    standby_zone: Literal["1", "2", "3"] | None = None


class MaintenanceSettings(Settings):
    """The weekly hour (UTC) in which Azure may restart the server."""

    day: Literal["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
    start_hour: Annotated[int, Field(ge=0, le=23)]


class EntraAdminSettings(Settings):
    """Who administers the database with an Entra token: a group, so that people may change."""

    object_id: Guid
    name: TagText
    type: Literal["group", "servicePrincipal", "user"]


class ManagedPostgres(Settings):
    """A Flexible Server of the stack."""

    kind: Literal["managed"]
    version: Literal[16, 17, 18]
    sku: SkuName
    storage: StorageSettings
    backup: BackupSettings
    high_availability: AvailabilitySettings
    maintenance: MaintenanceSettings
    admin_login: Login
    entra_admin: EntraAdminSettings
    built_in_pooler: bool
    """Azure's PgBouncer on port 6432 of the server; no Burstable server has one."""
    parameters: Parameters = Field(default_factory=dict)
    """Server parameters beyond the baseline of the component; sizes are in KiB."""
    read_replicas: ReadReplicas = ()
    elastic_cluster: ElasticClusterSettings | None = None
    restore_from: RestoreSettings | None = None

    @property
    def size(self) -> Sku:
        """What the SKU's name stands for."""
        return SKUS[self.sku]


class ExistingPostgres(Settings):
    """The customer's server, on their premises or in another cloud.

    Its owner prepares: PostgreSQL 16 or newer; the databases ``memory.database`` and ``zep``, both
    owned by ``admin_login``, which may create roles; in both the extension vector, and in the
    first also pg_stat_statements, unless ``admin_login`` may create them itself.  Where pgaudit is
    loaded, the same holds for it.

    The password of ``admin_login`` is the secret ``engram:postgresAdminPassword``.
    """

    kind: Literal["existing"]
    host: HostName
    port: Port
    ca_file: FilePath
    """The CA of the server's certificate: TLS is verified in full, or not used at all."""
    cidrs: EgressCidrs
    """Where ``host`` answers; the network policy opens its port to no other address."""
    admin_login: Login
    user_connections: Positive
    """How many connections that server leaves to us."""
    azure_extension_gate: bool = False
    """A Flexible Server, where only members of azure_pg_admin may say CREATE EXTENSION.

    Zep says it at every start, so its login becomes a member in name, without the rights.
    """


PostgresSettings = Annotated[ManagedPostgres | ExistingPostgres, Field(discriminator="kind")]


class ApplicationPoolSettings(Settings):
    """The pool inside each replica of the memory service."""

    replicas: Positive
    pool_size: Positive
    max_overflow: Count
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)]
    """How long a request may wait for a connection, here and in the pooler."""


class PoolerSettings(Settings):
    """PgBouncer: Azure's beside the server, and what the server keeps free for Zep's own."""

    max_client_connections: Annotated[int, Field(ge=1, le=50_000)]
    default_pool_size: Annotated[int, Field(ge=1, le=4_950)]
    """Connections to the server for each pair of login and database."""
    reserve_pool_size: Count
    """Beyond them for Zep under pressure; Azure's PgBouncer has no such setting."""


class ConnectionSettings(Settings):
    """Who opens how many connections; the sum must fit the server."""

    application: ApplicationPoolSettings
    pooler: PoolerSettings


class HnswSettings(Settings):
    """A graph: slow to build, quick and precise to ask.  https://github.com/pgvector/pgvector"""

    method: Literal["hnsw"]
    m: Links
    ef_construction: Candidates
    ef_search: Annotated[int, Field(ge=1, le=1000)]


class IvfflatSettings(Settings):
    """Lists around centroids: quick to build, to be rebuilt as the data changes.  For dev only."""

    method: Literal["ivfflat"]
    lists: Lists
    probes: Lists


IndexSettings = Annotated[HnswSettings | IvfflatSettings, Field(discriminator="method")]


class AutovacuumSettings(Settings):
    """Options of the memory table: dead rows slow a vector index before they slow anything else."""

    vacuum_scale_factor: Fraction
    analyze_scale_factor: Fraction
    vacuum_cost_delay_ms: Annotated[int, Field(ge=0, le=100)]


class MemorySettings(Settings):
    """The memory table.  Its dimension is fixed as soon as a row is in it."""

    database: DatabaseName
    dimensions: int
    """Length of an embedding; 1536 is that of OpenAI's text-embedding-3-small."""
    element_type: VectorType
    """4 or 2 bytes an element."""
    isolation: IsolationSettings
    index: IndexSettings
    autovacuum: AutovacuumSettings


class AlertSettings(Settings):
    """Whom Azure tells when a server or a vault does not answer, or fills up."""

    emails: Emails
    """A group's address rather than a person's."""


class StackSettings(Settings):
    """Everything that makes one environment differ from another."""

    environment: Environment
    azure: AzureSettings
    protected: bool
    """Neither Pulumi nor Azure deletes what holds data or keys."""
    log_retention_days: Annotated[int, Field(ge=30, le=730)]
    grant_wait_seconds: Annotated[int, Field(ge=0, le=1800)]
    """How long a role assignment takes to reach every part of Azure; minutes, by experience."""
    alerts: AlertSettings
    tags: TagSettings
    workload: WorkloadSettings
    network: NetworkSettings
    key_vault: KeyVaultSettings
    passwords: PasswordSettings
    postgres: PostgresSettings
    connections: ConnectionSettings
    memory: MemorySettings
    field_encryption: FieldEncryptionSettings
    retention: RetentionSettings
    cluster: ClusterSettings
    images: ImageSettings
    workloads: WorkloadsSettings
    model: ModelSettings

    @property
    def nodes(self) -> ElasticClusterSettings | None:
        """What holds the memory table, where the server does not."""
        return self.postgres.elastic_cluster if isinstance(self.postgres, ManagedPostgres) else None

    @property
    def postgres_cidrs(self) -> tuple[IPv4Network, ...]:
        """Where pods find the database: the customer's addresses, or the endpoints' subnet."""
        if isinstance(self.postgres, ExistingPostgres):
            return self.postgres.cidrs
        return self._endpoints

    @property
    def vault_cidrs(self) -> tuple[IPv4Network, ...]:
        """Where pods find the vault; as the database."""
        if isinstance(self.key_vault, ExistingKeyVault):
            return self.key_vault.cidrs or ()
        return self._endpoints

    @property
    def _endpoints(self) -> tuple[IPv4Network, ...]:
        subnet = self.network.endpoints_subnet
        return () if subnet is None else (subnet,)
