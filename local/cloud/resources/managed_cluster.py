"""Microsoft.ContainerService/managedClusters: a real control plane behind Azure's rules.

The control plane lives in ``local.cloud.cluster``, under the cluster's ARM id. One that was
being made when its ``up`` was killed is removed, and made anew, by the next. How to reach it
is a secret, and so no output: ``local.cloud.functions`` answers the SDK's credentials function.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from typing_extensions import override

from local.cloud.arm import UNKNOWN, ArmError, Body, Record, Refusal, ResourceType, lookup
from local.cloud.cluster import fleet
from local.cloud.resources import cluster_identities as beside
from local.cloud.resources.cluster_admission import admit_cluster
from local.cloud.resources.cluster_pools import (
    API_VERSION,
    CLUSTER_PATH,
    added_pools,
    answered,
    operation_in_progress,
    pools_of,
    refuse_change,
    refuse_without_system_pool,
    spec_of,
)
from local.cloud.resources.cluster_rules import LOCAL_MINOR, refusals
from local.cloud.resources.disk_encryption_set import answer_identities, identities_to_come
from local.cloud.resources.names import stable_guid
from local.cloud.resources.pool_rules import refuse_start
from local.cloud.resources.regions import region_of
from local.cloud.resources.subnet import MANAGED_CLUSTER
from local.cloud.world import World

MAX_AGENT_POOLS = 100
NETWORK_FIXED = (
    "serviceCidr",
    "serviceCidrs",
    "dnsServiceIP",
    "networkMode",
    "networkPlugin",
    "networkPluginMode",
    "podCidr",
    "networkDataplane",
    "networkPolicy",
    "outboundType",
)
DEFAULTS: Body = {
    "disableLocalAccounts": False,
    "enableRBAC": True,
    "kubernetesVersion": LOCAL_MINOR,
    "publicNetworkAccess": "Enabled",
    "sku": {"name": "Base", "tier": "Free"},
    "supportPlan": "KubernetesOfficial",
}


class ManagedCluster(ResourceType):
    """A cluster: refuses a network, a key or an identity that its nodes could not live with."""

    token = "azure-native:containerservice:ManagedCluster"
    type = MANAGED_CLUSTER
    api_version = API_VERSION
    path = CLUSTER_PATH
    # The real provider's own list; what else cannot change is refused by Azure itself.
    immutable = (
        "diskEncryptionSetID",
        "dnsPrefix",
        "fqdnSubdomain",
        "linuxProfile",
        "windowsProfile",
        "location",
        "nodeResourceGroup",
        *(f"networkProfile.{key}" for key in NETWORK_FIXED),
    )
    slow = True

    @override
    def check(self, inputs: Body) -> Iterator[Refusal]:
        yield from refusals(inputs)

    @override
    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        inputs = {**DEFAULTS, **inputs}
        if old is None:
            beside.refuse_taken_group(world, arm_id, inputs)
        else:
            _admit_change(old, inputs)
        pools = _inline(inputs, old)
        standing = set() if old is None else {p["name"] for p in old.outputs["agentPoolProfiles"]}
        for pool in pools:
            if pool["name"] not in standing:
                refuse_start(pool)
        added = [] if old is None else added_pools(world, old)
        refuse_without_system_pool([*pools, *added])
        admit_cluster(world, arm_id, inputs, [*pools, *added])

    @override
    def foresee(self, inputs: Body) -> Body:
        known = identities_to_come(inputs)
        if isinstance(known.get("addonProfiles"), dict):
            addons = {k: {**v, "identity": UNKNOWN} for k, v in known["addonProfiles"].items()}
            known = {**known, "addonProfiles": addons}
        return known

    @override
    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        inputs = {**DEFAULTS, **inputs}
        spec = spec_of(inputs, _inline(inputs, None), world.client.tenant_id)
        with explained():
            access = fleet.create(arm_id, spec)
        return self._outputs(world, arm_id, inputs, None, access)

    @override
    def read(self, world: World, record: Record) -> Body:
        # Azure lists all pools here, also those that were added one by one.
        return {**record.outputs, "agentPoolProfiles": pools_of(world, record)}

    @override
    def update(self, world: World, record: Record, inputs: Body) -> Body:
        inputs = {**DEFAULTS, **inputs}
        pools = [*_inline(inputs, record), *added_pools(world, record)]
        with explained():
            fleet.update(record.arm_id, spec_of(inputs, pools, world.client.tenant_id))
            access = fleet.access(record.arm_id)
        return self._outputs(world, record.arm_id, inputs, record, access)

    @override
    def delete(self, world: World, record: Record) -> None:
        with explained():
            fleet.delete(record.arm_id)
        with world.transaction():
            beside.remove_group(world, record.arm_id, record.outputs["nodeResourceGroup"])

    @override
    def serialised_on(self, arm_id: str, inputs: Body) -> str | None:
        return arm_id

    @override
    def busy(self, holder: str) -> ArmError:
        return operation_in_progress(holder)

    def _outputs(
        self, world: World, arm_id: str, inputs: Body, old: Record | None, access: fleet.Access
    ) -> Body:
        with world.transaction():
            group = beside.make_group(world, arm_id, inputs)
            kubelet = beside.kubelet_identity(world, group, inputs)
            addons = beside.addons(world, group, inputs)
        host = f"{inputs.get('dnsPrefix') or inputs.get('fqdnSubdomain')}-{_short(arm_id)}"
        domain = f"{region_of(inputs['location'])}.azmk8s.io"
        return {
            **self.echo(arm_id, inputs),
            "addonProfiles": addons,
            "agentPoolProfiles": _inline(inputs, old, access.version),
            "azurePortalFQDN": f"{host}.portal.hcp.{domain}",
            "currentKubernetesVersion": access.version,
            "eTag": stable_guid(arm_id, "etag"),
            "fqdn": f"{host}.hcp.{domain}",
            "identity": answer_identities(world, inputs["identity"]),
            "identityProfile": {"kubeletidentity": kubelet},
            "maxAgentPools": MAX_AGENT_POOLS,
            "networkProfile": {"loadBalancerSku": "standard", **inputs.get("networkProfile", {})},
            "nodeResourceGroup": beside.group_name(inputs),
            "oidcIssuerProfile": _issuer(inputs, access),
            "powerState": {"code": "Running"},
            "provisioningState": "Succeeded",
            "resourceUID": stable_guid(arm_id),
            "servicePrincipalProfile": {"clientId": "msi"},
        }


def remove_strays(world: World) -> list[str]:
    """Remove control planes that no cluster stands for; return their ids.

    An ``up`` that was killed leaves one behind. One that is being made now is left alone.
    """
    strays = [one.cluster_id for one in fleet.status() if world.get(one.cluster_id) is None]
    removed = []
    for arm_id in strays:
        with _claimed(world, arm_id) as ours:
            # Whoever held it before us may have completed it meanwhile.
            if ours and world.get(arm_id) is None:
                fleet.delete(arm_id)
                removed.append(arm_id)
    return removed


def forget_lost(world: World, cluster_ids: Iterable[str]) -> list[str]:
    """Return which of these clusters have no control plane, and forget that they ever stood.

    Azure has no such clusters. Here, somebody may have removed the folder of one.
    """
    lost = []
    for arm_id in cluster_ids:
        with _claimed(world, arm_id) as ours:
            if ours and not fleet.exists(arm_id):
                _forget(world, arm_id)
                lost.append(arm_id)
    return lost


def _forget(world: World, arm_id: str) -> None:
    fleet.delete(arm_id)
    record = world.get(arm_id)
    if record is None:
        return
    with world.transaction():
        beside.remove_group(world, arm_id, record.outputs["nodeResourceGroup"])
        for pool in world.children(arm_id):
            world.delete(pool.arm_id)
        world.delete(arm_id)


@contextmanager
def _claimed(world: World, arm_id: str) -> Iterator[bool]:
    """Keep others from writing, and tell whether nobody else does."""
    ours = world.store.claim(arm_id, "remove")
    try:
        yield ours
    finally:
        if ours:
            world.store.release(arm_id)


def start_of(stack: str, world: World) -> Mapping[str, str]:
    """Start the clusters of a stack, and no others; return what went wrong, by cluster id."""
    return fleet.start(ids_of(stack, world))


def ids_of(stack: str, world: World) -> list[str]:
    """Return the clusters that a stack made and that stand."""
    own = f"urn:pulumi:{stack}::"
    return [c.arm_id for c in world.of_type(MANAGED_CLUSTER) if c.urn.startswith(own)]


@contextmanager
def explained() -> Iterator[None]:
    """Turn what goes wrong below a cluster into an answer of Azure's."""
    try:
        yield
    except fleet.FAULTS as error:
        raise ArmError(500, "InternalOperationError", str(error)) from error


