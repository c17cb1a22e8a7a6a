"""The stack's own network: a subnet of private endpoints, the zones that resolve them, and nodes.

Nothing here is reachable from the internet, and inside only the services' ports are open.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import network, privatedns

from components.naming import Kind, azure_name
from components.placement import Placement
from components.private_endpoint import Entrance, PrivateService

LAST_PRIORITY = 4096
"""Of a security rule; Azure's own defaults come after it."""


@dataclass(frozen=True, kw_only=True)
class NodesSubnet:
    """Where the nodes of a cluster are."""

    cidr: str
    pod_cidr: str
    """Of the cluster's overlay: its pods talk between nodes under these addresses."""


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """What a caller decides."""

    placement: Placement
    address_space: str
    endpoints_subnet: str
    ports: Mapping[PrivateService, tuple[int, ...]]
    """The services that get an address here, and the ports on which they answer."""
    nodes: NodesSubnet | None = None


class Network(pulumi.ComponentResource):
    """A network in which the given services, and nothing else, can be reached."""

    entrances: dict[PrivateService, Entrance]
    nodes_subnet_id: pulumi.Output[str] | None
    """None where there are no nodes."""

    def __init__(
        self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:Network", name, {}, opts)
        vnet = self._vnet(name, args)
        subnet = self._endpoints(name, args, vnet)
        self.nodes_subnet_id = (
            self._nodes(name, args, args.nodes, vnet, after=subnet).id if args.nodes else None
        )
        self.entrances = {
            service: self._entrance(name, args, service, vnet, subnet) for service in args.ports
        }
        self.register_outputs({"subnet_id": subnet.id})

    def _entrance(
        self,
        name: str,
        args: NetworkArgs,
        service: PrivateService,
        vnet: network.VirtualNetwork,
        subnet: network.Subnet,
    ) -> Entrance:
        zone = self._zone(name, args, service)
        link = self._link(name, args, service, zone, vnet)
        return Entrance(
            placement=args.placement, subnet_id=subnet.id, zone_id=zone.id, links=[link]
        )

    def _vnet(self, name: str, args: NetworkArgs) -> network.VirtualNetwork:
        return network.VirtualNetwork(
            f"{name}-vnet",
            resource_group_name=args.placement.resource_group_name,
            virtual_network_name=azure_name(Kind.VIRTUAL_NETWORK, name),
            location=args.placement.location,
            address_space=network.AddressSpaceArgs(address_prefixes=[args.address_space]),
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _security_group(
        self, name: str, part: str, args: NetworkArgs, rules: list[network.SecurityRuleArgs]
    ) -> network.NetworkSecurityGroup:
        return network.NetworkSecurityGroup(
            name,
            resource_group_name=args.placement.resource_group_name,
            network_security_group_name=part,
            location=args.placement.location,
            security_rules=[*rules, _deny_the_rest()],
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _endpoints(
        self, name: str, args: NetworkArgs, vnet: network.VirtualNetwork
    ) -> network.Subnet:
        ports = sorted({port for ports in args.ports.values() for port in ports})
        group_name = azure_name(Kind.SECURITY_GROUP, name, "endpoints")
        # Without a service there is no port, and a rule without a port is no rule.
        rules = [_allow_services(ports)] if ports else []
        group = self._security_group(f"{name}-nsg", group_name, args, rules)
        return network.Subnet(
            f"{name}-endpoints",
            resource_group_name=args.placement.resource_group_name,
            virtual_network_name=vnet.name,
            subnet_name=azure_name(Kind.SUBNET, name, "endpoints"),
            address_prefix=args.endpoints_subnet,
            network_security_group=network.NetworkSecurityGroupArgs(id=group.id),
            # Without this, Azure lets traffic to private endpoints pass every security group.
            private_endpoint_network_policies=(
                network.VirtualNetworkPrivateEndpointNetworkPolicies.NETWORK_SECURITY_GROUP_ENABLED
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _nodes(
        self,
        name: str,
        args: NetworkArgs,
        nodes: NodesSubnet,
        vnet: network.VirtualNetwork,
        *,
        after: network.Subnet,
    ) -> network.Subnet:
        group_name = azure_name(Kind.SECURITY_GROUP, name, "nodes")
        rules = [_allow_nodes(nodes)]
        group = self._security_group(f"{name}-nodes-nsg", group_name, args, rules)
        return network.Subnet(
            f"{name}-nodes",
            resource_group_name=args.placement.resource_group_name,
            virtual_network_name=vnet.name,
            subnet_name=azure_name(Kind.SUBNET, name, "nodes"),
            address_prefix=nodes.cidr,
            network_security_group=network.NetworkSecurityGroupArgs(id=group.id),
            # Azure writes one subnet of a network at a time (AnotherOperationInProgress).
            opts=pulumi.ResourceOptions(parent=self, depends_on=[after]),
        )

    def _zone(
        self, name: str, args: NetworkArgs, service: PrivateService
    ) -> privatedns.PrivateZone:
        return privatedns.PrivateZone(
            f"{name}-{_label(service)}-zone",
            resource_group_name=args.placement.resource_group_name,
            private_zone_name=service.zone,
            location="Global",
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _link(
        self,
        name: str,
        args: NetworkArgs,
        service: PrivateService,
        zone: privatedns.PrivateZone,
        vnet: network.VirtualNetwork,
    ) -> privatedns.VirtualNetworkLink:
        return privatedns.VirtualNetworkLink(
            f"{name}-{_label(service)}-link",
            resource_group_name=args.placement.resource_group_name,
            private_zone_name=zone.name,
            virtual_network_link_name=azure_name(Kind.ZONE_LINK, name),
            location="Global",
            registration_enabled=False,
            virtual_network=privatedns.SubResourceArgs(id=vnet.id),
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _label(service: PrivateService) -> str:
    return service.name.lower().replace("_", "-")


def _allow_services(ports: list[int]) -> network.SecurityRuleArgs:
    return network.SecurityRuleArgs(
        name="allow-services",
        description="The services' own ports, from this network and those peered with it",
        priority=100,
        direction=network.SecurityRuleDirection.INBOUND,
        access=network.SecurityRuleAccess.ALLOW,
        protocol=network.SecurityRuleProtocol.TCP,
        source_address_prefix="VirtualNetwork",
        source_port_range="*",
        destination_address_prefix="VirtualNetwork",
        destination_port_ranges=[str(port) for port in ports],
    )


def _allow_nodes(nodes: NodesSubnet) -> network.SecurityRuleArgs:
    """Return the rule for nodes and pods among themselves; no subnet asks for more inside it.

    https://learn.microsoft.com/azure/aks/concepts-network-azure-cni-overlay
    """
    inside = [nodes.cidr, nodes.pod_cidr]
    return network.SecurityRuleArgs(
        name="allow-cluster",
        description="Nodes and pods of the cluster, among themselves",
        priority=100,
        direction=network.SecurityRuleDirection.INBOUND,
        access=network.SecurityRuleAccess.ALLOW,
        protocol=network.SecurityRuleProtocol.ASTERISK,
        source_address_prefixes=inside,
        source_port_range="*",
        destination_address_prefixes=inside,
        destination_port_range="*",
    )


def _deny_the_rest() -> network.SecurityRuleArgs:
    return network.SecurityRuleArgs(
        name="deny-the-rest",
        description="Azure's defaults would let the whole network in",
        priority=LAST_PRIORITY,
        direction=network.SecurityRuleDirection.INBOUND,
        access=network.SecurityRuleAccess.DENY,
        protocol=network.SecurityRuleProtocol.ASTERISK,
        source_address_prefix="*",
        source_port_range="*",
        destination_address_prefix="*",
        destination_port_range="*",
    )
