"""A Flexible Server that follows another one, and answers reads.

Logins, databases and rows are the followed server's.  It has neither backups nor a standby, which
Azure gives to no replica, and nothing that could not be made again: it is neither protected nor
locked.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dbforpostgresql as pg

from components.alerts import MetricAlerts, MetricAlertsArgs, server_thresholds
from components.diagnostics import send_logs
from components.flexible_server import (
    Encryption,
    authentication,
    data_encryption,
    host_name,
    identities,
    not_ours,
    write_parameters,
)
from components.maintenance import MaintenanceWindow
from components.naming import Kind, unique_name
from components.placement import Placement
from components.private_endpoint import (
    Entrance,
    PrivateEndpoint,
    PrivateEndpointArgs,
    PrivateService,
)


@dataclass(frozen=True, kw_only=True)
class ReadReplicaArgs:
    """What a caller decides; the rest is the component's business."""

    placement: Placement
    """In the followed server's region, where its key is."""
    tenant_id: str
    suffix: pulumi.Input[str]
    source_id: pulumi.Input[str]
    """ARM id of the server that it follows."""
    source_ready: pulumi.Resource
    """The last write to that server, which is busy while a replica is made of it."""
    sku: pg.SkuArgs
    """At least the followed server's, and never Burstable."""
    storage: pg.StorageArgs
    """At least the followed server's, and growing by itself where that one does."""
    auto_grow: bool
    availability_zone: str
    maintenance: MaintenanceWindow
    encryption: Encryption
    parameters: Mapping[str, str]
    """A replica begins with those of the server, and is told of no later change to them."""
    entrance: Entrance
    workspace_id: pulumi.Input[str]
    action_group_id: pulumi.Input[str]
    user_connections: int
    """How many its size leaves to its users."""


class ReadReplica(pulumi.ComponentResource):
    """A private, encrypted copy that lags by moments."""

    server_id: pulumi.Output[str]
    name: pulumi.Output[str]
    fqdn: pulumi.Output[str]

    def __init__(
        self, name: str, args: ReadReplicaArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:ReadReplica", name, {}, opts)
        server = self._server(name, args)
        group = args.placement.resource_group_name
        last = write_parameters(self, name, group, server, args.parameters)
        self._endpoint(name, args, server, after=last)
        send_logs(
            f"{name}-server-logs",
            of=server.id,
            to=args.workspace_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        MetricAlerts(
            f"{name}-server",
            MetricAlertsArgs(
                scope=server.id,
                thresholds=server_thresholds(args.user_connections),
                action_group_id=args.action_group_id,
                placement=args.placement,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        args.maintenance.report(server)
        self.server_id = server.id
        self.name = server.name
        self.fqdn = host_name(server)
        self.ready: pulumi.Resource = last
        """The last write to it: until then Azure makes no further replica of the same server."""
        self.register_outputs({"server_id": self.server_id, "fqdn": self.fqdn})

    def _server(self, name: str, args: ReadReplicaArgs) -> pg.Server:
        return pg.Server(
            f"{name}-server",
            resource_group_name=args.placement.resource_group_name,
            server_name=unique_name(Kind.POSTGRES, name, args.suffix),
            location=args.placement.location,
            create_mode=pg.CreateMode.REPLICA,
            source_server_resource_id=args.source_id,
            sku=args.sku,
            storage=args.storage,
            availability_zone=args.availability_zone,
            maintenance_window=args.maintenance.args(),
            auth_config=authentication(args.tenant_id),
            identity=identities([args.encryption]),
            data_encryption=data_encryption(args.encryption),
            network=pg.NetworkArgs(
                public_network_access=pg.ServerPublicNetworkAccessState.DISABLED
            ),
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[args.encryption.granted, args.source_ready],
                ignore_changes=not_ours(auto_grow=args.auto_grow),
            ),
        )

    def _endpoint(
        self, name: str, args: ReadReplicaArgs, server: pg.Server, *, after: pulumi.Resource
    ) -> None:
        PrivateEndpoint(
            f"{name}-server",
            PrivateEndpointArgs(
                service=PrivateService.POSTGRES,
                target_id=server.id,
                entrance=args.entrance,
                after=[after],
            ),
            pulumi.ResourceOptions(parent=self),
        )
