"""The network: what is private has one way in, a name there, and nobody else beside it."""

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any, Final

from assurance.policies.azure import (
    CLUSTER,
    ENDPOINT,
    ENDPOINT_RECORD,
    NETWORK,
    PUBLIC_ADDRESS,
    SECURITY_GROUP,
    SERVER,
    SUBNET,
    VAULT,
    ZONE,
    ZONE_LINK,
)
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import must_be_off, unlike

SERVICES: Final = {SERVER: "postgresqlServer", VAULT: "vault"}
"""Azure's name of what an endpoint leads to: the group of a private link."""
ZONES: Final = {
    "postgresqlServer": "privatelink.postgres.database.azure.com",
    "vault": "privatelink.vaultcore.azure.net",
}
"""https://learn.microsoft.com/azure/private-link/private-endpoint-dns"""
PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
PRIVATE_6: Final = IPv6Network("fc00::/7")
"""RFC 1918, and RFC 4193."""
TAGS: Final = frozenset({"virtualnetwork", "azureloadbalancer"})
"""Azure's words for ranges in which only we, or its own probes, are."""
LAST_PRIORITY: Final = 4096
LINKS: Final = "privateLinkServiceConnections"


def _endpoints_of(stack: Stack, service: Resource) -> list[Resource]:
    """Return the private endpoints that lead to a server or vault."""
    return [
        endpoint
        for endpoint in stack.of_type(ENDPOINT)
        if any(
            endpoint.refers(f"{link}.privateLinkServiceId", service)
            and SERVICES[service.type] in (endpoint.get(f"{link}.groupIds") or ())
            for link in endpoint.items(LINKS)
        )
    ]


def _without_endpoint(stack: Stack, kind: str) -> Iterator[Fault]:
    for service in stack.of_type(kind):
        if not _endpoints_of(stack, service):
            yield service, f"no private endpoint leads to it; allowed: one of {SERVICES[kind]}"


@stack_rule(
    name="postgres-private-endpoint",
    title="Every database is reached through a private endpoint",
    severity=Severity.HIGH,
    remediation="Declare a PrivateEndpoint of the group postgresqlServer on the server.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
    azure_policy=("5375a5bb-22c6-46d7-8a43-83417cfb4460",),
    checkov=("CKV2_AZURE_57", "CKV2_AZURE_42"),
)
def postgres_private_endpoint(stack: Stack) -> Iterator[Fault]:
    """With public access off, it is the only way in."""
    yield from _without_endpoint(stack, SERVER)


@stack_rule(
    name="vault-private-endpoint",
    title="Every vault is reached through a private endpoint",
    severity=Severity.HIGH,
    remediation="Declare a PrivateEndpoint of the group vault on the vault.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
    azure_policy=(
        "a6abeaec-4d90-4a02-805f-6b26c4d3fbe9",
        "9d4fad1f-5189-4a42-b29e-cf7929c6b6df",
    ),
    checkov=("CKV2_AZURE_32",),
)
def vault_private_endpoint(stack: Stack) -> Iterator[Fault]:
    """With public access off, it is the only way in."""
    yield from _without_endpoint(stack, VAULT)


@stack_rule(
    name="network-endpoint-resolves",
    title="Every private endpoint has its name in the zone of its service",
    severity=Severity.HIGH,
    remediation="Give the endpoint a PrivateDnsZoneGroup with the service's privatelink zone.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-20",),
    azure_policy=("ac673a9a-f77d-4846-b2d8-a57f8e1c01d4",),
)
def endpoint_resolves(stack: Stack) -> Iterator[Fault]:
    """Otherwise the server's name leads to a public address, which nobody may use."""
    own = "privateEndpointName"
    for endpoint in stack.of_type(ENDPOINT):
        records = [it for it in stack.of_type(ENDPOINT_RECORD) if it.refers(own, endpoint, own=own)]
        for service in _services(endpoint):
            wanted = ZONES.get(service, "")
            if not any(_records_in(stack, record, wanted) for record in records):
                yield endpoint, f"no record of it is in the zone {wanted or service}"


def _services(endpoint: Resource) -> list[str]:
    """Return what an endpoint leads to, in Azure's words; of one that says nothing, that."""
    links = endpoint.items(LINKS)
    named = [str(group) for link in links for group in endpoint.get(f"{link}.groupIds") or ()]
    return named or ["what it leads to"]


def _records_in(stack: Stack, record: Resource, wanted: str) -> bool:
    return any(
        record.refers(f"{config}.privateDnsZoneId", zone)
        for config in record.items("privateDnsZoneConfigs")
        for zone in stack.of_type(ZONE)
        if zone.get("privateZoneName") == wanted
    )


@stack_rule(
    name="network-zone-linked",
    title="Every private zone is known in the network of the stack",
    severity=Severity.HIGH,
    remediation="Link the zone to the virtual network.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-20",),
)
def zone_linked(stack: Stack) -> Iterator[Fault]:
    """A name that only a zone knows is a name that nobody can ask for."""
    own = "privateZoneName"
    for zone in stack.of_type(ZONE):
        links = [link for link in stack.of_type(ZONE_LINK) if link.refers(own, zone, own=own)]
        networks = stack.of_type(NETWORK)
        if not any(link.refers("virtualNetwork.id", it) for link in links for it in networks):
            yield zone, "no network of the stack is linked to it"


