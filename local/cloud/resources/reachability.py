"""Whether clients can find a Flexible Server: what the network around it says.

A name leads nowhere until it resolves to an address that a client can reach. At
home that decides whether the router knows the name, so that a program which
forgets the endpoint, its record or the zone's link fails here and not on Azure.
"""

from local.cloud.arm import Body, Record, lookup
from local.cloud.resources.private_zone import LINK
from local.cloud.resources.subnet import PRIVATE_ENDPOINT
from local.cloud.world import World

ZONE = "privatelink.postgres.database.azure.com"
"""The only zone to which Azure's public name of a server points."""


def reachable(world: World, server_id: str, inputs: Body) -> bool:
    """Tell whether the server has a public entrance, or a private one with its record."""
    zone = lookup(inputs, "network.privateDnsZoneArmResourceId")
    if zone is not None:
        return _linked(world, zone)
    if (lookup(inputs, "network.publicNetworkAccess") or "Enabled") == "Enabled":
        return True
    endpoints = world.of_type(PRIVATE_ENDPOINT)
    return any(_leads_to(e, server_id) and _resolves(world, e) for e in endpoints)


def _leads_to(endpoint: Record, server_id: str) -> bool:
    return any(
        str(connection["privateLinkServiceId"]).lower() == server_id.lower()
        and lookup(connection, "privateLinkServiceConnectionState.status") == "Approved"
        for connection in endpoint.outputs["privateLinkServiceConnections"]
    )


def _resolves(world: World, endpoint: Record) -> bool:
    """Tell whether the endpoint's address is in the zone, and some network sees the zone."""
    zones = [
        str(config["privateDnsZoneId"])
        for group in world.children(endpoint.arm_id)
        for config in group.outputs.get("privateDnsZoneConfigs", ())
    ]
    return any(zone.lower().endswith(f"/{ZONE}") and _linked(world, zone) for zone in zones)


def _linked(world: World, zone_id: str) -> bool:
    return bool(world.children(zone_id, LINK))
