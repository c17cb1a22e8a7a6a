"""Databases of a Flexible Server: created and dropped for real."""

from collections.abc import Iterator

from psycopg import sql
from typing_extensions import override

from local.cloud.arm import ArmError, Body, Record, Refusal, lookup
from local.cloud.postgres.server import ADMIN_GROUP
from local.cloud.resources.names import name_rule
from local.cloud.resources.server_child import (
    SERVER,
    SERVER_PATH,
    ServerChild,
    running_server,
    server_of,
)
from local.cloud.world import World

SYSTEM_DATABASES = frozenset({"azure_maintenance", "azure_sys", "template0", "template1"})
DEFAULT_CHARSET = "UTF8"
DEFAULT_COLLATION = "en_US.utf8"
C_COLLATIONS = frozenset({"c", "posix"})


class Database(ServerChild):
    """A database, owned by ``azure_pg_admin``.

    Collations of languages depend on what the machine has installed, so that all
    of them become PostgreSQL's own C.UTF-8 here; the answer says what was asked for.
    """

    token = "azure-native:dbforpostgresql:Database"
    type = f"{SERVER}/databases"
    path = SERVER_PATH + "/databases/{databaseName}"

    @override
    def check(self, inputs: Body) -> Iterator[Refusal]:
        yield from name_rule(
            inputs,
            "databaseName",
            r"[A-Za-z_-][A-Za-z0-9_-]{0,62}",
            "use 1-63 letters, digits, '-' and '_', not starting with a digit",
            "InvalidParameterValue",
        )
        name = lookup(inputs, "databaseName")
        if name in SYSTEM_DATABASES:
            yield Refusal("databaseName", "InvalidParameterValue", f"'{name}' belongs to Azure.")

    @override
    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        running_server(server_of(world, arm_id))
        for part in ("charset", "collation"):
            asked = inputs.get(part)
            if old is not None and asked not in (None, old.outputs[part]):
                raise ArmError(
                    400,
                    "InvalidParameterValue",
                    f"The {part} of database '{old.name}' is {old.outputs[part]} and cannot become"
                    f" {asked}: make another database and copy the data.",
                )

    @override
    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        name = arm_id.rsplit("/", 1)[-1]
        charset = inputs.get("charset", DEFAULT_CHARSET)
        collation = inputs.get("collation", DEFAULT_COLLATION)
        with running_server(server_of(world, arm_id)).superuser() as db:
            # One that is there already was left by a write that could not answer.
            if db.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
                db.execute(_create_statement(name, charset, collation))
        return {**self.echo(arm_id, inputs), "charset": charset, "collation": collation}

    @override
    def delete(self, world: World, record: Record) -> None:
        with running_server(server_of(world, record.arm_id)).superuser() as db:
            db.execute(
                sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(
                    sql.Identifier(record.name)
                )
            )


def _create_statement(name: str, charset: str, collation: str) -> sql.Composed:
    utf8 = charset.upper().replace("-", "") == DEFAULT_CHARSET
    if utf8 and collation.lower() not in C_COLLATIONS:
        locale = sql.SQL("LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8' LOCALE 'C'")
    else:
        locale = sql.SQL("LOCALE_PROVIDER libc LOCALE 'C'")
    return sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING {} {}").format(
        sql.Identifier(name), sql.Identifier(ADMIN_GROUP), sql.Literal(charset), locale
    )
