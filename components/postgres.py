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

from components.diagnostics import send_logs
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
from components.server_parameters import STATIC

PORT = 5432


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """A key, and the identity that may use it."""

    key_uri: pulumi.Input[str]
    """Without a version, so that a rotation needs no deployment."""
    identity_id: pulumi.Input[str]
    granted: pulumi.Resource
    """Ready when the identity's grant works."""


@dataclass(frozen=True, kw_only=True)
class EntraAdmin:
    """Who administers the server with a token."""

    object_id: str
    name: str
    type: pg.PrincipalType


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
    protected: bool


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
        if args.protected:
            self._lock(name, server, after=[last, logs])
        args.maintenance.report(server)
        self.server_id = server.id
        self.name = server.name
        # Not the output fullyQualifiedDomainName, which a preview of any change to the server
        # would not know, and with it nothing that follows.
        self.fqdn = server.name.apply(lambda known: f"{known}.postgres.database.azure.com")
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
            auth_config=_authentication(args),
            identity=_identities(keys),
            data_encryption=_data_encryption(args),
            network=pg.NetworkArgs(
                public_network_access=pg.ServerPublicNetworkAccessState.DISABLED
            ),
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[key.granted for key in keys],
                # A replacement would delete the data first: it is a restore, never a diff.
                protect=args.protected,
                ignore_changes=_not_ours(args),
                additional_secret_outputs=["administratorLoginPassword"],
            ),
        )

    def _parameters(self, name: str, args: PostgresArgs, server: pg.Server) -> pulumi.Resource:
        last: pulumi.Resource = server
        static: dict[str, pg.Configuration] = {}
        for parameter, value in args.parameters.items():
            configuration = pg.Configuration(
                f"{name}-{parameter}",
                resource_group_name=args.placement.resource_group_name,
                server_name=server.name,
                configuration_name=parameter,
                source="user-override",
                value=value,
                opts=self._below(server, after=last),
            )
            if parameter in STATIC:
                static[parameter] = configuration
            last = configuration
        _report_restart(server, static)
        return last

    def _databases(
        self, name: str, args: PostgresArgs, server: pg.Server, *, after: pulumi.Resource
    ) -> pulumi.Resource:
        for database in args.databases:
            after = pg.Database(
                f"{name}-{database}",
                resource_group_name=args.placement.resource_group_name,
                server_name=server.name,
                database_name=database,
                charset="UTF8",
                collation="en_US.utf8",
                opts=self._below(server, after=after, protect=args.protected),
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
            opts=self._below(server, after=after),
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

    def _lock(self, name: str, server: pg.Server, *, after: Sequence[pulumi.Resource]) -> None:
        forbid_delete(
            f"{name}-server-lock",
            server.id,
            pulumi.ResourceOptions(parent=self, depends_on=list(after)),
        )

    def _below(
        self, server: pg.Server, *, after: pulumi.Resource, protect: bool = False
    ) -> pulumi.ResourceOptions:
        """Return the options of a child of the server: one at a time, and gone with it."""
        return pulumi.ResourceOptions(
            parent=self, depends_on=[after], deleted_with=server, protect=protect
        )


def _authentication(args: PostgresArgs) -> pg.AuthConfigArgs:
    return pg.AuthConfigArgs(
        active_directory_auth=pg.MicrosoftEntraAuth.ENABLED,
        # For machines only: Zep and its pooler know user and password, and nothing else.
        password_auth=pg.PasswordBasedAuth.ENABLED,
        tenant_id=args.tenant_id,
    )


def _identities(keys: Sequence[Encryption]) -> pg.UserAssignedIdentityArgs:
    ids = pulumi.Output.all(*(key.identity_id for key in keys))
    return pg.UserAssignedIdentityArgs(
        type=pg.IdentityType.USER_ASSIGNED,
        user_assigned_identities=ids.apply(
            lambda known: {identity: pg.UserIdentityArgs() for identity in known}
        ),
    )


def _data_encryption(args: PostgresArgs) -> pg.DataEncryptionArgs:
    geo = args.geo_encryption
    return pg.DataEncryptionArgs(
        type=pg.DataEncryptionType.AZURE_KEY_VAULT,
        primary_key_uri=args.encryption.key_uri,
        primary_user_assigned_identity_id=args.encryption.identity_id,
        geo_backup_key_uri=geo.key_uri if geo else None,
        geo_backup_user_assigned_identity_id=geo.identity_id if geo else None,
    )


def _not_ours(args: PostgresArgs) -> list[str]:
    """Return what Azure changes by itself: zones swap in a fail-over, disks grow and speed up."""
    zones = ["availabilityZone", "highAvailability.standbyAvailabilityZone"]
    return [*zones, "storage.storageSizeGB", "storage.tier"] if args.auto_grow else zones


def _report_restart(server: pg.Server, static: Mapping[str, pg.Configuration]) -> None:
    """Say which parameters wait for a restart: neither Azure nor the provider restarts."""

    def report(pending: Sequence[bool | None]) -> None:
        waiting = [name for name, waits in zip(static, pending, strict=True) if waits]
        if waiting:
            pulumi.log.warn(
                f"{', '.join(waiting)}: as of the last refresh, in effect after the next restart"
                " (az postgres flexible-server restart); nothing restarts the server by itself",
                resource=server,
            )

    pulumi.Output.all(*(c.is_config_pending_restart for c in static.values())).apply(report)
