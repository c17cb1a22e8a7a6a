"""Microsoft Entra administrators of a Flexible Server."""

from collections.abc import Iterator

from psycopg import sql
from typing_extensions import override

from local.cloud.arm import ArmError, Body, Record, Refusal, lookup
from local.cloud.postgres.server import ADMIN_GROUP
from local.cloud.resources.names import is_guid
from local.cloud.resources.server_child import (
    SERVER,
    SERVER_PATH,
    ServerChild,
    running_server,
    server_of,
)
from local.cloud.world import World


class EntraAdministrator(ServerChild):
    """A role with an administrator's rights; nobody issues tokens here, so nobody logs in.

    When it is removed the role loses its rights and stays, as it may own objects.
    """

    token = "azure-native:dbforpostgresql:AdministratorsMicrosoftEntra"
    type = f"{SERVER}/administrators"
    path = SERVER_PATH + "/administrators/{objectId}"
    immutable = ("principalName", "principalType", "tenantId")

    @override
    def check(self, inputs: Body) -> Iterator[Refusal]:
        for needed in ("principalName", "principalType", "tenantId"):
            if needed not in inputs:
                yield Refusal(
                    needed, "MissingRequiredParameter", f"Missing value for parameter '{needed}'."
                )
        for guid in ("objectId", "tenantId"):
            value = lookup(inputs, guid)
            if value is not None and not is_guid(str(value)):
                yield Refusal(guid, "InvalidParameterValue", f"'{value}' is no GUID.")

    @override
    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        server = server_of(world, arm_id)
        running_server(server)
        if lookup(server.outputs, "authConfig.activeDirectoryAuth") != "Enabled":
            raise ArmError(
                400,
                "AadAuthDisabled",
                f"Server '{server.name}' does not take Microsoft Entra tokens: set"
                " authConfig.activeDirectoryAuth to Enabled.",
            )

    @override
    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        login = str(inputs["principalName"])
        server = running_server(server_of(world, arm_id))
        server.add_administrator(login)
        with server.superuser() as db:
            db.execute(sql.SQL("ALTER ROLE {} PASSWORD NULL").format(sql.Identifier(login)))
        return {**self.echo(arm_id, inputs), "objectId": inputs["objectId"]}

    @override
    def delete(self, world: World, record: Record) -> None:
        role = sql.Identifier(str(record.outputs["principalName"]))
        with running_server(server_of(world, record.arm_id)).superuser() as db:
            db.execute(sql.SQL("REVOKE {} FROM {}").format(sql.Identifier(ADMIN_GROUP), role))
            db.execute(sql.SQL("ALTER ROLE {} NOLOGIN NOCREATEDB NOCREATEROLE").format(role))
