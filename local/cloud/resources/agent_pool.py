"""Pools of nodes that are added to a cluster, one write on a cluster at a time."""

from collections.abc import Iterator

from typing_extensions import override

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, given, parent_of
from local.cloud.cluster import fleet
from local.cloud.resources.cluster_admission import admit_pools
from local.cloud.resources.cluster_pools import (
    AGENT_POOL,
    API_VERSION,
    CLUSTER_PATH,
    answered,
    operation_in_progress,
    pools_of,
    refuse_change,
    refuse_without_system_pool,
    spec_of,
)
from local.cloud.resources.cluster_rules import version_fault
from local.cloud.resources.managed_cluster import explained
from local.cloud.resources.pool_rules import INVALID, refusals, refuse_start, zone_fault
from local.cloud.world import World


class AgentPool(ResourceType):
    """``Microsoft.ContainerService/managedClusters/agentPools``."""

    token = "azure-native:containerservice:AgentPool"
    type = AGENT_POOL
    api_version = API_VERSION
    path = CLUSTER_PATH + "/agentPools/{agentPoolName}"
    immutable = ("gpuInstanceProfile", "vmSize", "networkProfile.nodePublicIPTags")
    slow = True

    @override
    def check(self, inputs: Body) -> Iterator[Refusal]:
        pool = {**inputs, "name": inputs.get("agentPoolName")}
        for refusal in refusals(pool):
            named = refusal.path == "name"
            yield refusal._replace(path="agentPoolName") if named else refusal
        if not given(inputs, "count"):
            yield Refusal(
                "count", INVALID, "Required parameter properties.count is missing (null)."
            )

    @override
    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        cluster = _cluster(world, arm_id)
        pool = _pool(arm_id, inputs, cluster)
        others = pools_of(world, cluster, without=arm_id)
        if any(other["name"] == pool["name"] for other in others):
            raise ArmError(
                409, "AlreadyExists", f"cannot create already existing resource '{arm_id}'"
            )
        zones = zone_fault(
            pool["name"], pool.get("availabilityZones") or (), cluster.outputs["location"]
        )
        if zones:
            raise ArmError(400, "AvailabilityZoneNotSupported", zones)
        version = version_fault(inputs.get("orchestratorVersion"))
        if version:
            raise ArmError(400, "AgentPoolK8sVersionNotSupported", version)
        if old is None:
            refuse_start(pool)
        else:
            refuse_change(old.outputs, pool)
        refuse_without_system_pool([*others, pool])
        admit_pools(world, cluster.arm_id, cluster.inputs, [*others, pool])

    @override
    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        cluster = _cluster(world, arm_id)
        pool = _pool(arm_id, inputs, cluster)
        _settle(world, cluster, [*pools_of(world, cluster, without=arm_id), pool])
        return {**self.echo(arm_id, inputs), **pool}

    @override
    def update(self, world: World, record: Record, inputs: Body) -> Body:
        return self.create(world, record.arm_id, inputs)

    @override
    def delete(self, world: World, record: Record) -> None:
        cluster = world.get(parent_of(record.arm_id) or "")
        if cluster is None:
            return
        others = pools_of(world, cluster, without=record.arm_id)
        refuse_without_system_pool(others)
        _settle(world, cluster, others)

    @override
    def serialised_on(self, arm_id: str, inputs: Body) -> str | None:
        return parent_of(arm_id)

    @override
    def busy(self, holder: str) -> ArmError:
        return operation_in_progress(holder)


def _cluster(world: World, arm_id: str) -> Record:
    return world.require(parent_of(arm_id) or "", "ParentResourceNotFound")


def _pool(arm_id: str, inputs: Body, cluster: Record) -> Body:
    own = {k: v for k, v in inputs.items() if k not in AgentPool().path_inputs}
    named = {**own, "name": arm_id.rsplit("/", 1)[-1]}
    return answered(named, cluster.outputs, cluster.outputs["currentKubernetesVersion"])


def _settle(world: World, cluster: Record, pools: list[Body]) -> None:
    with explained():
        fleet.update(cluster.arm_id, spec_of(cluster.outputs, pools, world.client.tenant_id))
