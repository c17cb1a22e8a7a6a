"""What Azure makes beside a cluster: the group of its nodes, and identities in it."""

import uuid
from collections.abc import Mapping

from local.cloud.arm import ArmError, Body, Record, lookup
from local.cloud.cluster.spec import SECRETS_STORE
from local.cloud.resources.disk_encryption_set import require_identity
from local.cloud.resources.resource_group import ResourceGroup
from local.cloud.world import IDENTITY, World

LONGEST_GROUP = 80
ADDON_IDENTITIES: Mapping[str, str] = {
    SECRETS_STORE: "azurekeyvaultsecretsprovider-{}",
    "azurepolicy": "azurepolicy-{}",
    "omsagent": "omsagent-{}",
}


def group_name(inputs: Body) -> str:
    """Return the name of the nodes' resource group."""
    chosen = inputs.get("nodeResourceGroup")
    parts = (inputs["resourceGroupName"], inputs["resourceName"], inputs["location"])
    return str(chosen or "MC_" + "_".join(map(str, parts)).replace(" ", ""))[:LONGEST_GROUP]


def group_id(arm_id: str, name: str) -> str:
    """Return the id of the nodes' group, in the cluster's subscription."""
    return f"/subscriptions/{arm_id.split('/')[2]}/resourceGroups/{name}"


def refuse_taken_group(world: World, arm_id: str, inputs: Body) -> None:
    """Raise where the nodes' group is the cluster's own, or stands already."""
    name = group_name(inputs)
    if name.lower() == str(inputs["resourceGroupName"]).lower():
        raise ArmError(
            400,
            "NodeResourceGroupSameAsResourceGroup",
            f"The node resource group '{name}' must be another one than the cluster's.",
        )
    if world.get(group_id(arm_id, name)) is not None:
        raise ArmError(
            400,
            "NodeResourceGroupAlreadyExists",
            f"The node resource group '{name}' already exists; Azure makes it with the cluster.",
        )


def make_group(world: World, arm_id: str, inputs: Body) -> str:
    """Make the nodes' group unless it stands; return its id."""
    arm_group = group_id(arm_id, group_name(inputs))
    body = {"location": inputs["location"], "managedBy": arm_id, "name": group_name(inputs)}
    if world.get(arm_group) is None:
        _put(world, arm_group, ResourceGroup.type, {**body, "type": ResourceGroup.type})
    return arm_group


def remove_group(world: World, arm_id: str, name: str) -> None:
    """Remove the nodes' group with all that is in it."""
    arm_group = group_id(arm_id, name)
    for child in world.children(arm_group):
        world.delete(child.arm_id)
    world.delete(arm_group)


def kubelet_identity(world: World, arm_group: str, inputs: Body) -> Body:
    """Return the nodes' identity: the one asked for, or Azure's own."""
    chosen = lookup(inputs, "identityProfile.kubeletidentity.resourceId")
    if chosen is not None:
        return _answer(require_identity(world, chosen))
    return _answer(_identity(world, arm_group, f"{inputs['resourceName']}-agentpool", inputs))


def addons(world: World, arm_group: str, inputs: Body) -> Body:
    """Return the add-ons as answered: one that is on acts as an identity of its own."""
    answer: Body = {}
    for name, addon in (inputs.get("addonProfiles") or {}).items():
        answer[name] = dict(addon)
        if addon.get("enabled"):
            own = ADDON_IDENTITIES[name].format(inputs["resourceName"])
            answer[name]["identity"] = _answer(_identity(world, arm_group, own, inputs))
    return answer


def _identity(world: World, arm_group: str, name: str, inputs: Body) -> Record:
    arm_id = f"{arm_group}/providers/{IDENTITY}/{name}"
    outputs = {
        "location": inputs["location"],
        "name": name,
        "type": IDENTITY,
        "principalId": str(uuid.uuid4()),
        "clientId": str(uuid.uuid4()),
        "tenantId": world.client.tenant_id,
    }
    return world.get(arm_id) or _put(world, arm_id, IDENTITY, outputs)


def _put(world: World, arm_id: str, arm_type: str, outputs: Body) -> Record:
    record = Record(arm_id, arm_type, {}, outputs, created_at=world.now())
    world.put(record)
    return record


def _answer(identity: Record) -> Body:
    return {
        "resourceId": identity.arm_id,
        "clientId": identity.outputs["clientId"],
        "objectId": identity.outputs["principalId"],
    }
