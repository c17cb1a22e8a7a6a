"""Private DNS zones: global, and not to be deleted while networks are linked."""

from collections.abc import Iterator

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup
from local.cloud.resources.names import name_rule
from local.cloud.world import World

ZONE = "Microsoft.Network/privateDnsZones"
LINK = "Microsoft.Network/privateDnsZones/virtualNetworkLinks"


def refuse_location(inputs: Body, arm_type: str) -> Iterator[Refusal]:
    """Refuse any location but global: the provider's default is a region."""
    location = lookup(inputs, "location")
    if location is not None and str(location).lower() != "global":
        yield Refusal(
            "location",
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type '{arm_type}'."
            " List of available regions for the resource type is 'global'.",
        )


class PrivateZone(ResourceType):
    """``Microsoft.Network/privateDnsZones``."""

    token = "azure-native:privatedns:PrivateZone"
    type = ZONE
    api_version = "2024-06-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.Network/privateDnsZones/{privateZoneName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name and a regional location."""
        yield from name_rule(
            inputs,
            "privateZoneName",
            r"(?:[A-Za-z0-9_](?:[\w-]{0,61}\w)?\.){1,33}[A-Za-z0-9_](?:[\w-]{0,61}\w)?",
            "2-34 labels of 1-63 letters, digits, '_' and '-', separated by dots",
            "BadRequest",
        )
        yield from refuse_location(inputs, self.type)

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Make it, with Azure's limits."""
        return {
            **self.echo(arm_id, inputs),
            "maxNumberOfRecordSets": 25000,
            "maxNumberOfVirtualNetworkLinks": 1000,
            "maxNumberOfVirtualNetworkLinksWithRegistration": 100,
            "provisioningState": "Succeeded",
        }

    def delete(self, world: World, record: Record) -> None:
        """Refuse while networks are linked."""
        links = world.children(record.arm_id, LINK)
        if links:
            raise ArmError(
                409,
                "CannotDeleteResource",
                "Cannot delete resource while nested resources exist. Some existing nested"
                f" resource IDs include: '{', '.join(link.arm_id for link in links)}'. Please"
                " delete all nested resources before deleting this resource.",
            )
