"""What Azure demands of replicas and of an elastic cluster, across their keys.

https://learn.microsoft.com/azure/postgresql/read-replica/concepts-read-replicas
https://learn.microsoft.com/azure/postgresql/elastic-clusters/concepts-elastic-clusters-limitations
"""

from collections import Counter
from collections.abc import Iterator

from stacks.settings.budget import JOBS, OPERATORS, application_connections
from stacks.settings.catalogue import REGIONS, SKUS, STORAGE_TIERS
from stacks.settings.mistakes import Mistake
from stacks.settings.model import ManagedPostgres, StackSettings
from stacks.settings.rules.server import for_a_managed_server
from stacks.settings.scale_out import ReadReplicaSettings

REPLICAS = "postgres.read_replicas"
NODES = "postgres.elastic_cluster"


def _numbered(server: ManagedPostgres) -> Iterator[tuple[str, ReadReplicaSettings]]:
    """Yield each replica with its path in the stack file."""
    for number, replica in enumerate(server.read_replicas):
        yield f"{REPLICAS}.{number}", replica


@for_a_managed_server
def burstable_is_not_followed(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """«Read replica is not supported for the Burstable pricing tier» (Azure CLI's words)."""
    if server.read_replicas and server.size.tier == "Burstable":
        yield Mistake(
            REPLICAS,
            f"{len(server.read_replicas)} of a {server.sku}",
            "none of a Burstable server",
            "choose a D or E series SKU for the server, or remove the replicas",
        )


@for_a_managed_server
def replicas_are_told_apart(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """A replica's name becomes its server's."""
    for name, times in Counter(replica.name for replica in server.read_replicas).items():
        if times > 1:
            yield Mistake(REPLICAS, f"{name!r} {times} times", "each name once", "rename one")


@for_a_managed_server
def a_replica_keeps_up(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """The server's compute is at all times equal to or smaller than that of each replica."""
    for path, replica in _numbered(server):
        if replica.sku is None:
            continue
        size, needed = SKUS[replica.sku], server.size
        weaker = size.vcores < needed.vcores or size.memory_gib < needed.memory_gib
        if size.tier == "Burstable" or weaker:
            yield Mistake(
                f"{path}.sku",
                f"{replica.sku!r} behind a {server.sku}",
                f"{needed.vcores} vCores and {needed.memory_gib} GiB or more, and not Burstable",
                f"remove it, and the replica is a {server.sku} too",
            )


@for_a_managed_server
def a_replica_has_the_room(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """The server's disk is at all times equal to or smaller than that of each replica."""
    for path, replica in _numbered(server):
        if replica.storage_gib is not None and replica.storage_gib < server.storage.size_gib:
            yield Mistake(
                f"{path}.storage_gib",
                f"{replica.storage_gib} behind a disk of {server.storage.size_gib} GiB",
                f"{server.storage.size_gib} or more",
                "remove it, and the replica's disk is as large as the server's",
            )


@for_a_managed_server
def a_replicas_zone_exists(s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """Zones are not in every region."""
    for path, replica in _numbered(server):
        if replica.zone is not None and not REGIONS[s.azure.location].zones:
            yield Mistake(
                f"{path}.zone",
                f"{replica.zone!r} in {s.azure.location}",
                "no zone in a region without zones",
                "remove it",
            )


@for_a_managed_server
def replicas_hold_what_is_read(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """With the memory table on nodes, a replica of the server would be asked for nothing."""
    if server.read_replicas and server.elastic_cluster:
        yield Mistake(
            REPLICAS,
            f"{len(server.read_replicas)} beside elastic_cluster",
            "one of the two: the memory table is on the nodes then",
            "remove read_replicas, or elastic_cluster",
        )


@for_a_managed_server
def nodes_do_not_burst(_s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """A search asks every node; it waits for the one that has spent its CPU credits.

    Our rule: Azure sells them (Azure/azure-cli#33208).
    """
    cluster = server.elastic_cluster
    if cluster and cluster.size.tier == "Burstable":
        yield Mistake(
            f"{NODES}.sku",
            repr(cluster.sku),
            "a D or E series SKU",
            "choose e.g. Standard_D4ds_v5",
        )


@for_a_managed_server
def performance_tier_fits_the_nodes(
    _s: StackSettings, server: ManagedPostgres
) -> Iterator[Mistake]:
    """Each size of Premium SSD has a range of performance tiers."""
    if server.elastic_cluster is None:
        return
    disk = server.elastic_cluster.storage
    tiers = STORAGE_TIERS[disk.size_gib]
    if disk.tier not in tiers:
        yield Mistake(
            f"{NODES}.storage.tier",
            f"{disk.tier!r} with {disk.size_gib} GiB",
            ", ".join(tiers),
            f"choose {tiers[0]}, the tier that the size brings",
        )


@for_a_managed_server
def connections_fit_the_nodes(s: StackSettings, server: ManagedPostgres) -> Iterator[Mistake]:
    """A client may need a connection to every node, so each node leaves it only a share."""
    cluster = server.elastic_cluster
    if cluster is None:
        return
    needed = application_connections(s) + JOBS + OPERATORS
    if needed > cluster.user_connections:
        yield Mistake(
            "connections.application",
            f"{needed} to {cluster.nodes} nodes of {cluster.sku}",
            f"{cluster.user_connections} ({cluster.size.user_connections} of a node"
            f" / {cluster.nodes} nodes)",
            "make the pools smaller, bring the replicas down, or make the nodes larger",
        )


RULES = (
    burstable_is_not_followed,
    replicas_are_told_apart,
    a_replica_keeps_up,
    a_replica_has_the_room,
    a_replicas_zone_exists,
    replicas_hold_what_is_read,
    nodes_do_not_burst,
    performance_tier_fits_the_nodes,
    connections_fit_the_nodes,
)
