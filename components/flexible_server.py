"""What every Flexible Server of ours has in common, whatever it is for.

Encryption can only be chosen when a server is made, and everything below a server is written one
at a time: Azure answers a second write with ServerIsBusy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import dbforpostgresql as pg

from components.server_parameters import STATIC


@dataclass(frozen=True, kw_only=True)
class Encryption:
    """A key, and the identity that may use it."""

    key_uri: pulumi.Input[str]
    """Without a version, so that a rotation needs no deployment."""
    identity_id: pulumi.Input[str]
    granted: pulumi.Resource
    """Ready when the identity's grant works."""


def host_name(server: pg.Server) -> pulumi.Output[str]:
    """Return where a server answers, from its name alone.

    Not the output fullyQualifiedDomainName, which a preview of any change to the server would not
    know, and with it nothing that follows.
    """
    return server.name.apply(lambda known: f"{known}.postgres.database.azure.com")


def authentication(tenant_id: str) -> pg.AuthConfigArgs:
    """Return who may log in: people with a token, machines with a password."""
    return pg.AuthConfigArgs(
        active_directory_auth=pg.MicrosoftEntraAuth.ENABLED,
        # For machines only: Zep and its pooler know user and password, and nothing else.
        password_auth=pg.PasswordBasedAuth.ENABLED,
        tenant_id=tenant_id,
    )


def identities(keys: Sequence[Encryption]) -> pg.UserAssignedIdentityArgs:
    """Return as whom the server asks the vault for its keys."""
    ids = pulumi.Output.all(*(key.identity_id for key in keys))
    return pg.UserAssignedIdentityArgs(
        type=pg.IdentityType.USER_ASSIGNED,
        user_assigned_identities=ids.apply(
            lambda known: {identity: pg.UserIdentityArgs() for identity in known}
        ),
    )


def data_encryption(primary: Encryption, geo: Encryption | None = None) -> pg.DataEncryptionArgs:
    """Return the keys of the data, and of their copy in the paired region."""
    return pg.DataEncryptionArgs(
        type=pg.DataEncryptionType.AZURE_KEY_VAULT,
        primary_key_uri=primary.key_uri,
        primary_user_assigned_identity_id=primary.identity_id,
        geo_backup_key_uri=geo.key_uri if geo else None,
        geo_backup_user_assigned_identity_id=geo.identity_id if geo else None,
    )


def not_ours(*, auto_grow: bool) -> list[str]:
    """Return what Azure changes by itself: zones swap in a fail-over, disks grow and speed up."""
    zones = ["availabilityZone", "highAvailability.standbyAvailabilityZone"]
    return [*zones, "storage.storageSizeGB", "storage.tier"] if auto_grow else zones


def below(
    parent: pulumi.Resource, server: pg.Server, *, after: pulumi.Resource, protect: bool = False
) -> pulumi.ResourceOptions:
    """Return the options of a child of the server: one at a time, and gone with it."""
    return pulumi.ResourceOptions(
        parent=parent, depends_on=[after], deleted_with=server, protect=protect
    )


def write_parameters(
    parent: pulumi.Resource,
    name: str,
    resource_group_name: pulumi.Input[str],
    server: pg.Server,
    parameters: Mapping[str, str],
) -> pulumi.Resource:
    """Declare the server's parameters one after another; return the last write."""
    last: pulumi.Resource = server
    static: dict[str, pg.Configuration] = {}
    for parameter, value in parameters.items():
        configuration = pg.Configuration(
            f"{name}-{parameter}",
            resource_group_name=resource_group_name,
            server_name=server.name,
            configuration_name=parameter,
            source="user-override",
            value=value,
            opts=below(parent, server, after=last),
        )
        if parameter in STATIC:
            static[parameter] = configuration
        last = configuration
    _report_restart(server, static)
    return last


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
