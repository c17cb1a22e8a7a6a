"""What writes a private endpoint's address into private DNS zones."""

from collections.abc import Iterator

from local.cloud.arm import Body, Record, Refusal, ResourceType, lookup, parent_of
from local.cloud.resources.names import NETWORK_NAME, NETWORK_NAME_WORDS, name_rule
from local.cloud.resources.private_endpoint import address_of
from local.cloud.resources.subnet import require_reference
from local.cloud.world import World

MAX_ZONES = 5


class PrivateDnsZoneGroup(ResourceType):
    """``Microsoft.Network/privateEndpoints/privateDnsZoneGroups``."""

    token = "azure-native:network:PrivateDnsZoneGroup"
    type = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups"
    api_version = "2024-05-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.Network/privateEndpoints/{privateEndpointName}"
        "/privateDnsZoneGroups/{privateDnsZoneGroupName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, no zone, and more zones than Azure takes."""
        yield from name_rule(inputs, "privateDnsZoneGroupName", NETWORK_NAME, NETWORK_NAME_WORDS)
        configs = lookup(inputs, "privateDnsZoneConfigs")
        if configs is not None and not 1 <= len(configs) <= MAX_ZONES:
            yield Refusal(
                "privateDnsZoneConfigs",
                "InvalidPrivateDnsZoneGroup",
                f"{len(configs)} zones given; 1-{MAX_ZONES} are allowed",
            )

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse a zone that is not there."""
        for config in inputs.get("privateDnsZoneConfigs", []):
            require_reference(world, arm_id, config["privateDnsZoneId"])

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Register the endpoint's address."""
        endpoint = world.require(parent_of(arm_id) or "")
        name = str(endpoint.outputs["customDnsConfigs"][0]["fqdn"]).partition(".")[0]
        configs = [
            {**config, "recordSets": [_record_set(config, name, address_of(endpoint))]}
            for config in inputs.get("privateDnsZoneConfigs", [])
        ]
        return {
            **self.echo(arm_id, inputs),
            "privateDnsZoneConfigs": configs,
            "provisioningState": "Succeeded",
        }


def _record_set(config: Body, name: str, address: str) -> Body:
    zone = str(config["privateDnsZoneId"]).rsplit("/", 1)[-1]
    return {
        "recordType": "A",
        "recordSetName": name,
        "fqdn": f"{name}.{zone}",
        "ttl": 10,
        "ipAddresses": [address],
        "provisioningState": "Succeeded",
    }
