"""Server parameters: written, reset to their default, never created or destroyed."""

from collections.abc import Iterator

from typing_extensions import override

from local.cloud.arm import ArmError, Body, Record, Refusal, lookup
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.parameters import CATALOGUE, Parameter
from local.cloud.resources.flexible_server import CONFIGURATION, defaults_of, settings_of
from local.cloud.resources.server_child import (
    SERVER_PATH,
    ServerChild,
    running_server,
    server_of,
)
from local.cloud.world import World

POOLER = "pgbouncer."


class Configuration(ServerChild):
    """A parameter: dynamic ones act at once, static ones wait for a restart."""

    token = "azure-native:dbforpostgresql:Configuration"
    type = CONFIGURATION
    path = SERVER_PATH + "/configurations/{configurationName}"
    singleton = True

    @override
    def check(self, inputs: Body) -> Iterator[Refusal]:
        name, value = lookup(inputs, "configurationName"), lookup(inputs, "value")
        if name is None:
            return
        parameter = CATALOGUE.get(name)
        if parameter is None:
            yield Refusal(
                "configurationName",
                "ConfigurationNotExists",
                f"The configuration '{name}' does not exist for PostgreSQL server version 18"
                " (or is missing in local/cloud/postgres/parameters.csv).",
            )
        elif value is not None:
            yield from _refused(parameter, str(value))

    @override
    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        server = server_of(world, arm_id)
        running_server(server)
        name = arm_id.rsplit("/", 1)[-1]
        if not name.startswith(POOLER):
            return
        burstable = lookup(server.outputs, "sku.tier") == "Burstable"
        enabled = settings_of(world, server)["pgbouncer.enabled"] == "true"
        if burstable or (name != "pgbouncer.enabled" and not enabled):
            raise ArmError(
                404,
                "ConfigurationNotExists",
                f"The configuration '{name}' does not exist on server '{server.name}': pgbouncer"
                " needs the tier GeneralPurpose or MemoryOptimized, and pgbouncer.enabled = true.",
            )

    @override
    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        server = server_of(world, arm_id)
        parameter = CATALOGUE[arm_id.rsplit("/", 1)[-1]]
        asked = lookup(inputs, "value")
        changed = {} if asked is None else {parameter.name: str(asked)}
        settings = settings_of(world, server, changed)
        running_server(server).reload(settings)
        value = settings[parameter.name]
        return {
            **self.echo(arm_id, inputs),
            "value": value,
            "source": inputs.get("source", "user-override"),
            "defaultValue": defaults_of(world, server)[parameter.name],
            "dataType": parameter.type,
            "allowedValues": parameter.allowed,
            "isDynamicConfig": parameter.kind == "dynamic",
            "isReadOnly": parameter.kind == "read-only",
            "isConfigPendingRestart": _pending(server, parameter, value),
        }

    @override
    def update(self, world: World, record: Record, inputs: Body) -> Body:
        return self.create(world, record.arm_id, inputs)

    @override
    def read(self, world: World, record: Record) -> Body:
        server = server_of(world, record.arm_id)
        pending = _pending(server, CATALOGUE[record.name], str(record.outputs["value"]))
        return {**record.outputs, "isConfigPendingRestart": pending}

    @override
    def delete(self, world: World, record: Record) -> None:
        # As the real provider does: the default is written, and the parameter stays.
        server = server_of(world, record.arm_id)
        default = defaults_of(world, server)[record.name]
        running_server(server).reload(settings_of(world, server, {record.name: default}))
        world.delete(record.arm_id)


def _refused(parameter: Parameter, value: str) -> Iterator[Refusal]:
    if parameter.kind == "read-only":
        yield Refusal(
            "value",
            "OperationFailed",
            f"The parameter '{parameter.name}' is read-only; it is '{parameter.default}'.",
        )
    elif not parameter.accepts(value):
        yield Refusal(
            "value",
            "InvalidParameterValue",
            "Invalid value given for parameter configurationValue. Specify a valid parameter value:"
            f" '{parameter.name}' takes {parameter.allowed}, not '{value}'.",
        )


def _pending(server: Record, parameter: Parameter, value: str) -> bool:
    """Tell whether a static parameter differs from what the process was started with."""
    started = Fleet.current().server(server.name).started_with
    return parameter.kind == "static" and started[parameter.name].lower() != value.lower()
