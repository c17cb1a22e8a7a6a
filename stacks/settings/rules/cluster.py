"""What Azure and Kubernetes demand of a cluster of the stack."""

from collections.abc import Callable, Iterator
from functools import wraps
from ipaddress import IPv4Network
from itertools import combinations
from math import ceil

from stacks.settings import capacity
from stacks.settings.catalogue import REGIONS
from stacks.settings.cluster import ManagedCluster, MemoryPoolSettings, SystemPoolSettings
from stacks.settings.mistakes import Mistake
from stacks.settings.model import ExistingNetwork, ManagedNetwork, StackSettings

RESERVED_ADDRESSES = 5
"""Azure's, of each subnet."""

SURGE = 3
"""A third of a pool's nodes may stand twice while the pool is upgraded (AKS's advice)."""

POD_RANGE = 24
"""Prefix length of the overlay's share of each node."""

WIDEST_SERVICES = 12
"""Prefix length: AKS wants the range of services smaller than a /12."""

AKS_RANGES = tuple(
    map(IPv4Network, ("169.254.0.0/16", "172.30.0.0/16", "172.31.0.0/16", "192.0.2.0/24"))
)
"""Ranges that AKS keeps for itself.

https://learn.microsoft.com/azure/aks/azure-cni-overlay
"""

SYSTEM_VCPUS = 4
"""AKS's advice for a pool of its own pods; with fewer they starve each other."""

OS_DISK_GIB = 64
"""The disk of a node's system; where it fits on the node's own, the component puts it there."""

POOLS = ("system_pool", "memory_pool")


def for_a_managed_cluster(
    rule: Callable[[StackSettings, ManagedCluster], Iterator[Mistake]],
) -> Callable[[StackSettings], Iterator[Mistake]]:
    """Apply a rule where the cluster is ours; an existing one answers to its owner."""

    @wraps(rule)
    def judge(s: StackSettings) -> Iterator[Mistake]:
        if isinstance(s.cluster, ManagedCluster):
            yield from rule(s, s.cluster)

    return judge


def _pools(
    cluster: ManagedCluster,
) -> Iterator[tuple[str, SystemPoolSettings | MemoryPoolSettings]]:
    for name in POOLS:
        pool: SystemPoolSettings | MemoryPoolSettings = getattr(cluster, name)
        yield f"cluster.{name}", pool


def most_nodes(cluster: ManagedCluster) -> int:
    """Return how many nodes there are when both pools are upgraded at their bounds."""
    counts = (cluster.system_pool.count, cluster.memory_pool.max_count)
    return sum(count + ceil(count / SURGE) for count in counts)


