"""What the children of a Flexible Server share: one write at a time, on a server that is up."""

from typing import ClassVar

from typing_extensions import override

from local.cloud.arm import ArmError, Body, Record, ResourceType
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.server import Server
from local.cloud.world import World

SERVER = "Microsoft.DBforPostgreSQL/flexibleServers"
SERVER_PATH = (
    "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
    "/providers/Microsoft.DBforPostgreSQL/flexibleServers/{serverName}"
)
API_VERSION = "2025-08-01"


def server_is_busy(server_id: str) -> ArmError:
    """Return Azure's answer to a second write while a first one is under way."""
    name = server_id.rsplit("/", 1)[-1]
    return ArmError(
        409,
        "ServerIsBusy",
        f"Cannot complete operation while server '{name}' is busy processing another operation."
        " Try again later.",
    )


def running_server(server: Record) -> Server:
    """Return the process of a server; refuse while it is not up."""
    process = Fleet.current().server(server.name)
    if not process.running:
        raise ArmError(
            409,
            "ServerIsNotReady",
            f"Server '{server.name}' is not running. Is its encryption key enabled and granted?",
        )
    return process


class ServerChild(ResourceType):
    """A resource inside a server; writes to siblings exclude each other."""

    api_version = API_VERSION
    slow: ClassVar[bool] = True

    @override
    def serialised_on(self, arm_id: str, inputs: Body) -> str | None:
        return server_id_of(arm_id)

    @override
    def busy(self, holder: str) -> ArmError:
        return server_is_busy(holder)


def server_id_of(child_id: str) -> str:
    """Return the id of the server that a child belongs to."""
    return child_id.rsplit("/", 2)[0]


def server_of(world: World, child_id: str) -> Record:
    """Return the server that a child belongs to."""
    return world.require(server_id_of(child_id), "ParentResourceNotFound")