def _inline(inputs: Body, old: Record | None, version: str | None = None) -> list[Body]:
    """Return the pools that came with the cluster, as answered.

    One that the program no longer names stays, as on Azure: only an ``AgentPool`` is deleted.
    """
    asked = [
        answered(pool, inputs, version or inputs["kubernetesVersion"])
        for pool in inputs.get("agentPoolProfiles") or ()
    ]
    names = {pool["name"] for pool in asked}
    before = [] if old is None else old.outputs["agentPoolProfiles"]
    return [*asked, *(pool for pool in before if pool["name"] not in names)]


def _admit_change(old: Record, inputs: Body) -> None:
    issuer = lookup(inputs, "oidcIssuerProfile.enabled")
    if lookup(old.outputs, "oidcIssuerProfile.enabled") and issuer is False:
        raise ArmError(
            400, "OIDCIssuerFeatureCannotBeDisabled", "OIDC issuer feature cannot be disabled."
        )
    before = {pool["name"]: pool for pool in old.outputs["agentPoolProfiles"]}
    for pool in _inline(inputs, old):
        if pool["name"] in before:
            refuse_change(before[pool["name"]], pool)


def _issuer(inputs: Body, access: fleet.Access) -> Body:
    """Return the issuer's profile; since 1.34 a new cluster has one unless told otherwise."""
    enabled = lookup(inputs, "oidcIssuerProfile.enabled") is not False
    return {"enabled": enabled, "issuerURL": access.issuer_url} if enabled else {"enabled": False}


def _short(arm_id: str) -> str:
    return hashlib.sha256(arm_id.lower().encode()).hexdigest()[:8]
