"""Microsoft.DBforPostgreSQL/flexibleServers: a real PostgreSQL behind Azure's rules.

The server starts only while its identity can unwrap its data key. Every change
to a vault, key, identity or role assignment makes it look again: without access
the process is stopped (state ``Inaccessible``), with access it comes back. In the
same way its name leads to it only while the network around it lets it.
"""

import datetime as dt
import logging
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from typing_extensions import override

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup, without
from local.cloud.keyring import KeyUnavailable
from local.cloud.postgres.archive import Restore
from local.cloud.postgres.catalogue import DISK_IOPS, DISK_TIERS, find_sku
from local.cloud.postgres.copies import Copy
from local.cloud.postgres.custody import Custody
from local.cloud.postgres.errors import PostgresError
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.parameters import computed_defaults, defaults
from local.cloud.resources.reachability import reachable
from local.cloud.resources.server_admission import (
    admit_change,
    admit_key,
    admit_new,
    admit_region,
    customer_managed,
    is_copy,
    storage_gib,
)
from local.cloud.resources.server_child import (
    API_VERSION,
    SERVER,
    SERVER_PATH,
    running_server,
    server_is_busy,
)
from local.cloud.resources.server_origin import (
    admit_copy,
    admit_followed,
    is_replica,
    is_restore,
    origin_refusals,
    point_of,
    refuse_orphans,
    replicas_of,
    source_id,
)
from local.cloud.resources.server_rules import LOCAL_MAJOR, refusals
from local.cloud.world import IDENTITY, World

CONFIGURATION = f"{SERVER}/configurations"
DECIDES_ACCESS = ("/vaults/", "/userassignedidentities/", "/roleassignments/")
DECIDES_ROUTE = ("/privateendpoints/", "/privatednszones/")
SYSTEM_WINDOW = {"customWindow": "Disabled", "dayOfWeek": 0, "startHour": 0, "startMinute": 0}
LOG = logging.getLogger(__name__)


