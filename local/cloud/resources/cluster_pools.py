"""The pools of a cluster: those that came with it, and those that were added."""

import math
from collections.abc import Sequence
from typing import Any, Literal

from local.cloud.arm import ArmError, Body, Record, lookup
from local.cloud.cluster.spec import ClusterSpec, PoolSpec
from local.cloud.resources.names import stable_guid
from local.cloud.resources.regions import region_of
from local.cloud.resources.subnet import MANAGED_CLUSTER
from local.cloud.world import World

AGENT_POOL = f"{MANAGED_CLUSTER}/agentPools"
CLUSTER_PATH = (
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
    "/providers/Microsoft.ContainerService/managedClusters/{resourceName}"
)
API_VERSION = "2025-09-01"
MAX_PODS = {"azure": 30, "kubenet": 110}
OVERLAY_MAX_PODS = 250
DEFAULTS: Body = {
    "count": 1,
    "enableAutoScaling": False,
    "enableEncryptionAtHost": False,
    "enableFIPS": False,
    "enableNodePublicIP": False,
    "enableUltraSSD": False,
    "kubeletDiskType": "OS",
    "mode": "User",
    "osDiskSizeGB": 128,
    "osDiskType": "Managed",
    "osSKU": "Ubuntu",
    "osType": "Linux",
    "powerState": {"code": "Running"},
    "scaleDownMode": "Delete",
    "type": "VirtualMachineScaleSets",
    "upgradeSettings": {"maxSurge": "10%"},
}
FIXED = (
    "availabilityZones",
    "enableEncryptionAtHost",
    "maxPods",
    "osDiskSizeGB",
    "osDiskType",
    "osType",
    "vmSize",
    "vnetSubnetID",
)
"""What a pool keeps for life; where the provider replaces nothing, Azure refuses."""


def answered(pool: Body, cluster: Body, version: str) -> Body:
    """Return a pool as Azure answers it; ``version`` is what its nodes run."""
    overlay = lookup(cluster, "networkProfile.networkPluginMode") == "overlay"
    plugin = lookup(cluster, "networkProfile.networkPlugin") or "kubenet"
    return {
        **DEFAULTS,
        "maxPods": OVERLAY_MAX_PODS if overlay else MAX_PODS.get(plugin, OVERLAY_MAX_PODS),
        "orchestratorVersion": version,
        **pool,
        "currentOrchestratorVersion": version,
        "eTag": stable_guid(str(pool["name"]), "pool"),
        "nodeImageVersion": f"AKSUbuntu-2404gen2containerd-{version}",
        "provisioningState": "Succeeded",
    }


def pools_of(world: World, cluster: Record, without: str = "") -> list[Body]:
    """Return all pools of a standing cluster but the one of an id, as answered."""
    return [*cluster.outputs["agentPoolProfiles"], *added_pools(world, cluster, without)]


def added_pools(world: World, cluster: Record, without: str = "") -> list[Body]:
    """Return the pools that did not come with the cluster."""
    return [
        {key: value for key, value in pool.outputs.items() if key != "azureApiVersion"}
        for pool in world.children(cluster.arm_id, AGENT_POOL)
        if pool.arm_id.lower() != without.lower()
    ]


def spec_of(cluster: Body, pools: list[Body], tenant_id: str) -> ClusterSpec:
    """Return what a cluster's control plane and nodes shall be."""
    addons = lookup(cluster, "addonProfiles") or {}
    network = lookup(cluster, "networkProfile") or {}
    blocks = {"podCidr": "pod_cidr", "serviceCidr": "service_cidr"}
    return ClusterSpec(
        kubernetes_version=cluster["kubernetesVersion"],
        region=region_of(cluster["location"]),
        tenant_id=tenant_id,
        pools=tuple(_pool_spec(pool) for pool in pools),
        addons=frozenset(name for name, addon in addons.items() if addon.get("enabled")),
        disk_encryption_set_id=cluster.get("diskEncryptionSetID"),
        **{ours: network[azure] for azure, ours in blocks.items() if network.get(azure)},
    )


def _pool_spec(pool: Body) -> PoolSpec:
    mode: Literal["System", "User"] = "System" if pool["mode"] == "System" else "User"
    return PoolSpec(
        name=pool["name"],
        mode=mode,
        count=int(pool["count"]),
        vm_size=pool["vmSize"],
        zones=tuple(pool.get("availabilityZones") or ()),
        labels=pool.get("nodeLabels") or {},
        taints=tuple(pool.get("nodeTaints") or ()),
        max_pods=int(pool["maxPods"]),
    )


def most_nodes(pool: Body) -> int:
    """Return how many nodes a pool can have while it is upgraded."""
    size = int(pool["maxCount"] if pool.get("enableAutoScaling") else pool["count"])
    surge = str(lookup(pool, "upgradeSettings.maxSurge") or DEFAULTS["upgradeSettings"]["maxSurge"])
    if surge.endswith("%"):
        return size + math.ceil(size * int(surge.removesuffix("%")) / 100)
    return size + int(surge)


def refuse_change(old: Body, new: Body) -> None:
    """Raise where a pool shall become what it can only be made as."""
    for key in FIXED:
        if _known(old.get(key)) != _known(new.get(key)):
            raise ArmError(
                400,
                "PropertyChangeNotAllowed",
                f"Changing property 'properties.{key}' is not allowed.",
            )


def refuse_mixed_versions(cluster: Body, standing: Sequence[Body]) -> None:
    """Raise where a cluster's update names the version of some pools only, or another version.

    ``standing`` are all pools, also those that were added one by one: the update's own body need
    not name those, but then it may not name the version of any.
    """
    asked = {
        p["name"]: p.get("orchestratorVersion") for p in cluster.get("agentPoolProfiles") or ()
    }
    if not any(asked.values()):
        return
    runs = {pool["name"]: pool for pool in standing}
    for name in {*asked, *runs}:
        pool = runs.get(name, {})
        kept = (pool.get("orchestratorVersion"), pool.get("currentOrchestratorVersion"))
        if asked.get(name) is None or asked[name] not in (cluster["kubernetesVersion"], *kept):
            raise ArmError(
                400,
                "NotAllAgentPoolOrchestratorVersionSpecifiedAndUnchanged",
                "Using managed cluster api, all Agent pools' OrchestratorVersion must be all"
                " specified or all unspecified. If all specified, they must be stay unchanged or"
                " the same with control plane. For agent pool specific change, please use per agent"
                " pool operations: https://aka.ms/agent-pool-rest-api",
            )


def _known(value: Any) -> Any:
    return sorted(value) if isinstance(value, list) else value or None


def refuse_without_system_pool(pools: list[Body]) -> None:
    """Raise where the cluster's own pods would have no place."""
    if not any(pool["mode"] == "System" for pool in pools):
        raise ArmError(
            400, "OperationNotAllowed", "There has to be at least one system agent pool."
        )


def operation_in_progress(holder: str) -> ArmError:
    """Return the answer to a second write on a cluster; the real provider gives up."""
    name = holder.rsplit("/", 1)[-1]
    return ArmError(
        409,
        "OperationNotAllowed",
        f"Operation is not allowed: Another operation ({name} - Updating) is in progress, please"
        " wait for it to finish before starting a new operation. See"
        " https://aka.ms/aks-pending-operation for more details",
    )
