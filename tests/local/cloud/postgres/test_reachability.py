"""local/cloud/resources/reachability.py, and the endpoint that it is about."""

import pytest

from local.cloud.arm import Body, Record
from local.cloud.resources.reachability import ZONE, reachable
from local.cloud.resources.server_child import SERVER, server_is_busy
from tests.local.cloud import declared
from tests.local.cloud.conftest import GROUP, Engine, Refused

SERVER_ID = f"{GROUP}/providers/{SERVER}/psql-unit"
ZONE_ID = f"{GROUP}/providers/Microsoft.Network/privateDnsZones/{ZONE}"
PRIVATE: Body = {"network": {"publicNetworkAccess": "Disabled"}}
CONNECTION = {
    "name": "c",
    "privateLinkServiceId": SERVER_ID,
    "groupIds": ["postgresqlServer"],
}
STEPS: list[tuple[str, Body]] = [
    ("privatedns:PrivateZone", declared.zone(ZONE)),
    ("network:PrivateEndpoint", declared.endpoint(privateLinkServiceConnections=[CONNECTION])),
    ("network:PrivateDnsZoneGroup", declared.zone_group(ZONE_ID)),
    ("privatedns:VirtualNetworkLink", declared.link(privateZoneName=ZONE)),
]


@pytest.fixture
def cloud(engine: Engine) -> Engine:
    """A network, and a server that nobody can reach."""
    engine.create("network:VirtualNetwork", declared.network())
    engine.create("network:Subnet", declared.subnet())
    engine.world.put(Record(SERVER_ID, SERVER, {}, {}))
    return engine


def create(cloud: Engine, *steps: int) -> list[tuple[str, str]]:
    return [(STEPS[i][0], cloud.create(*STEPS[i], name=f"n{i}")[0]) for i in steps]


def test_each_part_of_the_private_way_is_needed(cloud: Engine) -> None:
    made = []
    for step in range(len(STEPS)):
        assert not reachable(cloud.world, SERVER_ID, PRIVATE)
        made += create(cloud, step)
    assert reachable(cloud.world, SERVER_ID, PRIVATE)
    cloud.delete(*made[-1])
    assert not reachable(cloud.world, SERVER_ID, PRIVATE)


def test_the_way_leads_to_one_server(cloud: Engine) -> None:
    create(cloud, 0, 1, 2, 3)
    assert reachable(cloud.world, SERVER_ID.upper(), PRIVATE)
    assert not reachable(cloud.world, SERVER_ID + "-b", PRIVATE)


def test_another_zone_does_not_resolve_the_servers_name(cloud: Engine) -> None:
    other = "privatelink.vaultcore.azure.net"
    cloud.create("privatedns:PrivateZone", declared.zone(other))
    cloud.create("privatedns:VirtualNetworkLink", declared.link())
    create(cloud, 1)
    cloud.create("network:PrivateDnsZoneGroup", declared.zone_group(ZONE_ID.replace(ZONE, other)))
    assert not reachable(cloud.world, SERVER_ID, PRIVATE)


@pytest.mark.parametrize("inputs", [{}, {"network": {"publicNetworkAccess": "Enabled"}}])
def test_public_access_needs_no_endpoint(cloud: Engine, inputs: Body) -> None:
    assert reachable(cloud.world, SERVER_ID, inputs)


def test_a_server_in_a_subnet_needs_its_zone_linked(cloud: Engine) -> None:
    create(cloud, 0)
    injected = {"network": {"privateDnsZoneArmResourceId": ZONE_ID}}
    assert not reachable(cloud.world, SERVER_ID, injected)
    create(cloud, 3)
    assert reachable(cloud.world, SERVER_ID, injected)


def test_an_endpoint_is_a_write_to_its_server(cloud: Engine) -> None:
    with (
        cloud.world.busy(SERVER_ID, "test", server_is_busy(SERVER_ID)),
        pytest.raises(Refused, match=r"ServerIsBusy.*'psql-unit' is busy processing another"),
    ):
        create(cloud, 1)
    (made,) = create(cloud, 1)
    with (
        cloud.world.busy(SERVER_ID, "test", server_is_busy(SERVER_ID)),
        pytest.raises(Refused, match="ServerIsBusy"),
    ):
        cloud.delete(*made)
