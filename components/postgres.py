"""A PostgreSQL Flexible Server whose storage is encrypted with a key we own.

Encryption can only be chosen when the server is made, and everything below a server is
written one at a time: Azure answers a second write with ServerIsBusy.  This component keeps
both orders, so that no caller has to know them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dbforpostgresql as pg
from pulumi_azure_native import monitor

from components.alerts import MetricAlerts, MetricAlertsArgs, server_thresholds
from components.diagnostics import send_logs
from components.flexible_server import (
    Encryption,
    authentication,
    below,
    data_encryption,
    host_name,
    identities,
    not_ours,
    write_parameters,
)
from components.lock import forbid_delete
from components.maintenance import MaintenanceWindow
from components.naming import Kind, unique_name
from components.placement import Placement
from components.private_endpoint import (
    Entrance,
    PrivateEndpoint,
    PrivateEndpointArgs,
    PrivateService,
)
from components.server_parameters import of_nodes

__all__ = ["PORT", "Backup", "Encryption", "EntraAdmin", "Nodes", "Postgres", "PostgresArgs"]

PORT = 5432


@dataclass(frozen=True, kw_only=True)
class EntraAdmin:
    """Who administers the server with a token."""

    object_id: str
    name: str
    type: pg.PrincipalType


@dataclass(frozen=True, kw_only=True)
class Backup:
    """What a server is made of: the data of another one, as they were."""

    server_id: pulumi.Input[str]
    """That server's ARM id; it must be in the same subscription and region."""
    point_in_time: str
    """In UTC, ISO 8601, e.g. ``2026-11-23T10:00:00Z``."""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """The servers of an elastic cluster: Citus, which Azure runs.

    One is the coordinator and answers on 5432; 7432 leads to any of them.  All have the SKU and
    the disk of the server's arguments.
    """

    count: int
    database: str
    """The one database; Azure refuses another, and makes the extension citus in it."""


@dataclass(frozen=True, kw_only=True)
class PostgresArgs:
    """What a caller decides; the rest is the component's business."""

    placement: Placement
    tenant_id: str
    suffix: pulumi.Input[str]
    version: pg.PostgresMajorVersion
    sku: pg.SkuArgs
    storage: pg.StorageArgs
    auto_grow: bool
    backup: pg.BackupArgs
    high_availability: pg.HighAvailabilityArgs
    availability_zone: str
    maintenance: MaintenanceWindow
    admin_login: str
    admin_password: pulumi.Input[str]
    entra_admin: EntraAdmin
    encryption: Encryption
    geo_encryption: Encryption | None
    """Of the copy in the paired region, where backups are geo-redundant."""
    parameters: Mapping[str, str]
    databases: Sequence[str]
    entrance: Entrance
    workspace_id: pulumi.Input[str]
    action_group_id: pulumi.Input[str]
    user_connections: int
    """How many the size leaves to its users; an alert comes before they are all taken."""
    protected: bool
    restore: Backup | None = None
    nodes: Nodes | None = None


