"""The two kinds of nodes: the cluster's own, and those of the memory workloads."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import containerservice as aks

from components.placement import Placement

MEMORY_LABELS = {"engram.io/pool": "memory"}
"""Of the nodes that the workloads are sent to."""
OS_DISK_GIB = 64
"""Holds the system, the images and the logs."""
MAX_PODS = 110
MAX_SURGE = "33%"
SYSTEM_POOL = "system"
SYSTEM_TAINT = "CriticalAddonsOnly=true:NoSchedule"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The virtual machine of a node."""

    vm_size: str
    local_disk_gib: int
    """The size's own disk: a system's disk that fits on it is gone with the node."""
    zones: Sequence[str]

    @property
    def os_disk_type(self) -> aks.OSDiskType:
        """Where the system's disk is; a managed one is encrypted with the cluster's key."""
        fits = self.local_disk_gib >= OS_DISK_GIB
        return aks.OSDiskType.EPHEMERAL if fits else aks.OSDiskType.MANAGED


@dataclass(frozen=True, kw_only=True)
class SystemPool:
    """Nodes of the cluster's own pods.

    It is made with the cluster, and the cluster's later updates leave it alone: what differs is
    told, with the command that mends it.
    """

    machine: Machine
    count: int

    def differences(
        self,
        stands: Sequence[aks.outputs.ManagedClusterAgentPoolProfileResponse],
        cluster_version: str,
    ) -> Iterator[str]:
        """Tell what is not as declared in the pool that stands, or behind its cluster."""
        for pool in stands:
            if pool.name != SYSTEM_POOL:
                continue
            if pool.count != self.count:
                yield (
                    f"it has {pool.count} nodes, declared are {self.count}:"
                    f" `az aks nodepool scale --name {SYSTEM_POOL} --node-count {self.count}`, then"
                    " `pulumi refresh`, or the cluster's next update writes the old number back"
                )
            if minor_version(pool.current_orchestrator_version) != minor_version(cluster_version):
                yield (
                    f"its nodes run {pool.current_orchestrator_version}, the cluster"
                    f" {cluster_version}: `az aks nodepool upgrade --name {SYSTEM_POOL}"
                    f" --kubernetes-version {cluster_version}`; three minors behind, they are"
                    " supported no more"
                )
            if pool.vm_size != self.machine.vm_size:
                yield (
                    f"its nodes are {pool.vm_size}, declared are {self.machine.vm_size}: add a"
                    f" second system pool, delete this one, and add one named {SYSTEM_POOL} again"
                )

    def report(self, cluster: aks.ManagedCluster) -> None:
        """Warn of what is not as declared, as of the last refresh."""

        def compare(
            stands: Sequence[aks.outputs.ManagedClusterAgentPoolProfileResponse] | None,
        ) -> None:
            def tell(version: str) -> None:
                for difference in self.differences(stands or (), version):
                    pulumi.log.warn(f"the pool {SYSTEM_POOL}: {difference}", resource=cluster)

            cluster.current_kubernetes_version.apply(tell)

        cluster.agent_pool_profiles.apply(compare)


@dataclass(frozen=True, kw_only=True)
class MemoryPool:
    """Nodes of the workloads; the autoscaler moves between the bounds."""

    machine: Machine
    min_count: int
    max_count: int


@dataclass(frozen=True, kw_only=True)
class PoolPlace:
    """What every pool of a cluster shares."""

    kubernetes_version: str
    subnet_id: pulumi.Input[str]
    host_encryption: bool
    """Temporary disks and caches too are encrypted, on the host."""
    placement: Placement


def system_profile(pool: SystemPool, place: PoolPlace) -> aks.ManagedClusterAgentPoolProfileArgs:
    """Return the pool that Azure wants with the cluster; no workload is let in.

    It names no version: Azure takes those of all pools here or of none, and the workloads' pool
    names its own elsewhere.
    """
    return aks.ManagedClusterAgentPoolProfileArgs(
        name=SYSTEM_POOL,
        mode=aks.AgentPoolMode.SYSTEM,
        count=pool.count,
        node_taints=[SYSTEM_TAINT],
        vm_size=pool.machine.vm_size,
        availability_zones=list(pool.machine.zones),
        os_disk_type=pool.machine.os_disk_type,
        os_disk_size_gb=OS_DISK_GIB,
        os_type=aks.OSType.LINUX,
        os_sku=aks.OSSKU.UBUNTU,
        type=aks.AgentPoolType.VIRTUAL_MACHINE_SCALE_SETS,
        max_pods=MAX_PODS,
        enable_encryption_at_host=place.host_encryption,
        local_dns_profile=_no_dns_on_the_nodes(),
        vnet_subnet_id=place.subnet_id,
        upgrade_settings=aks.AgentPoolUpgradeSettingsArgs(max_surge=MAX_SURGE),
        tags=place.placement.tags,
    )


def memory_pool(
    name: str,
    pool: MemoryPool,
    place: PoolPlace,
    cluster_name: pulumi.Input[str],
    opts: pulumi.ResourceOptions,
) -> aks.AgentPool:
    """Declare the pool of the workloads, which grows and shrinks with them."""
    return aks.AgentPool(
        name,
        resource_group_name=place.placement.resource_group_name,
        resource_name_=cluster_name,
        agent_pool_name=pool_name(pool.machine, host_encryption=place.host_encryption),
        mode=aks.AgentPoolMode.USER,
        enable_auto_scaling=True,
        count=pool.min_count,
        min_count=pool.min_count,
        max_count=pool.max_count,
        node_labels=MEMORY_LABELS,
        vm_size=pool.machine.vm_size,
        availability_zones=list(pool.machine.zones),
        os_disk_type=pool.machine.os_disk_type,
        os_disk_size_gb=OS_DISK_GIB,
        os_type=aks.OSType.LINUX,
        os_sku=aks.OSSKU.UBUNTU,
        type=aks.AgentPoolType.VIRTUAL_MACHINE_SCALE_SETS,
        max_pods=MAX_PODS,
        enable_encryption_at_host=place.host_encryption,
        local_dns_profile=_no_dns_on_the_nodes(),
        orchestrator_version=place.kubernetes_version,
        vnet_subnet_id=place.subnet_id,
        upgrade_settings=aks.AgentPoolUpgradeSettingsArgs(max_surge=MAX_SURGE),
        tags=place.placement.tags,
        opts=opts,
    )


def pool_name(machine: Machine, *, host_encryption: bool) -> str:
    """Return the memory pool's name, another one for other machines.

    A pool's machines cannot be changed.  Under another name the new pool stands before the old one
    is emptied and deleted.
    """
    fixed = "|".join(
        (
            machine.vm_size,
            machine.os_disk_type.value,
            f"{host_encryption=}",
            f"{MAX_PODS=}",
            *machine.zones,
        )
    )
    return "memory" + hashlib.sha256(fixed.encode()).hexdigest()[:4]


def minor_version(version: str) -> str:
    """Return ``1.36`` of ``1.36.3``: Azure chooses the patch."""
    return ".".join(version.split(".")[:2])


def _no_dns_on_the_nodes() -> aks.LocalDNSProfileArgs:
    """Keep AKS from answering names on the node, as it prefers from Kubernetes 1.37 on.

    The network policies let pods reach the pods of kube-dns; Cilium does not take an address of
    the node for one of those.  https://learn.microsoft.com/azure/aks/localdns-custom
    """
    return aks.LocalDNSProfileArgs(mode=aks.LocalDNSMode.DISABLED)