class FlexibleServer(ResourceType):
    """A server: refuses a key that its identity may not use, and stops without it."""

    token = "azure-native:dbforpostgresql:Server"
    type = SERVER
    api_version = API_VERSION
    path = SERVER_PATH
    # Marked create-only in the REST specification; what else cannot change (encryption,
    # network, a smaller disk) is planned in place and refused by Azure itself.
    immutable = (
        "administratorLogin",
        "availabilityZone",
        "sourceServerResourceId",
        "pointInTimeUTC",
    )
    secrets = ("administratorLoginPassword",)
    slow = True

    @override
    def check(self, inputs: Body) -> Iterator[Refusal]:
        yield from refusals(inputs)
        yield from origin_refusals(inputs)

    @override
    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        if old is None:
            admit_new(world, arm_id, inputs)
            if is_copy(inputs):
                admit_copy(world, inputs)
        else:
            admit_change(old.outputs, inputs)
            admit_followed(world, old, inputs)
        if customer_managed(inputs):
            admit_key(world, inputs, "primaryKeyURI", "primaryUserAssignedIdentityId")
            if lookup(inputs, "backup.geoRedundantBackup") == "Enabled":
                admit_key(world, inputs, "geoBackupKeyURI", "geoBackupUserAssignedIdentityId")
                admit_region(world, inputs)

    @override
    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        fleet = Fleet.current()
        fleet.start_router()
        sku = find_sku(lookup(inputs, "sku.name") or "Standard_D2s_v3")
        assert sku is not None  # noqa: S101 - check refused an unknown one
        computed = computed_defaults(sku.memory_gib, storage_gib(inputs))
        world.set_private(arm_id, {"computed": computed, "inherited": _inherited(world, inputs)})
        data_key = Custody(world, arm_id).create(inputs)
        server = fleet.server(arm_id.rsplit("/", 1)[-1])
        settings = {**defaults(computed), **_inherited(world, inputs)}
        origin = _origin(world, inputs)
        # Backups are of primaries.
        archived = not is_replica(inputs)
        server.create(fleet.authority, data_key, settings, origin, archived=archived)
        if origin is None:
            _set_password(server.name, inputs)
        _route(world, arm_id, inputs)
        return {
            **self._outputs(world, arm_id, without(inputs, _not_at_creation(inputs))),
            "systemData": {"createdAt": _timestamp(world.now()), "createdByType": "User"},
        }

    @override
    def read(self, world: World, record: Record) -> Body:
        access = access_of(world, record)
        if access.data_key is None:
            settle(world, record)  # a key expires without anybody writing anything
        outputs = {**record.outputs, "state": access.state}
        return _with_key_status(outputs, valid=access.data_key is not None)

    @override
    def update(self, world: World, record: Record, inputs: Body) -> Body:
        current = replace(record, inputs=inputs)
        Custody(world, record.arm_id).follow(inputs)
        settle(world, current)
        if lookup(inputs, "administratorLoginPassword") is not None:
            running_server(record)
            _set_password(record.name, inputs)
        if lookup(inputs, "sku.name") != lookup(record.outputs, "sku.name"):
            restart(world, current)
        outputs = self._outputs(world, record.arm_id, inputs)
        return {**record.outputs, **outputs}

    @override
    def delete(self, world: World, record: Record) -> None:
        refuse_orphans(world, record)
        fleet = Fleet.current()
        server = fleet.server(record.name)
        server.remove()
        fleet.withdraw(server)  # afterwards, as nobody publishes what does not exist

    @override
    def serialised_on(self, arm_id: str, inputs: Body) -> str | None:
        # A primary is «updating» while a replica of it is made, changed or deleted.
        return source_id(inputs) if is_replica(inputs) else arm_id

    @override
    def busy(self, holder: str) -> ArmError:
        return server_is_busy(holder)

    @override
    def watch(self, world: World, changed: str) -> None:
        if any(part in f"{changed.lower()}/" for part in (*DECIDES_ACCESS, *DECIDES_ROUTE)):
            settle_all(world)

    def _outputs(self, world: World, arm_id: str, inputs: Body) -> Body:
        size = storage_gib(inputs)
        tier = lookup(inputs, "storage.tier") or DISK_TIERS.get(size, "")
        server = Fleet.current().server(arm_id.rsplit("/", 1)[-1])
        body = self.echo(arm_id, inputs)
        storage = {"autoGrow": "Disabled", "type": "Premium_LRS", "tier": tier}
        disk = {"iops": DISK_IOPS.get(tier), "storageSizeGB": size, **body.get("storage", {})}
        availability = {"mode": "Disabled", **body.get("highAvailability", {})}
        enabled = availability["mode"] != "Disabled"
        answer = {
            **body,
            "availabilityZone": body.get("availabilityZone") or "1",
            "fullyQualifiedDomainName": server.fqdn,
            "highAvailability": {**availability, "state": "Healthy" if enabled else "NotEnabled"},
            "identity": _identity_outputs(world, body.get("identity")),
            "maintenanceWindow": {**SYSTEM_WINDOW, **body.get("maintenanceWindow", {})},
            "minorVersion": server.binaries.version.partition(".")[2],
            "network": {"publicNetworkAccess": "Enabled", **body.get("network", {})},
            "privateEndpointConnections": [],
            **_replication(inputs),
            **_brought_along(world, inputs),
            "state": "Ready",
            "storage": {**storage, **disk},
            "version": body.get("version", LOCAL_MAJOR),
        }
        return _with_key_status(answer, valid=True)


# -- whether it may run ------------------------------------------------------------------


@dataclass(frozen=True)
class Access:
    """What a look at the vault and at the process says."""

    data_key: str | None
    state: str
    """Azure's ``state``: Ready, Inaccessible or Stopped."""


def access_of(world: World, record: Record) -> Access:
    """Ask the vault for the data key, as the server's identity, and look at the process."""
    try:
        data_key = Custody(world, record.arm_id).open()
    except KeyUnavailable:
        return Access(None, "Inaccessible")
    running = Fleet.current().server(record.name).running
    return Access(data_key, "Ready" if running else "Stopped")


def settle(world: World, record: Record) -> None:
    """Make process and route agree with the vault and the network, in one step."""
    server = Fleet.current().server(record.name)
    with server.control():
        if not server.exists:
            return
        access = access_of(world, record)
        if access.data_key is None:
            server.stop()
        else:
            server.start(access.data_key, settings_of(world, record))
            _follow_rotation(world, record)
        _route(world, record.arm_id, record.inputs)


def settle_all(world: World) -> dict[str, str]:
    """Settle every server; return what is wrong with those that cannot be, by name.

    A server that does not start is the trouble of its own stack, and of no other.
    """
    failures = {}
    # Replicas last: each start may move what they follow.
    for record in sorted(world.of_type(SERVER), key=lambda each: is_replica(each.inputs)):
        try:
            settle(world, record)
        except SICKNESS as error:
            failures[record.name] = f"{type(error).__name__}: {error}"
            LOG.warning("server %s is left as it is: %s", record.name, error)
    return failures