class Postgres(pulumi.ComponentResource):
    """A private, encrypted, audited server, ready for its schema."""

    server_id: pulumi.Output[str]
    name: pulumi.Output[str]
    fqdn: pulumi.Output[str]

    def __init__(
        self, name: str, args: PostgresArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:Postgres", name, {}, opts)
        server = self._server(name, args)
        last = self._parameters(name, args, server)
        last = self._databases(name, args, server, after=last)
        last = self._entra_admin(name, args, server, after=last)
        last = self._endpoint(name, args, server, after=last)
        logs = self._diagnostics(name, args, server)
        self._alerts(name, args, server)
        if args.protected:
            self._lock(name, server, after=[last, logs])
        args.maintenance.report(server)
        self.server_id = server.id
        self.name = server.name
        self.fqdn = host_name(server)
        self.resource: pulumi.Resource = server
        """What takes everything below it along when it is replaced."""
        self.ready: pulumi.Resource = last
        """The last write: after it the server can be reached and used."""
        self.register_outputs({"server_id": self.server_id, "fqdn": self.fqdn})

    def _server(self, name: str, args: PostgresArgs) -> pg.Server:
        keys = [key for key in (args.encryption, args.geo_encryption) if key is not None]
        return pg.Server(
            f"{name}-server",
            resource_group_name=args.placement.resource_group_name,
            server_name=unique_name(Kind.POSTGRES, name, args.suffix),
            location=args.placement.location,
            version=args.version,
            sku=args.sku,
            storage=args.storage,
            backup=args.backup,
            high_availability=args.high_availability,
            availability_zone=args.availability_zone,
            maintenance_window=args.maintenance.args(),
            administrator_login=args.admin_login,
            administrator_login_password=pulumi.Output.secret(args.admin_password),
            auth_config=authentication(args.tenant_id),
            identity=identities(keys),
            data_encryption=data_encryption(args.encryption, args.geo_encryption),
            network=pg.NetworkArgs(
                public_network_access=pg.ServerPublicNetworkAccessState.DISABLED
            ),
            tags=args.placement.tags,
            cluster=_cluster(args.nodes),
            create_mode=pg.CreateMode.POINT_IN_TIME_RESTORE if args.restore else None,
            source_server_resource_id=args.restore.server_id if args.restore else None,
            point_in_time_utc=args.restore.point_in_time if args.restore else None,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[key.granted for key in keys],
                # A replacement would delete the data first: it is a restore, never a diff.
                protect=args.protected,
                ignore_changes=[*not_ours(auto_grow=args.auto_grow), *_origin(args.restore)],
                additional_secret_outputs=["administratorLoginPassword"],
            ),
        )

    def _parameters(self, name: str, args: PostgresArgs, server: pg.Server) -> pulumi.Resource:
        group = args.placement.resource_group_name
        parameters = of_nodes(args.parameters) if args.nodes else args.parameters
        return write_parameters(self, name, group, server, parameters)

    def _databases(
        self, name: str, args: PostgresArgs, server: pg.Server, *, after: pulumi.Resource
    ) -> pulumi.Resource:
        # What a restored server was made of has them, and Azure makes the one of a cluster: neither
        # can be declared, as Pulumi refuses to create what stands.
        made = () if args.restore or args.nodes else args.databases
        for database in made:
            after = pg.Database(
                f"{name}-{database}",
                resource_group_name=args.placement.resource_group_name,
                server_name=server.name,
                database_name=database,
                charset="UTF8",
                collation="en_US.utf8",
                opts=below(self, server, after=after, protect=args.protected),
            )
        return after

    def _entra_admin(
        self, name: str, args: PostgresArgs, server: pg.Server, *, after: pulumi.Resource
    ) -> pulumi.Resource:
        # Another administrator replaces this one.  A locked server keeps the old one (ScopeLocked)
        # until somebody lifts the lock, and says so; to leave it there silently would be worse.
        return pg.AdministratorsMicrosoftEntra(
            f"{name}-entra-admin",
            resource_group_name=args.placement.resource_group_name,
            server_name=server.name,
            object_id=args.entra_admin.object_id,
            principal_name=args.entra_admin.name,
            principal_type=args.entra_admin.type,
            tenant_id=args.tenant_id,
            opts=below(self, server, after=after),
        )

    def _endpoint(
        self, name: str, args: PostgresArgs, server: pg.Server, *, after: pulumi.Resource
    ) -> pulumi.Resource:
        return PrivateEndpoint(
            f"{name}-server",
            PrivateEndpointArgs(
                service=PrivateService.POSTGRES,
                target_id=server.id,
                entrance=args.entrance,
                # Approving an endpoint is a write to the server, too.
                after=[after],
            ),
            pulumi.ResourceOptions(parent=self),
        )

    def _diagnostics(
        self, name: str, args: PostgresArgs, server: pg.Server
    ) -> monitor.DiagnosticSetting:
        return send_logs(
            f"{name}-server-logs",
            of=server.id,
            to=args.workspace_id,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _alerts(self, name: str, args: PostgresArgs, server: pg.Server) -> None:
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

    def _lock(self, name: str, server: pg.Server, *, after: Sequence[pulumi.Resource]) -> None:
        forbid_delete(
            f"{name}-server-lock",
            server.id,
            pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )


def _origin(restore: Backup | None) -> Sequence[str]:
    """Return what says how a restored server was made: edited later, it would make it again."""
    return ["createMode", "sourceServerResourceId", "pointInTimeUTC"] if restore else []


def _cluster(nodes: Nodes | None) -> pg.ClusterArgs | None:
    if nodes is None:
        return None
    return pg.ClusterArgs(cluster_size=nodes.count, default_database_name=nodes.database)
