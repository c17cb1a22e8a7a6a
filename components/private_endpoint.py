"""A service of Azure, reached by a private address under its own public name."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pulumi
from pulumi_azure_native import network

from components.naming import Kind, azure_name
from components.placement import Placement


class PrivateService(Enum):
    """A kind of service: the name of its private link, and the zone that resolves it.

    https://learn.microsoft.com/azure/private-link/private-endpoint-dns
    """

    POSTGRES = ("postgresqlServer", "privatelink.postgres.database.azure.com")
    KEY_VAULT = ("vault", "privatelink.vaultcore.azure.net")

    def __init__(self, group_id: str, zone: str) -> None:
        self.group_id = group_id
        self.zone = zone


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """The place in a network where a service may be given an address."""

    placement: Placement
    subnet_id: pulumi.Input[str]
    zone_id: pulumi.Input[str]
    links: Sequence[pulumi.Resource] = ()
    """What makes the zone known in the network; a customer's own zone is linked already."""


@dataclass(frozen=True, kw_only=True)
class PrivateEndpointArgs:
    """What a caller decides."""

    service: PrivateService
    target_id: pulumi.Input[str]
    entrance: Entrance
    after: Sequence[pulumi.Resource] = ()
    """What Azure must have finished; ``depends_on`` of a component does not reach its children."""


class PrivateEndpoint(pulumi.ComponentResource):
    """An address in the subnet, and the record that leads the service's name to it."""

    def __init__(
        self, name: str, args: PrivateEndpointArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:PrivateEndpoint", name, {}, opts)
        endpoint = self._endpoint(name, args)
        self._record(name, args, endpoint)
        self.register_outputs({})

    def _endpoint(self, name: str, args: PrivateEndpointArgs) -> network.PrivateEndpoint:
        placement = args.entrance.placement
        return network.PrivateEndpoint(
            f"{name}-endpoint",
            resource_group_name=placement.resource_group_name,
            private_endpoint_name=azure_name(Kind.PRIVATE_ENDPOINT, name),
            location=placement.location,
            subnet=network.SubnetArgs(id=args.entrance.subnet_id),
            private_link_service_connections=[
                network.PrivateLinkServiceConnectionArgs(
                    name=args.service.group_id,
                    group_ids=[args.service.group_id],
                    private_link_service_id=args.target_id,
                )
            ],
            tags=placement.tags,
            opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.after)),
        )

    def _record(
        self, name: str, args: PrivateEndpointArgs, endpoint: network.PrivateEndpoint
    ) -> network.PrivateDnsZoneGroup:
        return network.PrivateDnsZoneGroup(
            f"{name}-record",
            resource_group_name=args.entrance.placement.resource_group_name,
            private_endpoint_name=endpoint.name,
            private_dns_zone_group_name="default",
            private_dns_zone_configs=[
                network.PrivateDnsZoneConfigArgs(
                    name=args.service.group_id, private_dns_zone_id=args.entrance.zone_id
                )
            ],
            opts=pulumi.ResourceOptions(parent=self),
        )
