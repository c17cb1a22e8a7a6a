"""The nodes of an AKS cluster: its own pool, and those of the workloads."""

from collections.abc import Iterator, Mapping
from typing import Any

from assurance.policies.azure import CLUSTER
from assurance.policies.model import Resource, Severity, resource_rule
from assurance.policies.words import (
    must_be,
    must_be_on,
    must_have,
    must_not_be_on,
    shown,
    unlike,
)

POOL = "azure-native:containerservice:AgentPool"
FEWEST_PODS = 50
FEWEST_ZONES = 2
RESERVED = "CriticalAddonsOnly=true:NoSchedule"
"""The taint that keeps workloads off the cluster's own nodes."""


def pools(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield where a pool is described, and its description: a cluster's pools, or a pool alone."""
    if resource.type == POOL:
        yield "", resource.inputs
        return
    for index, pool in enumerate(resource.get("agentPoolProfiles") or ()):
        yield f"agentPoolProfiles[{index}].", pool


@resource_rule(
    CLUSTER,
    POOL,
    name="nodes-encryption-at-host",
    title="Temporary disks and caches of nodes are encrypted",
    severity=Severity.HIGH,
    remediation="Set enableEncryptionAtHost; it needs a new pool where one stands without.",
    ai_rmf=("MEASURE 2.7", "MEASURE 2.10"),
    sp800_53=("SC-28(1)",),
    azure_policy=("41425d9f-d1a5-499a-9932-f8ed8453932c",),
    checkov=("CKV_AZURE_227",),
)
def encryption_at_host(resource: Resource) -> Iterator[str]:
    """What a pod writes to its scratch folder lands there."""
    for where, pool in pools(resource):
        yield from must_be_on(pool, "enableEncryptionAtHost", where=where)


@resource_rule(
    CLUSTER,
    POOL,
    name="nodes-ephemeral-disks",
    title="A node's system disk goes with the node",
    severity=Severity.LOW,
    remediation="Choose a machine size whose own disk holds the system.",
    ai_rmf=("MEASURE 2.10",),
    checkov=("CKV_AZURE_226",),
    psrule=("Azure.AKS.EphemeralOSDisk",),
)
def ephemeral_disks(resource: Resource) -> Iterator[str]:
    """Nothing of a node outlives it."""
    for where, pool in pools(resource):
        yield from must_be(pool, "osDiskType", "Ephemeral", where=where)


@resource_rule(
    CLUSTER,
    POOL,
    name="nodes-scale-sets",
    title="Nodes are made by scale sets",
    severity=Severity.LOW,
    remediation="Set the pool's type to VirtualMachineScaleSets.",
    ai_rmf=("MANAGE 2.2",),
    checkov=("CKV_AZURE_169",),
    psrule=("Azure.AKS.PoolScaleSet",),
)
def scale_sets(resource: Resource) -> Iterator[str]:
    """The other kind neither scales by itself nor has zones."""
    for where, pool in pools(resource):
        yield from must_be(pool, "type", "VirtualMachineScaleSets", where=where)


@resource_rule(
    CLUSTER,
    POOL,
    name="nodes-no-public-address",
    title="Nodes have no public address",
    severity=Severity.HIGH,
    remediation="Remove enableNodePublicIP.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
    checkov=("CKV_AZURE_143",),
)
def no_public_address(resource: Resource) -> Iterator[str]:
    """Azure gives none unless it is asked to."""
    for where, pool in pools(resource):
        yield from must_not_be_on(pool, "enableNodePublicIP", where=where)


@resource_rule(
    CLUSTER,
    POOL,
    name="nodes-own-subnet",
    title="Nodes stand in a subnet of ours",
    severity=Severity.HIGH,
    remediation="Set vnetSubnetID to the subnet of the nodes.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
)
def own_subnet(resource: Resource) -> Iterator[str]:
    """In a network that AKS makes, our security groups and private endpoints do not reach."""
    for where, pool in pools(resource):
        yield from must_have(pool, "vnetSubnetID", what="the id of a subnet", where=where)


@resource_rule(
    CLUSTER,
    POOL,
    name="nodes-room-for-pods",
    title=f"A node takes {FEWEST_PODS} pods or more",
    severity=Severity.LOW,
    remediation=f"Set maxPods to {FEWEST_PODS} or more.",
    ai_rmf=("MANAGE 2.2",),
    checkov=("CKV_AZURE_168",),
    psrule=("Azure.AKS.NodeMinPods",),
)
def room_for_pods(resource: Resource) -> Iterator[str]:
    """Agents of the cluster take a good dozen of them."""
    for where, pool in pools(resource):
        most = pool.get("maxPods")
        if not isinstance(most, int | float) or most < FEWEST_PODS:
            yield unlike(f"{where}maxPods", most, f"{FEWEST_PODS} or more")


@resource_rule(
    CLUSTER,
    POOL,
    name="nodes-system-pool-reserved",
    title="The cluster's own pods have nodes of their own",
    severity=Severity.MEDIUM,
    remediation=f"Taint the pool of mode System, and no other one, with {RESERVED}.",
    ai_rmf=("MANAGE 2.2",),
    sp800_53=("SC-2",),
    azure_policy=("48940d92-ff05-449e-9111-e742d9280451",),
    checkov=("CKV_AZURE_232",),
)
def system_pool_reserved(resource: Resource) -> Iterator[str]:
    """A workload that eats its node must not eat the cluster's DNS."""
    found = [(where, pool, pool.get("mode") == "System") for where, pool in pools(resource)]
    if resource.type == CLUSTER and not any(is_system for _, _, is_system in found):
        yield "agentPoolProfiles has no pool of mode System; one is wanted"
    for where, pool, is_system in found:
        yield from must_be(pool, "mode", "System", "User", where=where)
        taints = pool.get("nodeTaints") or ()
        if is_system and RESERVED not in taints:
            yield unlike(f"{where}nodeTaints", pool.get("nodeTaints"), f"{RESERVED} among them")
        if not is_system and RESERVED in taints:
            yield f"{where}nodeTaints has {RESERVED}, which is for pools of mode System only"


@resource_rule(
    CLUSTER,
    POOL,
    name="nodes-several-zones",
    title="Nodes are spread over availability zones",
    severity=Severity.MEDIUM,
    remediation="List two zones or more in the stack file.",
    ai_rmf=("MANAGE 2.2",),
    psrule=("Azure.AKS.AvailabilityZone",),
)
def several_zones(resource: Resource) -> Iterator[str]:
    """A zone may fail as a whole."""
    for where, pool in pools(resource):
        zones = pool.get("availabilityZones")
        if len(set(zones or ())) < FEWEST_ZONES:
            yield unlike(f"{where}availabilityZones", zones, f"{FEWEST_ZONES} zones or more")


@resource_rule(
    CLUSTER,
    POOL,
    name="nodes-no-ssh",
    title="Nobody logs in to a node",
    severity=Severity.MEDIUM,
    remediation="Set the pool's securityProfile.sshAccess to Disabled.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("AC-17", "CM-7"),
    azure_policy=("28257686-e9db-403e-b9e2-a5eecbe03da9",),
)
def no_ssh(resource: Resource) -> Iterator[str]:
    """Whoever is root on a node reads the secrets of its pods."""
    if resource.get("linuxProfile.ssh.publicKeys"):
        found = shown(resource.get("linuxProfile.adminUsername"))
        yield f"linuxProfile has SSH keys for {found}; allowed: none"
    for where, pool in pools(resource):
        yield from must_be(pool, "securityProfile.sshAccess", "Disabled", where=where)
