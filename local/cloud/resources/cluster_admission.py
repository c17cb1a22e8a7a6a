"""What Azure refuses of a cluster and its pools in the light of everything else that stands."""

from collections.abc import Sequence

from local.cloud.arm import ArmError, Body, Record, lookup, parent_of
from local.cloud.resources.cluster_pools import most_nodes, pools_of, refuse_mixed_versions
from local.cloud.resources.cluster_rules import block_of
from local.cloud.resources.disk_encryption_set import (
    DISK_ENCRYPTION_SET,
    refusal_of,
    require_identity,
    same_region,
)
from local.cloud.resources.subnet import (
    SUBNET,
    Network,
    prefixes_of,
    require_reference,
    users_of,
)
from local.cloud.world import World

OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"
IDENTITY_OPERATOR = "f1a07417-d97a-45cb-824c-7a7467783830"
READ_SET = "Microsoft.Compute/diskEncryptionSets/read"
JOIN = "Microsoft.Network/virtualNetworks/subnets/join/action"
ASSIGN = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action"
MAY = {
    READ_SET: frozenset({OWNER, CONTRIBUTOR, READER}),
    JOIN: frozenset({OWNER, CONTRIBUTOR, NETWORK_CONTRIBUTOR}),
    ASSIGN: frozenset({OWNER, CONTRIBUTOR, IDENTITY_OPERATOR}),
}
"""The roles that allow an action."""
KEPT_BY_AZURE = 5
"""Addresses of every subnet."""
NODE_BLOCK = 256
"""Addresses that each node of an overlay takes of the pod CIDR."""


def admit_cluster(world: World, arm_id: str, cluster: Body, pools: Sequence[Body]) -> None:
    """Refuse what the cluster, its identity or its nodes could not live with."""
    _admit_kubelet_identity(world, cluster)
    standing = world.get(arm_id)
    if standing is not None:
        refuse_mixed_versions(cluster, pools_of(world, standing))
    admit_pools(world, arm_id, cluster, pools)


def admit_pools(world: World, arm_id: str, cluster: Body, pools: Sequence[Body]) -> None:
    """Refuse nodes without a place, an address or a disk."""
    for subnet_id in sorted({str(p["vnetSubnetID"]) for p in pools if p.get("vnetSubnetID")}):
        _admit_subnet(world, arm_id, cluster, subnet_id, pools)
    _admit_pod_block(cluster, pools)
    if cluster.get("diskEncryptionSetID"):
        _admit_disks(world, arm_id, cluster, cluster["diskEncryptionSetID"])


def _admit_kubelet_identity(world: World, cluster: Body) -> None:
    kubelet = lookup(cluster, "identityProfile.kubeletidentity.resourceId")
    if kubelet is None:
        return
    require_identity(world, kubelet)
    if not world.grants(_principal(world, cluster), kubelet) & MAY[ASSIGN]:
        raise ArmError(
            400,
            "CustomKubeletIdentityMissingPermissionError",
            "The cluster using user-assigned managed identity must be granted 'Managed Identity"
            " Operator' role to assign kubelet identity. You can run 'az role assignment create"
            " --assignee <control-plane-identity-principal-id> --role 'Managed Identity Operator'"
            " --scope <kubelet-identity-resource-id>' to grant the permission. See"
            " https://learn.microsoft.com/en-us/azure/aks/use-managed-identity#add-role-assignment",
        )


# -- the network ---------------------------------------------------------------------------


def _admit_subnet(
    world: World, arm_id: str, cluster: Body, subnet_id: str, pools: Sequence[Body]
) -> None:
    subnet = require_reference(world, arm_id, subnet_id)
    if subnet.outputs.get("delegations"):
        raise ArmError(
            400,
            "SubnetIsDelegated",
            f"AgentPoolProfile.VnetSubnetID {subnet_id} cannot be used as it's a delegated subnet."
            " Please check https://aka.ms/adv-network-prerequest for more details.",
        )
    _refuse_overlaps(world, cluster, subnet)
    inside = [pool for pool in pools if str(pool.get("vnetSubnetID")).lower() == subnet_id.lower()]
    overlay = lookup(cluster, "networkProfile.networkPluginMode") == "overlay"
    wanted = sum(most_nodes(p) * (1 if overlay else int(p["maxPods"]) + 1) for p in inside)
    others = [user for user in users_of(world, subnet_id) if not _belongs(user, arm_id)]
    free = sum(block.num_addresses - KEPT_BY_AZURE for block in prefixes_of(subnet.outputs))
    _refuse_too_small(wanted, free - len(others), prefixes_of(subnet.outputs), subnet.name)
    _require(world, arm_id, cluster, JOIN, subnet_id)


