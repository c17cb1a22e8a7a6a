"""Settings in the words of the cluster's components: sizes, bounds, addresses, who may sign on.

Translation only; nothing is decided and nothing is declared here.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network
from pathlib import Path
from urllib.parse import urlsplit

import pulumi
from pulumi_azure_native import containerservice as aks

from components.capacity import Share
from components.cluster_profiles import ClusterAccess, ClusterNetwork, ClusterUpgrades
from components.gateway_access import Role, SignOn
from components.graphiti import ChatModel
from components.key_vault import KeyReference, VaultReference
from components.memory_access import Database, EncryptedFields, Isolation, MemoryTable
from components.memory_operations import Retention
from components.memory_service import EmbeddingModel
from components.node_pools import Machine, MemoryPool, SystemPool
from components.pooler import Login, Pool, PoolerArgs
from components.secret_shelf import VaultSecret
from components.traffic import Address, Addresses
from components.trust import certificates
from components.workloads import Scale, Size
from stacks.settings.capacity import JOB_PODS
from stacks.settings.cluster import (
    ExistingCluster,
    ManagedCluster,
    MemoryPoolSettings,
    SystemPoolSettings,
)
from stacks.settings.model import HnswSettings, IvfflatSettings, ManagedPostgres, StackSettings
from stacks.settings.workloads import (
    ContainerSettings,
    ExistingGraphStore,
    ManagedGraphStore,
    SignOnSettings,
)

BOLT_PORT = 7687
HTTPS_PORT = 443


def size(settings: ContainerSettings) -> Size:
    """Return what a container gets."""
    return Size(cpu=settings.cpu_quantity, memory=settings.memory_quantity)


def zep_scale(s: StackSettings) -> Scale:
    """Return how many pods of Zep there are."""
    return Scale(minimum=s.workloads.zep.replicas, maximum=s.workloads.zep.max_replicas)


def memory_scale(s: StackSettings) -> Scale:
    """Return how many pods of the memory service there are."""
    least = s.connections.application.replicas
    return Scale(minimum=least, maximum=s.workloads.memory_service.max_replicas)


def gateway_scale(s: StackSettings) -> Scale:
    """Return how many pods of the gateway there are."""
    return Scale(minimum=s.workloads.gateway.replicas, maximum=s.workloads.gateway.max_replicas)


def shares(s: StackSettings) -> list[Share]:
    """Return what each workload takes of the namespace."""
    w = s.workloads
    graphiti = Scale(minimum=w.graphiti.replicas, maximum=w.graphiti.replicas)
    pods = [
        Share(scale=zep_scale(s), containers=[size(w.zep), size(w.zep.pooler)]),
        Share(scale=memory_scale(s), containers=[size(w.memory_service)]),
        Share(scale=Scale(minimum=0, maximum=JOB_PODS), containers=[size(w.memory_operations)]),
        Share(scale=graphiti, containers=[size(w.graphiti)]),
        Share(scale=gateway_scale(s), containers=[size(w.gateway)]),
    ]
    if isinstance(w.graph_store, ManagedGraphStore):
        one = Scale(minimum=1, maximum=1)
        disk = w.graph_store.storage_gib
        pods.append(Share(scale=one, containers=[size(w.graph_store)], volume_gib=disk))
    return pods


def addresses(s: StackSettings, database_port: int) -> Addresses:
    """Return where everything outside of the cluster answers."""
    database = Address(cidrs=tuple(map(str, s.postgres_cidrs)), port=database_port)
    sign_on = s.workloads.gateway.sign_on
    return Addresses(
        zep_database=database,
        memory_database=database,
        model=_address(s.model.endpoint, s.model.cidrs, HTTPS_PORT),
        issuer=_address(sign_on.keys_url, sign_on.cidrs, HTTPS_PORT) if sign_on else None,
        vault=_https(s.vault_cidrs) if s.field_encryption.enabled else None,
        entra=_https(s.field_encryption.entra_cidrs) if s.field_encryption.enabled else None,
        graph_store=_graph_store(s.workloads.graph_store),
        dns_cidrs=(
            tuple(map(str, s.cluster.dns_cidrs)) if isinstance(s.cluster, ExistingCluster) else ()
        ),
    )


def _graph_store(store: ManagedGraphStore | ExistingGraphStore) -> Address | None:
    if isinstance(store, ManagedGraphStore):
        return None
    return _address(store.uri, store.cidrs, BOLT_PORT)


def _https(cidrs: Iterable[IPv4Network]) -> Address:
    return Address(cidrs=tuple(map(str, cidrs)), port=HTTPS_PORT)


def _address(url: str, cidrs: Iterable[IPv4Network], usual_port: int) -> Address:
    """Return where a URL leads to; its name is resolved by whoever calls it."""
    return Address(cidrs=tuple(map(str, cidrs)), port=urlsplit(url).port or usual_port)


def authority(ca_file: str | None) -> str | None:
    """Return the PEM of a file; none is named where the public authorities will do."""
    return None if ca_file is None else "".join(certificates(Path(ca_file)))


def disks_in_every_zone(s: StackSettings) -> bool:
    """Tell whether a pod may follow its disk into another zone; of an existing cluster: no."""
    return isinstance(s.cluster, ManagedCluster) and len(s.cluster.memory_pool.zones) > 1


def cluster_network(cluster: ManagedCluster, nodes_subnet_id: pulumi.Input[str]) -> ClusterNetwork:
    """Return the cluster's addresses."""
    return ClusterNetwork(
        nodes_subnet_id=nodes_subnet_id,
        pod_cidr=str(cluster.pod_cidr),
        service_cidr=str(cluster.service_cidr),
        dns_service_ip=str(cluster.dns_service_ip),
    )


