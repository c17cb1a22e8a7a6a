"""components/network.py and components/private_endpoint.py"""

import pytest

from components.network import Network, NetworkArgs, NodesSubnet
from components.placement import Placement
from components.private_endpoint import PrivateEndpoint, PrivateEndpointArgs, PrivateService
from tests.deployment import Deployment, deploy

PLACE = Placement(resource_group_name="rg", location="westeurope", tags={"environment": "dev"})
PORTS = {PrivateService.KEY_VAULT: (443,), PrivateService.POSTGRES: (5432, 6432)}


NODES = NodesSubnet(cidr="10.20.8.0/22", pod_cidr="10.244.0.0/16")


def network(
    ports: dict[PrivateService, tuple[int, ...]], nodes: NodesSubnet | None = None
) -> Network:
    return Network(
        "net",
        NetworkArgs(
            placement=PLACE,
            address_space="10.20.0.0/16",
            endpoints_subnet="10.20.0.0/26",
            ports=ports,
            nodes=nodes,
        ),
    )


def deployed(ports: dict[PrivateService, tuple[int, ...]]) -> Deployment:
    return deploy(lambda: network(ports))


def test_only_the_services_ports_are_open_and_only_from_the_network() -> None:
    allow, deny = deployed(PORTS).one("azure-native:network:NetworkSecurityGroup")["securityRules"]
    assert allow["destinationPortRanges"] == ["443", "5432", "6432"]
    assert (allow["access"], allow["sourceAddressPrefix"]) == ("Allow", "VirtualNetwork")
    assert (deny["access"], deny["sourceAddressPrefix"], deny["protocol"]) == ("Deny", "*", "*")
    assert deny["priority"] > allow["priority"]


def test_the_security_group_holds_for_private_endpoints_too() -> None:
    subnet = deployed(PORTS).one("azure-native:network:Subnet")
    assert subnet["privateEndpointNetworkPolicies"] == "NetworkSecurityGroupEnabled"
    assert subnet["networkSecurityGroup"]["id"] == "/mock/net-nsg"


def test_nodes_and_pods_talk_among_themselves_and_nobody_comes_to_them() -> None:
    deployment = deploy(lambda: network(PORTS, NODES))
    group = deployment.all("azure-native:network:NetworkSecurityGroup")["net-nodes-nsg"]
    allow, deny = group["securityRules"]
    assert allow["sourceAddressPrefixes"] == ["10.20.8.0/22", "10.244.0.0/16"]
    assert allow["destinationAddressPrefixes"] == allow["sourceAddressPrefixes"]
    assert (allow["access"], allow["protocol"]) == ("Allow", "*")
    assert (deny["access"], deny["sourceAddressPrefix"], deny["direction"]) == (
        "Deny",
        "*",
        "Inbound",
    )


def test_the_nodes_have_a_subnet_of_their_own_written_after_the_first() -> None:
    deployment = deploy(lambda: network(PORTS, NODES))
    subnet = deployment.all("azure-native:network:Subnet")["net-nodes"]
    assert subnet["addressPrefix"] == "10.20.8.0/22"
    assert subnet["networkSecurityGroup"]["id"] == "/mock/net-nodes-nsg"
    assert "net-endpoints" in deployment.after("net-nodes")


def test_nodes_reach_the_services_from_their_subnet() -> None:
    groups = deploy(lambda: network(PORTS, NODES)).all("azure-native:network:NetworkSecurityGroup")
    allow, _ = groups["net-nsg"]["securityRules"]
    assert allow["sourceAddressPrefix"] == "VirtualNetwork", "which the nodes' subnet is part of"
    assert allow["destinationPortRanges"] == ["443", "5432", "6432"]


def test_without_a_service_nothing_is_let_in() -> None:
    group = deployed({}).one("azure-native:network:NetworkSecurityGroup")
    assert [rule["access"] for rule in group["securityRules"]] == ["Deny"]


@pytest.mark.parametrize("service", PrivateService)
def test_a_zone_is_made_and_linked_for_each_service_and_for_no_other(
    service: PrivateService,
) -> None:
    deployment = deployed({service: (1,)})
    assert deployment.one("azure-native:privatedns:PrivateZone")["privateZoneName"] == service.zone
    link = deployment.one("azure-native:privatedns:VirtualNetworkLink")
    assert link["virtualNetwork"] == {"id": "/mock/net-vnet"}
    assert link["registrationEnabled"] is False


def test_an_endpoint_comes_after_what_azure_must_have_finished() -> None:
    def program() -> None:
        entrance = network(PORTS).entrances[PrivateService.POSTGRES]
        PrivateEndpoint(
            "db",
            PrivateEndpointArgs(
                service=PrivateService.POSTGRES,
                target_id="/server",
                entrance=entrance,
                after=entrance.links,
            ),
        )

    deployment = deploy(program)
    endpoint = deployment.one("azure-native:network:PrivateEndpoint")
    (connection,) = endpoint["privateLinkServiceConnections"]
    assert connection["groupIds"] == ["postgresqlServer"]
    assert connection["privateLinkServiceId"] == "/server"
    assert "net-postgres-link" in deployment.after("db-endpoint")
    record = deployment.one("azure-native:network:PrivateDnsZoneGroup")
    assert record["privateDnsZoneConfigs"][0]["privateDnsZoneId"] == "/mock/net-postgres-zone"
