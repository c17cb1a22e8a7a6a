"""Links of networks to private zones: without one, a name in the zone does not resolve."""

from collections.abc import Iterator

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup, parent_of
from local.cloud.resources.names import NETWORK_NAME, NETWORK_NAME_WORDS, name_rule
from local.cloud.resources.private_zone import LINK, refuse_location
from local.cloud.resources.subnet import require_reference
from local.cloud.world import World


class VirtualNetworkLink(ResourceType):
    """``Microsoft.Network/privateDnsZones/virtualNetworkLinks``."""

    token = "azure-native:privatedns:VirtualNetworkLink"
    type = LINK
    api_version = "2024-06-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.Network/privateDnsZones/{privateZoneName}"
        "/virtualNetworkLinks/{virtualNetworkLinkName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name and a regional location."""
        yield from name_rule(inputs, "virtualNetworkLinkName", NETWORK_NAME, NETWORK_NAME_WORDS)
        yield from refuse_location(inputs, self.type)

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse an unknown network, and one that already sees a zone of this name."""
        network = lookup(inputs, "virtualNetwork.id")
        if network is None:
            raise ArmError(400, "BadRequest", "The virtual network of the link is missing.")
        require_reference(world, arm_id, network)
        zone = _zone(arm_id)
        for other in world.of_type(LINK):
            if other.arm_id.lower() == arm_id.lower():
                continue
            if (
                _zone(other.arm_id).lower() == zone.lower()
                and str(other.outputs["virtualNetwork"]["id"]).lower() == str(network).lower()
            ):
                raise ArmError(
                    400,
                    "BadRequest",
                    "A virtual network cannot be linked to multiple zones with overlapping"
                    f" namespaces. You tried to link virtual network with '{zone}' and"
                    f" '{_zone(other.arm_id)}' zones.",
                )

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Link, at once."""
        return {
            **self.echo(arm_id, inputs),
            "provisioningState": "Succeeded",
            "virtualNetworkLinkState": "Completed",
        }


def _zone(link_id: str) -> str:
    return (parent_of(link_id) or "").rsplit("/", 1)[-1]