def cluster_access(s: StackSettings, cluster: ManagedCluster) -> ClusterAccess:
    """Return who reaches the API server."""
    return ClusterAccess(
        tenant_id=s.azure.tenant_id,
        admin_group_ids=cluster.admin_group_ids,
        local_accounts=cluster.local_accounts,
        authorized_ip_ranges=tuple(map(str, cluster.authorized_ip_ranges)),
    )


def cluster_upgrades(cluster: ManagedCluster) -> ClusterUpgrades:
    """Return what Azure brings in by itself."""
    return ClusterUpgrades(
        kubernetes=aks.UpgradeChannel(cluster.upgrade_channel),
        node_os=aks.NodeOSUpgradeChannel(cluster.node_os_upgrade_channel),
    )


def system_pool(cluster: ManagedCluster) -> SystemPool:
    """Return the nodes of the cluster's own pods."""
    return SystemPool(machine=_machine(cluster.system_pool), count=cluster.system_pool.count)


def memory_pool(cluster: ManagedCluster) -> MemoryPool:
    """Return the nodes of the workloads."""
    pool = cluster.memory_pool
    return MemoryPool(machine=_machine(pool), min_count=pool.min_count, max_count=pool.max_count)


def _machine(pool: SystemPoolSettings | MemoryPoolSettings) -> Machine:
    return Machine(vm_size=pool.vm_size, local_disk_gib=pool.size.local_disk_gib, zones=pool.zones)


def pooler(s: StackSettings, image: str) -> PoolerArgs:
    """Return the PgBouncer in each of Zep's pods."""
    settings = s.connections.pooler
    pool = Pool(
        max_client_connections=settings.max_client_connections,
        size=settings.default_pool_size,
        reserve=settings.reserve_pool_size,
        wait_seconds=s.connections.application.timeout_seconds,
    )
    return PoolerArgs(image=image, pool=pool, size=size(s.workloads.zep.pooler))


def zep_login(database: str, user: str) -> Login:
    """Return who Zep is to PostgreSQL."""
    return Login(database=database, user=user)


def memory_database(s: StackSettings, host: pulumi.Input[str], port: int, login: str) -> Database:
    """Return the memory service's way to its table."""
    application = s.connections.application
    return Database(
        host=host,
        port=port,
        name=s.memory.database,
        login=login,
        pool_size=application.pool_size,
        max_overflow=application.max_overflow,
        timeout_seconds=application.timeout_seconds,
    )


def memory_table(s: StackSettings, table: str) -> MemoryTable:
    """Return what the memory service searches, and how thoroughly."""
    index = s.memory.index
    return MemoryTable(
        table=table,
        dimensions=s.memory.dimensions,
        isolation=_isolation(s),
        element_type=s.memory.element_type,
        index=index.model_dump(exclude={"ef_search", "probes"}),
        ef_search=index.ef_search if isinstance(index, HnswSettings) else None,
        probes=index.probes if isinstance(index, IvfflatSettings) else None,
    )


def _isolation(s: StackSettings) -> Isolation:
    isolation = s.memory.isolation
    return Isolation(kind=isolation.kind, tenants=isolation.tenants)


def encrypted_fields(
    s: StackSettings, vault: VaultReference, key: KeyReference | None, keys: VaultSecret | None
) -> EncryptedFields | None:
    """Return which fields are encrypted, and where their keys are; None where none is."""
    if key is None or keys is None:
        return None
    names = pulumi.Output.all(vault.uri, keys.name)
    return EncryptedFields(
        fields=s.field_encryption.fields,
        blind_indexes=s.field_encryption.blind_indexes,
        key_uri=key.uri,
        secret_uri=names.apply(lambda known: f"{known[0]}secrets/{known[1]}"),
    )


def retention(s: StackSettings) -> Retention:
    """Return when memories end by themselves."""
    return Retention(
        days_by_type=s.retention.days_by_type,
        days_by_tag=s.retention.sensitivity_days,
        schedule=s.retention.schedule,
    )


def backup_retention_days(s: StackSettings) -> int | None:
    """Return how long backups hold what is deleted; of an existing server its owner knows."""
    return s.postgres.backup.retention_days if isinstance(s.postgres, ManagedPostgres) else None


def embedding_model(s: StackSettings) -> EmbeddingModel:
    """Return the model that makes the table's vectors."""
    model = s.model
    return EmbeddingModel(
        endpoint=model.endpoint, name=model.embedding_model, authority=authority(model.ca_file)
    )


def chat_model(s: StackSettings) -> ChatModel:
    """Return the model that finds facts."""
    model = s.model
    return ChatModel(
        endpoint=model.endpoint, name=model.chat_model, authority=authority(model.ca_file)
    )


def sign_on(settings: SignOnSettings | None) -> SignOn | None:
    """Return whose tokens the gateway takes."""
    if settings is None:
        return None
    keys = urlsplit(settings.keys_url)
    return SignOn(
        issuer=settings.issuer,
        audiences=[settings.audience],
        jwks_host=keys.hostname or "",
        jwks_path=keys.path,
        jwks_port=keys.port or HTTPS_PORT,
        tenant_claim=settings.tenant_claim,
        roles={Role(allowed): name for name, allowed in settings.roles.items()},
        roles_claim=[settings.roles_claim],
        issuer_ca=authority(settings.ca_file),
    )