@resource_rule(
    ZONE_LINK,
    name="network-zone-only-ours",
    title="Only what we declare is in a private zone",
    severity=Severity.LOW,
    remediation="Set registrationEnabled to false.",
    ai_rmf=("MEASURE 2.7",),
)
def zone_only_ours(link: Resource) -> Iterator[str]:
    """With registration, a machine that is called like a server takes its name."""
    yield from must_be_off(link.inputs, "registrationEnabled")


@stack_rule(
    name="network-subnet-guarded",
    title="Every subnet of the stack has a list of the stack: of who may enter",
    severity=Severity.HIGH,
    remediation="Give the subnet a network security group that the stack declares.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
)
def subnet_guarded(stack: Stack) -> Iterator[Fault]:
    """Azure's defaults let the whole network in; what stands in another list nobody here knows."""
    path, groups = "networkSecurityGroup.id", stack.of_type(SECURITY_GROUP)
    for subnet in stack.of_type(SUBNET):
        if not any(subnet.refers(path, group) for group in groups):
            yield subnet, f"{path} is no security group of the stack"


@stack_rule(
    name="network-endpoints-guarded",
    title="The list of who may enter holds for private endpoints, too",
    severity=Severity.MEDIUM,
    remediation="Set privateEndpointNetworkPolicies of the endpoints' subnet to"
    " NetworkSecurityGroupEnabled.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
)
def endpoints_guarded(stack: Stack) -> Iterator[Fault]:
    """Azure passes security groups over at endpoints unless the subnet says otherwise."""
    path = "privateEndpointNetworkPolicies"
    for subnet in stack.of_type(SUBNET):
        if any(endpoint.refers("subnet.id", subnet) for endpoint in stack.of_type(ENDPOINT)):
            found = subnet.get(path)
            if found not in ("NetworkSecurityGroupEnabled", "Enabled"):
                yield subnet, unlike(path, found, "NetworkSecurityGroupEnabled")


@stack_rule(
    name="network-endpoint-inside",
    title="Every private endpoint and every pool of nodes stands in the network of the stack",
    severity=Severity.HIGH,
    remediation="Name a subnet of the stack.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
)
def endpoint_inside(stack: Stack) -> Iterator[Fault]:
    """Elsewhere, somebody else decides who may enter."""
    subnets = stack.of_type(SUBNET)
    for endpoint in stack.of_type(ENDPOINT):
        if not any(endpoint.refers("subnet.id", subnet) for subnet in subnets):
            yield endpoint, "subnet.id is no subnet of the stack"
    for cluster in stack.of_type(CLUSTER):
        for pool in cluster.items("agentPoolProfiles"):
            if not any(cluster.refers(f"{pool}.vnetSubnetID", subnet) for subnet in subnets):
                yield cluster, f"{pool}.vnetSubnetID is no subnet of the stack"


@resource_rule(
    SECURITY_GROUP,
    name="network-denies-the-rest",
    title="Whoever is not listed may not enter",
    severity=Severity.HIGH,
    remediation=f"End the list with a rule of priority {LAST_PRIORITY} that denies all inbound.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7(5)",),
)
def denies_the_rest(group: Resource) -> Iterator[str]:
    """Azure's own last rules come after ours, and let the whole network in."""
    if not any(_denies_all(rule) for rule in group.get("securityRules") or ()):
        yield "no rule denies all inbound traffic; allowed: one, as the last"


def _denies_all(rule: Any) -> bool:
    asked = ("sourceAddressPrefix", "destinationAddressPrefix", "destinationPortRange", "protocol")
    return (
        (rule.get("access"), rule.get("direction")) == ("Deny", "Inbound")
        and all(rule.get(part) == "*" for part in asked)
        and rule.get("priority") == LAST_PRIORITY
    )


@resource_rule(
    SECURITY_GROUP,
    name="network-not-from-anywhere",
    title="No rule lets the internet in, or everything out",
    severity=Severity.CRITICAL,
    remediation="Name the ranges that are needed.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
    trivy=("AZU-0047", "AZU-0048", "AZU-0050", "AZU-0051", "AZU-0074"),
)
def not_from_anywhere(group: Resource) -> Iterator[str]:
    """A range that is too wide is how most data leaves."""
    for rule in group.get("securityRules") or ():
        if str(rule.get("access")).casefold() == "deny":
            continue
        inbound = str(rule.get("direction")).casefold() == "inbound"
        asked = "sourceAddressPrefix" if inbound else "destinationAddressPrefix"
        named = [it for it in (rule.get(asked), *(rule.get(f"{asked}es") or ())) if it]
        wide = [part for part in named if not _is_ours(str(part))]
        if wide or not named:
            allowed = "private ranges, VirtualNetwork or AzureLoadBalancer"
            yield unlike(f"{asked} of {rule.get('name')}", wide or None, allowed)


def _is_ours(named: str) -> bool:
    if named.casefold() in TAGS:
        return True
    try:
        wanted = ip_network(named)
    except ValueError:  # another of Azure's words, which are many, and grow
        return False
    if isinstance(wanted, IPv4Network):
        return any(wanted.subnet_of(it) for it in PRIVATE)
    return wanted.subnet_of(PRIVATE_6)


@resource_rule(
    PUBLIC_ADDRESS,
    name="network-no-public-address",
    title="Nothing of a stack has an address in the internet",
    severity=Severity.HIGH,
    remediation="Remove the address; a gateway inside of the network is enough.",
    ai_rmf=("MEASURE 2.7",),
    sp800_53=("SC-7",),
    trivy=("AZU-0076",),
)
def no_public_address(address: Resource) -> Iterator[str]:
    """An address is one day given to something."""
    yield f"{address.get('publicIpAddressName', address.name)} is public; allowed: none"
