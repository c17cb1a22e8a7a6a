"""Private endpoints: an address in our network for a service; approved at once."""

import ipaddress
from collections.abc import Iterator

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup
from local.cloud.resources.names import NETWORK_NAME, NETWORK_NAME_WORDS, name_rule
from local.cloud.resources.server_child import server_is_busy
from local.cloud.resources.subnet import (
    FLEXIBLE_SERVER,
    PRIVATE_ENDPOINT,
    prefixes_of,
    require_reference,
    users_of,
)
from local.cloud.world import World

GROUPS = {FLEXIBLE_SERVER: "postgresqlServer", "Microsoft.KeyVault/vaults": "vault"}
"""Target type -> its group id (sub-resource)."""
SUFFIXES = {
    FLEXIBLE_SERVER: "postgres.database.azure.com",
    "Microsoft.KeyVault/vaults": "vaultcore.azure.net",
}
"""Target type -> the zone of its public name; the private one begins with ``privatelink.``."""
RESERVED_ADDRESSES = 4
"""Network, gateway and two for DNS; the fifth is broadcast."""


class PrivateEndpoint(ResourceType):
    """``Microsoft.Network/privateEndpoints`` with one automatic connection."""

    token = "azure-native:network:PrivateEndpoint"
    type = PRIVATE_ENDPOINT
    api_version = "2024-05-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.Network/privateEndpoints/{privateEndpointName}"
    )
    immutable = ("subnet",)

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, no subnet, and anything but one automatic connection."""
        yield from name_rule(inputs, "privateEndpointName", NETWORK_NAME, NETWORK_NAME_WORDS)
        if "subnet" not in inputs:
            yield Refusal("subnet", "PrivateEndpointSubnetMissing", "missing; the subnet's id")
        if inputs.get("manualPrivateLinkServiceConnections"):
            yield Refusal(
                "manualPrivateLinkServiceConnections",
                "NotImplemented",
                "the local cloud approves automatically; use privateLinkServiceConnections",
            )
        connections = lookup(inputs, "privateLinkServiceConnections")
        if "privateLinkServiceConnections" not in inputs or connections == []:
            yield Refusal(
                "privateLinkServiceConnections",
                "PrivateEndpointMustHaveOneConnection",
                "missing; exactly one connection",
            )
        elif connections is not None and len(connections) > 1:
            yield Refusal(
                "privateLinkServiceConnections",
                "PrivateEndpointMustHaveOneConnection",
                f"{len(connections)} given; exactly one connection",
            )

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse a target that is not there, and a group the target has not."""
        connection = inputs["privateLinkServiceConnections"][0]
        target = world.require(connection["privateLinkServiceId"])
        group = GROUPS.get(target.type)
        asked = connection.get("groupIds") or []
        if asked != [group]:
            raise ArmError(
                400,
                "BadRequest",
                f"Call to {target.type} failed. Error message: groupIds {asked} are not supported;"
                f" '{target.arm_id}' has {[group] if group else 'none in the local cloud'}.",
            )
        if lookup(target.outputs, "network.delegatedSubnetResourceId"):
            raise ArmError(
                400,
                "BadRequest",
                f"Call to {target.type} failed. Error message: '{target.name}' lives in a delegated"
                " subnet; private endpoints are for servers with public access networking.",
            )

    def serialised_on(self, arm_id: str, inputs: Body) -> str | None:
        """Return the target if it is a server: approving an endpoint is a write to it, too."""
        target = str(inputs["privateLinkServiceConnections"][0]["privateLinkServiceId"])
        return target if f"/{FLEXIBLE_SERVER}/".lower() in target.lower() else None

    def busy(self, holder: str) -> ArmError:
        """Return the server's answer."""
        return server_is_busy(holder)

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Take an address in the subnet, which must be there, and approve the connection."""
        address = _free_address(world, arm_id, inputs["subnet"]["id"])
        connection = inputs["privateLinkServiceConnections"][0]
        target = world.require(connection["privateLinkServiceId"])
        approved = {"status": "Approved", "description": "Auto-Approved", "actionsRequired": "None"}
        return {
            **self.echo(arm_id, inputs),
            "provisioningState": "Succeeded",
            "networkInterfaces": [{"id": f"{_group(arm_id)}/networkInterfaces/{_nic(arm_id)}"}],
            "customDnsConfigs": [
                {"fqdn": f"{target.name}.{SUFFIXES[target.type]}", "ipAddresses": [address]}
            ],
            "privateLinkServiceConnections": [
                {
                    **connection,
                    "privateLinkServiceConnectionState": approved,
                    "provisioningState": "Succeeded",
                }
            ],
        }

    def update(self, world: World, record: Record, inputs: Body) -> Body:
        """Change tags or the connection; the address stays."""
        kept = ("networkInterfaces", "customDnsConfigs")
        fresh = self.create(world, record.arm_id, inputs)
        return {**fresh, **{key: record.outputs[key] for key in kept}}


def address_of(endpoint: Record) -> str:
    """Return the private address of an endpoint."""
    return str(endpoint.outputs["customDnsConfigs"][0]["ipAddresses"][0])


def _free_address(world: World, arm_id: str, subnet_id: str) -> str:
    subnet = require_reference(world, arm_id, subnet_id)
    endpoints = [u for u in users_of(world, subnet_id) if u.type == PRIVATE_ENDPOINT]
    taken = {address_of(e) for e in endpoints if e.arm_id.lower() != arm_id.lower()}
    for block in prefixes_of(subnet.outputs):
        first = int(block.network_address) + RESERVED_ADDRESSES
        for number in range(first, int(block.broadcast_address)):
            address = str(ipaddress.ip_address(number))
            if address not in taken:
                return address
    raise ArmError(
        400, "SubnetIsFull", f"Subnet {subnet.name} does not have enough capacity for 1 IP address."
    )


def _group(arm_id: str) -> str:
    return arm_id.rsplit("/", 2)[0]


def _nic(arm_id: str) -> str:
    return f"{arm_id.rsplit('/', 1)[-1]}.nic"
