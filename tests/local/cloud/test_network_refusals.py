"""What a network's inputs alone give away is refused in Check, hence in a preview."""

import re

import pytest

from local.cloud.arm import UNKNOWN, Body
from tests.local.cloud import declared
from tests.local.cloud.conftest import Engine
from tests.local.cloud.declared import RG, rule

WRONG: list[tuple[str, Body, str, str]] = [
    (
        "network:NetworkSecurityGroup",
        {**declared.security_group(), "networkSecurityGroupName": "nsg-"},
        "networkSecurityGroupName",
        "InvalidResourceName",
    ),
    (
        "network:NetworkSecurityGroup",
        declared.security_group(rule(priority=99)),
        "securityRules[0].priority",
        "SecurityRuleInvalidPriority",
    ),
    (
        "network:NetworkSecurityGroup",
        declared.security_group(rule(priority=4097)),
        "securityRules[0].priority",
        "SecurityRuleInvalidPriority",
    ),
    (
        "network:NetworkSecurityGroup",
        declared.security_group(rule(), rule(name="b")),
        "securityRules[1].priority",
        "SecurityRuleConflict",
    ),
    (
        "network:NetworkSecurityGroup",
        declared.security_group(rule(), rule(priority=101)),
        "securityRules[1].name",
        "DuplicateResourceName",
    ),
    (
        "network:NetworkSecurityGroup",
        declared.security_group(rule(destinationPortRange="65536")),
        "securityRules[0].destinationPortRange",
        "SecurityRuleInvalidPortRange",
    ),
    (
        "network:NetworkSecurityGroup",
        declared.security_group(rule(sourcePortRange="9-1")),
        "securityRules[0].sourcePortRange",
        "SecurityRuleInvalidPortRange",
    ),
    (
        "network:NetworkSecurityGroup",
        declared.security_group(rule(sourceAddressPrefix="10.0.0/8")),
        "securityRules[0].sourceAddressPrefix",
        "SecurityRuleInvalidAddressPrefix",
    ),
    (
        "network:NetworkSecurityGroup",
        declared.security_group({k: v for k, v in rule().items() if k != "destinationPortRange"}),
        "securityRules[0].destinationPortRange",
        "is missing",
    ),
    (
        "network:VirtualNetwork",
        {**declared.network(), "virtualNetworkName": "-v"},
        "virtualNetworkName",
        "InvalidResourceName",
    ),
    (
        "network:VirtualNetwork",
        {**RG, "virtualNetworkName": "v"},
        "addressSpace",
        "InvalidRequestFormat",
    ),
    (
        "network:VirtualNetwork",
        declared.network("10.20.0.0/33"),
        "addressSpace.addressPrefixes",
        "InvalidAddressPrefixFormat",
    ),
    (
        "network:VirtualNetwork",
        declared.network("10.20.0.1/16"),
        "addressSpace.addressPrefixes",
        "should be 10.20.0.0/16",
    ),
    (
        "network:VirtualNetwork",
        {**declared.network(), "subnets": [{"name": "s"}]},
        "subnets",
        "NotImplemented",
    ),
    ("network:Subnet", declared.subnet("s-"), "subnetName", "InvalidResourceName"),
    (
        "network:Subnet",
        {**RG, "virtualNetworkName": "vnet", "subnetName": "s"},
        "addressPrefix",
        "InvalidRequestFormat",
    ),
    (
        "network:Subnet",
        declared.subnet(block="10.20.1.0/30"),
        "addressPrefix",
        "NetcfgInvalidSubnet",
    ),
    (
        "network:PrivateEndpoint",
        declared.endpoint("pe-"),
        "privateEndpointName",
        "InvalidResourceName",
    ),
    (
        "network:PrivateEndpoint",
        {k: v for k, v in declared.endpoint().items() if k != "subnet"},
        "subnet",
        "PrivateEndpointSubnetMissing",
    ),
    (
        "network:PrivateEndpoint",
        declared.endpoint(privateLinkServiceConnections=[]),
        "privateLinkServiceConnections",
        "PrivateEndpointMustHaveOneConnection",
    ),
    (
        "network:PrivateEndpoint",
        declared.endpoint(privateLinkServiceConnections=[{"name": "a"}, {"name": "b"}]),
        "privateLinkServiceConnections",
        "2 given",
    ),
    (
        "network:PrivateEndpoint",
        declared.endpoint(manualPrivateLinkServiceConnections=[{"name": "a"}]),
        "manualPrivateLinkServiceConnections",
        "NotImplemented",
    ),
    (
        "network:PrivateDnsZoneGroup",
        {**declared.zone_group("z"), "privateDnsZoneGroupName": "-"},
        "privateDnsZoneGroupName",
        "InvalidResourceName",
    ),
    (
        "network:PrivateDnsZoneGroup",
        declared.zone_group(),
        "privateDnsZoneConfigs",
        "0 zones given",
    ),
    (
        "network:PrivateDnsZoneGroup",
        declared.zone_group(*"abcdef"),
        "privateDnsZoneConfigs",
        "6 zones given",
    ),
    ("privatedns:PrivateZone", declared.zone("local"), "privateZoneName", "2-34 labels"),
    (
        "privatedns:PrivateZone",
        declared.zone(location="westeurope"),
        "location",
        "LocationNotAvailableForResourceType",
    ),
    (
        "privatedns:VirtualNetworkLink",
        declared.link("-"),
        "virtualNetworkLinkName",
        "InvalidResourceName",
    ),
    (
        "privatedns:VirtualNetworkLink",
        declared.link(location="westeurope"),
        "location",
        "LocationNotAvailableForResourceType",
    ),
]
RIGHT: list[tuple[str, Body]] = [
    (
        "network:NetworkSecurityGroup",
        declared.security_group(rule(), rule(direction="Outbound", name="b")),
    ),
    ("network:NetworkSecurityGroup", declared.security_group(rule(sourceAddressPrefix=UNKNOWN))),
    ("network:VirtualNetwork", declared.network("10.0.0.0/8", "fd00::/48")),
    ("network:Subnet", declared.subnet(block=UNKNOWN)),
    ("network:PrivateEndpoint", declared.endpoint(privateLinkServiceConnections=UNKNOWN)),
    ("privatedns:PrivateZone", declared.zone(location="Global")),
]


@pytest.mark.parametrize(
    ("token", "inputs", "path", "words"), WRONG, ids=[f"{t}-{p}-{w}" for t, _, p, w in WRONG]
)
def test_refuses(engine: Engine, token: str, inputs: Body, path: str, words: str) -> None:
    failures = engine.failures(token, inputs)
    assert [p for p, _ in failures] == [path]
    assert re.search(re.escape(words), failures[0][1])


@pytest.mark.parametrize(("token", "inputs"), RIGHT)
def test_takes(engine: Engine, token: str, inputs: Body) -> None:
    assert engine.failures(token, inputs) == []