def _belongs(user: Record, cluster_id: str) -> bool:
    return f"{user.arm_id}/".lower().startswith(f"{cluster_id}/".lower())


def _refuse_overlaps(world: World, cluster: Body, subnet: Record) -> None:
    for key, word in (("serviceCidr", "service"), ("podCidr", "pod")):
        block = block_of(cluster, key)
        for other in world.children(parent_of(subnet.arm_id) or "", SUBNET):
            for taken in prefixes_of(other.outputs):
                if block is not None and block.overlaps(taken):
                    raise ArmError(
                        400,
                        f"{word.capitalize()}CidrOverlapExistingSubnetsCidr",
                        f"The specified {word} CIDR {block} is conflicted with an existing subnet"
                        f" CIDR {taken}",
                    )


def _admit_pod_block(cluster: Body, pools: Sequence[Body]) -> None:
    block = block_of(cluster, "podCidr")
    if block is None or lookup(cluster, "networkProfile.networkPluginMode") != "overlay":
        return
    wanted = NODE_BLOCK * sum(most_nodes(pool) for pool in pools)
    _refuse_too_small(wanted, block.num_addresses, [block], "networkProfile.podCIDR")


def _refuse_too_small(wanted: int, free: int, blocks: Sequence[Network], name: str) -> None:
    if wanted > free:
        raise ArmError(
            400,
            "InsufficientSubnetSize",
            f"Pre-allocated IPs {wanted} exceeds IPs available {free} in Subnet Cidr"
            f" {', '.join(map(str, blocks))}, Subnet Name {name}. If Autoscaler is enabled, the"
            " max-count from each nodepool is counted towards this total (which means that"
            " pre-allocated IPs count represents a theoretical max value, not the actual number of"
            " IPs requested). http://aka.ms/aks/insufficientsubnetsize",
        )


# -- the disks -------------------------------------------------------------------------------


def _admit_disks(world: World, arm_id: str, cluster: Body, set_id: str) -> None:
    found = world.get(set_id)
    if found is None or found.type != DISK_ENCRYPTION_SET:
        raise ArmError(
            400, "DiskEncryptionSetError", f"The disk encryption set '{set_id}' was not found."
        )
    if not same_region(world, set_id, cluster["location"]):
        raise ArmError(
            400,
            "DiskEncryptionSetError",
            f"The disk encryption set '{set_id}' is in {found.outputs.get('location')}; it must be"
            f" in the cluster's region, {cluster['location']}.",
        )
    _require(world, arm_id, cluster, READ_SET, set_id)
    refusal = refusal_of(world, set_id)
    if refusal is not None:
        raise ArmError(
            400,
            "CreateVMSSAgentPoolFailed",
            f'Code="{refusal.code}" Message="{refusal.message}"',
        )


# -- who may what ----------------------------------------------------------------------------


def _principal(world: World, cluster: Body) -> str:
    identity = require_identity(world, cluster["identity"]["userAssignedIdentities"][0])
    return str(identity.outputs["principalId"])


def _require(world: World, arm_id: str, cluster: Body, action: str, scope: str) -> None:
    """Refuse unless the cluster's identity may do something elsewhere.

    Azure finds out when the first node, disk or load balancer needs it, minutes or days later.
    """
    principal = _principal(world, cluster)
    if not world.grants(principal, scope) & MAY[action]:
        raise ArmError(
            403,
            "LinkedAuthorizationFailed",
            f"The client '{principal}' with object id '{principal}' has permission to perform"
            " action 'Microsoft.Compute/virtualMachineScaleSets/write' on scope"
            f" '{arm_id}'; however, it does not have permission to perform action(s) '{action}' on"
            f" the linked scope(s) '{scope}' (respectively) or the linked scope(s) are invalid.",
        )