SICKNESS = (PostgresError, ArmError, OSError, LookupError, ValueError, subprocess.SubprocessError)
"""What a broken folder, file, port or process raises."""


def _follow_rotation(world: World, record: Record) -> None:
    try:
        # Azure follows a rotation within a day; here it is followed at once.
        Custody(world, record.arm_id).follow(record.inputs)
    except KeyUnavailable:
        # The newest version is unusable, the one in use still works: keep that.
        return


def _route(world: World, arm_id: str, inputs: Body) -> None:
    fleet = Fleet.current()
    server = fleet.server(arm_id.rsplit("/", 1)[-1])
    if reachable(world, arm_id, inputs):
        fleet.publish(server)
    else:
        fleet.withdraw(server)


def restart(world: World, record: Record) -> None:
    """Restart the process, which is when static parameters take effect."""
    server = Fleet.current().server(record.name)
    with server.control():
        server.stop()
        settle(world, record)
    for replica in replicas_of(world, record.arm_id):
        settle(world, replica)  # what it follows may answer elsewhere now


def settings_of(
    world: World, record: Record, changed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return all parameters of a server: defaults, then what was written, then ``changed``."""
    written = {
        child.name: str(child.outputs["value"])
        for child in world.children(record.arm_id, CONFIGURATION)
    }
    inherited = world.private(record.arm_id).get("inherited", {})
    return {**defaults_of(world, record), **inherited, **written, **(changed or {})}


def defaults_of(world: World, record: Record) -> dict[str, str]:
    """Return the parameters' defaults, as computed from the size at creation."""
    return defaults(world.private(record.arm_id)["computed"])


# -- copies ------------------------------------------------------------------------------


def _origin(world: World, inputs: Body) -> Copy | Restore | None:
    """Return what a new server is made of, where that is another one."""
    if not is_copy(inputs):
        return None
    source = world.require(source_id(inputs))
    process, settings = Fleet.current().server(source.name), settings_of(world, source)
    if is_replica(inputs):
        return Copy(process, settings)
    return Restore(process, point_of(inputs), settings["max_prepared_transactions"])


def _inherited(world: World, inputs: Body) -> dict[str, str]:
    """Return the parameters that a replica begins with; a restored server has none of them."""
    if not is_replica(inputs):
        return {}
    return settings_of(world, world.require(source_id(inputs)))


def _not_at_creation(inputs: Body) -> tuple[str, ...]:
    """Return the inputs that Azure takes from an update only, and says nothing."""
    # A window can be read and updated by the REST specification, but not created; and a restored
    # server is a single one, whatever is asked for (Azure/azure-rest-api-specs#20600).
    alone = ("highAvailability",) if is_restore(inputs) else ()
    return ("maintenanceWindow", *alone)


def _replication(inputs: Body) -> Body:
    if not is_replica(inputs):
        return {"replicaCapacity": 5, "replicationRole": "Primary"}
    state = {"role": "AsyncReplica", "capacity": 0, "replicationState": "Active"}
    return {"replicaCapacity": 0, "replicationRole": "AsyncReplica", "replica": state}


def _brought_along(world: World, inputs: Body) -> Body:
    """Return what a copy has of its source without being asked for it."""
    if not is_copy(inputs):
        return {}
    source = world.get(source_id(inputs))
    login = inputs.get("administratorLogin") or (source and source.outputs["administratorLogin"])
    return {"administratorLogin": login}


# -- small things ------------------------------------------------------------------------


def _with_key_status(outputs: Body, *, valid: bool) -> Body:
    if not customer_managed(outputs):
        return outputs
    status = "Valid" if valid else "Invalid"
    encryption = {**outputs["dataEncryption"], "primaryEncryptionKeyStatus": status}
    return {**outputs, "dataEncryption": encryption}


def _set_password(name: str, inputs: Body) -> None:
    login, password = inputs.get("administratorLogin"), inputs.get("administratorLoginPassword")
    if login and password:
        Fleet.current().server(name).set_administrator(login, password)


def _identity_outputs(world: World, identity: Body | None) -> Body | None:
    """Return the identity as Azure answers it: each listed one with its ids in Entra."""
    if not identity:
        return identity
    listed: Body = {}
    for arm_id in identity.get("userAssignedIdentities") or {}:
        found = world.get(arm_id)
        if found is None or found.type != IDENTITY:
            raise ArmError(400, "InvalidIdentity", f"The identity '{arm_id}' was not found.")
        listed[arm_id] = {k: found.outputs[k] for k in ("clientId", "principalId")}
    return {**identity, "userAssignedIdentities": listed}


def _timestamp(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()
