"""The functions of azure-native that the local cloud answers: questions, not resources."""

import base64
from collections.abc import Callable, Mapping

from local.cloud.arm import ArmError, Body
from local.cloud.cluster import fleet
from local.cloud.resources.key import Key
from local.cloud.resources.managed_cluster import ManagedCluster, explained
from local.cloud.world import World

CONTAINER_SERVICE = "azure-native:containerservice"


def no_such_function(token: str) -> ArmError:
    """Return the answer to a function that is not there."""
    return ArmError(
        501,
        "NotImplemented",
        f"The local cloud has no function '{token}'. Pass its result in by configuration.",
    )


def call(world: World, token: str, inputs: Body) -> Body:
    """Answer a function; one that is not there is refused by name."""
    found = FUNCTIONS.get(token)
    if found is None:
        raise no_such_function(token)
    return found(world, inputs)


def _user_credentials(world: World, inputs: Body) -> Body:
    """Return the way in for users.

    On Azure that of a cluster with Entra names no credential: kubelogin gets one. Here it
    holds a client certificate in every case.
    """
    return _kubeconfig(world, inputs, "clusterUser")


def _admin_credentials(world: World, inputs: Body) -> Body:
    cluster = world.require(_id(world, ManagedCluster(), inputs))
    if cluster.outputs["disableLocalAccounts"]:
        raise ArmError(
            400,
            "BadRequest",
            "Getting static credential is not allowed because this cluster is set to disable local"
            " accounts.",
        )
    return _kubeconfig(world, inputs, "clusterAdmin")


def _kubeconfig(world: World, inputs: Body, name: str) -> Body:
    cluster = world.require(_id(world, ManagedCluster(), inputs))
    with explained():
        access = fleet.access(cluster.arm_id)
    text = base64.b64encode(access.kubeconfig.encode()).decode()
    return {"kubeconfigs": [{"name": name, "value": text}]}


def _key(world: World, inputs: Body) -> Body:
    type_ = Key()
    record = world.require(_id(world, type_, inputs))
    return {**type_.read(world, record), "id": record.arm_id}


def _id(world: World, type_: ManagedCluster | Key, inputs: Body) -> str:
    try:
        return type_.arm_id(world.client.subscription_id, inputs)
    except KeyError as error:
        raise ArmError(
            400, "MissingProperty", f"missing required property '{error.args[0]}'"
        ) from error


FUNCTIONS: Mapping[str, Callable[[World, Body], Body]] = {
    f"{CONTAINER_SERVICE}:listManagedClusterUserCredentials": _user_credentials,
    f"{CONTAINER_SERVICE}:listManagedClusterAdminCredentials": _admin_credentials,
    "azure-native:keyvault:getKey": _key,
}
