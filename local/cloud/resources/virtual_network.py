"""Virtual networks: an address space that the subnets divide."""

import ipaddress
from collections.abc import Iterator

from local.cloud.arm import Body, Record, Refusal, ResourceType, lookup
from local.cloud.resources.names import NETWORK_NAME, NETWORK_NAME_WORDS, name_rule, stable_guid
from local.cloud.resources.subnet import (
    SUBNET,
    prefixes_of,
    refuse_bad_prefix,
    refuse_in_use,
    refuse_outside,
)
from local.cloud.world import World


class VirtualNetwork(ResourceType):
    """``Microsoft.Network/virtualNetworks``; subnets are resources of their own."""

    token = "azure-native:network:VirtualNetwork"
    type = "Microsoft.Network/virtualNetworks"
    api_version = "2024-05-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.Network/virtualNetworks/{virtualNetworkName}"
    )
    immutable = ("location",)

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name or address space, and what this cloud has not."""
        yield from name_rule(inputs, "virtualNetworkName", NETWORK_NAME, NETWORK_NAME_WORDS)
        if "addressSpace" not in inputs:
            yield Refusal("addressSpace", "InvalidRequestFormat", "missing; a list of CIDR blocks")
        for prefix in lookup(inputs, "addressSpace.addressPrefixes") or []:
            yield from refuse_bad_prefix("addressSpace.addressPrefixes", prefix)
        if inputs.get("subnets"):
            yield Refusal(
                "subnets",
                "NotImplemented",
                "the local cloud takes subnets as network.Subnet only; inline ones make every"
                " refresh noisy anyway",
            )

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse an address space that no longer holds the subnets."""
        space = [
            ipaddress.ip_network(p) for p in lookup(inputs, "addressSpace.addressPrefixes") or []
        ]
        for subnet in world.children(arm_id, SUBNET):
            refuse_outside(subnet.arm_id, prefixes_of(subnet.outputs), space)

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Make it."""
        return {
            **self.echo(arm_id, inputs),
            "provisioningState": "Succeeded",
            "resourceGuid": stable_guid(arm_id),
        }

    def delete(self, world: World, record: Record) -> None:
        """Refuse while something sits in a subnet."""
        for subnet in world.children(record.arm_id, SUBNET):
            refuse_in_use(world, subnet)