@for_a_managed_cluster
def nodes_have_a_subnet(s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """A node takes an address of the subnet, and so does the load balancer of each service."""
    if isinstance(s.network, ExistingNetwork):
        if s.network.nodes_subnet_id is None:
            remedy = "copy the id from `az network vnet subnet show --query id`"
            allowed = "the id of a subnet, with cluster.kind 'managed'"
            yield Mistake("network.nodes_subnet_id", "nothing", allowed, remedy)
        return
    subnet = s.network.nodes_subnet
    if subnet is None:
        allowed = "a range for the nodes, with cluster.kind 'managed'"
        yield Mistake("network.nodes_subnet", "nothing", allowed, "add network.nodes_subnet")
        return
    wanted = most_nodes(cluster) + RESERVED_ADDRESSES
    if subnet.num_addresses < wanted:
        yield Mistake(
            "network.nodes_subnet",
            f"'{subnet}', {subnet.num_addresses} addresses",
            f"{wanted} addresses or more: {most_nodes(cluster)} nodes while both pools are"
            f" upgraded, and {RESERVED_ADDRESSES} that Azure keeps",
            "choose a shorter prefix, or fewer nodes",
        )


def subnets_are_apart(s: StackSettings) -> Iterator[Mistake]:
    """Azure refuses a subnet outside its network, and two that share an address."""
    if not isinstance(s.network, ManagedNetwork) or s.network.nodes_subnet is None:
        return
    nodes, network = s.network.nodes_subnet, s.network
    if not nodes.subnet_of(network.address_space):
        yield Mistake(
            "network.nodes_subnet",
            f"'{nodes}'",
            f"a part of {network.address_space}",
            "choose a range inside network.address_space",
        )
    if nodes.overlaps(network.endpoints_subnet):
        yield Mistake(
            "network.nodes_subnet",
            f"'{nodes}'",
            f"a range apart from {network.endpoints_subnet} (network.endpoints_subnet)",
            "choose a range of its own",
        )


def ranges_are_apart(s: StackSettings) -> Iterator[Mistake]:
    """Whatever is, or will be, connected answers on addresses of its own.

    Peered networks that overlap cannot be peered; a service range that overlaps one hides it.
    """
    named = dict(_ranges(s))
    for (path, ours), (other, theirs) in combinations(named.items(), 2):
        if ours.overlaps(theirs):
            allowed = f"a range apart from {theirs} ({other})"
            yield Mistake(path, f"'{ours}'", allowed, "choose a range of its own")
    for path, ours in named.items():
        for peer in s.network.peered_spaces:
            if ours.overlaps(peer):
                allowed = f"a range apart from {peer} (network.peered_spaces)"
                remedy = "choose another, or remove the peer if they are never connected"
                yield Mistake(path, f"'{ours}'", allowed, remedy)


def _ranges(s: StackSettings) -> Iterator[tuple[str, IPv4Network]]:
    if isinstance(s.cluster, ManagedCluster):
        yield "cluster.pod_cidr", s.cluster.pod_cidr
        yield "cluster.service_cidr", s.cluster.service_cidr
    if isinstance(s.network, ManagedNetwork):
        yield "network.address_space", s.network.address_space


@for_a_managed_cluster
def ranges_are_those_that_aks_takes(
    _s: StackSettings, cluster: ManagedCluster
) -> Iterator[Mistake]:
    """A /24 of the pod range for each node; services in less than a /12; none of AKS's own."""
    nodes, pods, services = most_nodes(cluster), cluster.pod_cidr, cluster.service_cidr
    shares = 2 ** max(POD_RANGE - pods.prefixlen, 0) if pods.prefixlen <= POD_RANGE else 0
    if shares < nodes:
        yield Mistake(
            "cluster.pod_cidr",
            f"'{pods}', a /{POD_RANGE} for {shares} nodes",
            f"a /{POD_RANGE} for each of {nodes} nodes, while both pools are upgraded",
            "choose a shorter prefix, e.g. /16; it is fixed when the cluster is made",
        )
    if services.prefixlen <= WIDEST_SERVICES:
        allowed = f"a range smaller than a /{WIDEST_SERVICES}"
        yield Mistake("cluster.service_cidr", f"'{services}'", allowed, "choose e.g. a /16")
    for path, taken in (("cluster.pod_cidr", pods), ("cluster.service_cidr", services)):
        if any(taken.overlaps(kept) for kept in AKS_RANGES):
            allowed = f"a range apart from {', '.join(map(str, AKS_RANGES))}"
            yield Mistake(path, f"'{taken}'", allowed, "AKS keeps these for itself")


@for_a_managed_cluster
def dns_answers_inside_the_services(
    _s: StackSettings, cluster: ManagedCluster
) -> Iterator[Mistake]:
    """The cluster's DNS is a service; the first address is the API server's."""
    services, address = cluster.service_cidr, cluster.dns_service_ip
    taken = (
        services.network_address,
        services.network_address + 1,
        services.broadcast_address,
    )
    if address not in services or address in taken:
        yield Mistake(
            "cluster.dns_service_ip",
            f"'{address}'",
            f"an address of {services} but its first two and its last",
            f"choose e.g. {services.network_address + 10}",
        )


@for_a_managed_cluster
def zones_exist(s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """A pool spreads over zones that the region has, with a node in each of them."""
    for path, pool in _pools(cluster):
        if pool.zones and not REGIONS[s.azure.location].zones:
            yield Mistake(
                f"{path}.zones",
                f"{len(pool.zones)} zones in {s.azure.location}",
                "none in a region without zones",
                "write [], or choose a region with availability zones, e.g. westeurope",
            )
        count, key = (
            (pool.count, "count")
            if isinstance(pool, SystemPoolSettings)
            else (pool.min_count, "min_count")
        )
        if count < len(pool.zones):
            yield Mistake(
                f"{path}.{key}",
                f"{count} in {len(pool.zones)} zones",
                f"{len(pool.zones)} or more",
                "a zone without a node is lost already; add nodes, or name fewer zones",
            )


@for_a_managed_cluster
def pools_have_bounds(_s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """The autoscaler moves between the bounds, the lower one first."""
    pool = cluster.memory_pool
    if pool.min_count > pool.max_count:
        yield Mistake(
            "cluster.memory_pool.max_count",
            f"{pool.max_count} with a min_count of {pool.min_count}",
            f"{pool.min_count} or more",
            "raise max_count, or lower min_count",
        )


@for_a_managed_cluster
def system_nodes_are_large_enough(_s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """The cluster's own pods, with policy, secrets and logs, do not fit two vCPUs."""
    size = cluster.system_pool.size
    if size.vcpus < SYSTEM_VCPUS:
        yield Mistake(
            "cluster.system_pool.vm_size",
            f"{cluster.system_pool.vm_size!r}, {size.vcpus} vCPUs",
            f"{SYSTEM_VCPUS} vCPUs or more",
            "choose e.g. Standard_D4ds_v5",
        )


@for_a_managed_cluster
def hosts_encrypt_where_asked(_s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """Not every size can; it is chosen when a pool is made."""
    for path, pool in _pools(cluster):
        if cluster.host_encryption and not pool.size.host_encryption:
            yield Mistake(
                f"{path}.vm_size",
                f"{pool.vm_size!r} with cluster.host_encryption",
                "a size that encrypts on the host",
                "choose e.g. Standard_D4ds_v5",
            )


@for_a_managed_cluster
def temporary_disks_follow_their_key(
    _s: StackSettings, cluster: ManagedCluster
) -> Iterator[Mistake]:
    """A system disk on the node's own takes up a key's next version only with a new node image.

    https://learn.microsoft.com/azure/aks/azure-disk-customer-managed-keys
    """
    temporary = [p for p, pool in _pools(cluster) if pool.size.local_disk_gib >= OS_DISK_GIB]
    if temporary and cluster.node_os_upgrade_channel != "NodeImage":
        yield Mistake(
            "cluster.node_os_upgrade_channel",
            f"{cluster.node_os_upgrade_channel!r}, with temporary system disks in"
            f" {' and '.join(temporary)}",
            "'NodeImage' with sizes that have a local disk",
            "choose NodeImage, or sizes without a local disk, e.g. Standard_D4s_v5; otherwise the"
            " nodes end on an expired key",
        )


@for_a_managed_cluster
def pods_find_nodes(s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """All pods at their maximum fit the pool at its maximum, what AKS keeps taken off."""
    pool, node = cluster.memory_pool, capacity.allocatable(cluster.memory_pool.size)
    if not capacity.find_nodes(s, pool.max_count, node, at_maximum=True):
        yield Mistake(
            "cluster.memory_pool",
            f"{pool.max_count} nodes {pool.vm_size} with {node} each for pods",
            f"room for all pods at their maximum, {capacity.needed(s, at_maximum=True)} in all",
            "raise max_count, choose larger nodes, or lower the replicas",
        )


@for_a_managed_cluster
def somebody_may_come_in(_s: StackSettings, cluster: ManagedCluster) -> Iterator[Mistake]:
    """Without local accounts only Entra groups open the door."""
    if not cluster.local_accounts and not cluster.admin_group_ids:
        yield Mistake(
            "cluster.admin_group_ids",
            "nothing, with cluster.local_accounts false",
            "the object id of a group, or several",
            "copy the id from `az ad group show --query id`",
        )


RULES = (
    nodes_have_a_subnet,
    subnets_are_apart,
    ranges_are_apart,
    ranges_are_those_that_aks_takes,
    dns_answers_inside_the_services,
    zones_exist,
    pools_have_bounds,
    system_nodes_are_large_enough,
    hosts_encrypt_where_asked,
    temporary_disks_follow_their_key,
    pods_find_nodes,
    somebody_may_come_in,
)
