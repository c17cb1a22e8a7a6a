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
from local.cloud.keyring import KEY_URI, KeyUnavailable, find_vault
from local.cloud.postgres.catalogue import DISK_IOPS, DISK_TIERS, find_sku
from local.cloud.postgres.custody import CUSTOMER_MANAGED, Custody
from local.cloud.postgres.errors import PostgresError
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.parameters import computed_defaults, defaults
from local.cloud.resources.reachability import reachable
from local.cloud.resources.server_child import (
    API_VERSION,
    SERVER,
    SERVER_PATH,
    running_server,
    server_is_busy,
)
from local.cloud.resources.server_rules import INVALID, LOCAL_MAJOR, refusals
from local.cloud.world import IDENTITY, World

CONFIGURATION = f"{SERVER}/configurations"
DEFAULT_STORAGE_GIB = 32
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

    @override
    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        if old is None:
            _admit_new(world, arm_id, inputs)
        else:
            _admit_change(old.outputs, inputs)
        if _customer_managed(inputs):
            _admit_key(world, inputs, "primaryKeyURI", "primaryUserAssignedIdentityId")
            if lookup(inputs, "backup.geoRedundantBackup") == "Enabled":
                _admit_key(world, inputs, "geoBackupKeyURI", "geoBackupUserAssignedIdentityId")
                _admit_region(world, inputs)

    @override
    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        fleet = Fleet.current()
        fleet.start_router()
        sku = find_sku(lookup(inputs, "sku.name") or "Standard_D2s_v3")
        assert sku is not None  # noqa: S101 - check refused an unknown one
        computed = computed_defaults(sku.memory_gib, _storage_gib(inputs))
        world.set_private(arm_id, {"computed": computed})
        data_key = Custody(world, arm_id).create(inputs)
        server = fleet.server(arm_id.rsplit("/", 1)[-1])
        server.create(fleet.authority, data_key, defaults(computed))
        _set_password(server.name, inputs)
        _route(world, arm_id, inputs)
        return {
            # The REST specification lets a window be read and updated, but not created.
            **self._outputs(world, arm_id, without(inputs, ("maintenanceWindow",))),
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
        fleet = Fleet.current()
        server = fleet.server(record.name)
        server.remove()
        fleet.withdraw(server)  # afterwards, as nobody publishes what does not exist

    @override
    def serialised_on(self, arm_id: str, inputs: Body) -> str | None:
        return arm_id

    @override
    def busy(self, holder: str) -> ArmError:
        return server_is_busy(holder)

    @override
    def watch(self, world: World, changed: str) -> None:
        if any(part in f"{changed.lower()}/" for part in (*DECIDES_ACCESS, *DECIDES_ROUTE)):
            settle_all(world)

    def _outputs(self, world: World, arm_id: str, inputs: Body) -> Body:
        size = _storage_gib(inputs)
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
            "replicaCapacity": 5,
            "replicationRole": "Primary",
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
    for record in world.of_type(SERVER):
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


def settings_of(
    world: World, record: Record, changed: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return all parameters of a server: defaults, then what was written, then ``changed``."""
    written = {
        child.name: str(child.outputs["value"])
        for child in world.children(record.arm_id, CONFIGURATION)
    }
    return {**defaults_of(world, record), **written, **(changed or {})}


def defaults_of(world: World, record: Record) -> dict[str, str]:
    """Return the parameters' defaults, as computed from the size at creation."""
    return defaults(world.private(record.arm_id)["computed"])


# -- what Azure refuses ------------------------------------------------------------------


def _admit_new(world: World, arm_id: str, inputs: Body) -> None:
    name = arm_id.rsplit("/", 1)[-1]
    if any(other.name == name and other.arm_id != arm_id for other in world.of_type(SERVER)):
        raise ArmError(
            409, "ServerNameAlreadyExists", f"Specified server name '{name}' is already used."
        )
    if (lookup(inputs, "authConfig.passwordAuth") or "Enabled") == "Enabled":
        for needed in ("administratorLogin", "administratorLoginPassword"):
            if lookup(inputs, needed) is None:
                raise ArmError(
                    400, "MissingRequiredParameter", f"Missing value for parameter '{needed}'."
                )


def _admit_change(old: Body, inputs: Body) -> None:
    if _customer_managed(old) != _customer_managed(inputs):
        raise ArmError(
            400,
            "DataEncryptionModeCannotBeChanged",
            "You cannot enable data encryption on a server that was not created with data"
            " encryption, nor disable it: the mode is fixed at creation.",
        )
    fixed = ("backup.geoRedundantBackup", "network.delegatedSubnetResourceId", "storage.type")
    for path in fixed:
        before, after = lookup(old, path), lookup(inputs, path)
        if after is not None and before != after:
            raise ArmError(
                400, INVALID, f"{path} is fixed at creation: it is {before!r}, not {after!r}."
            )
    size = lookup(old, "storage.storageSizeGB")
    if _storage_gib(inputs) < size:
        raise ArmError(
            400,
            INVALID,
            f"Decreasing storage size is not supported: the disk has {size:.0f} GiB.",
        )


def _admit_key(world: World, inputs: Body, key: str, identity: str) -> None:
    """Refuse a key that the server could not live with; Key Vault's own refusals come last."""
    encryption = inputs["dataEncryption"]
    match = KEY_URI.fullmatch(encryption[key])
    vault = match and find_vault(world, match["vault"])
    if vault:
        protection = vault.outputs["properties"]
        if not (
            protection.get("enablePurgeProtection") and protection.get("enableSoftDelete", True)
        ):
            raise ArmError(
                400,
                "AzureKeyVaultNotRecoverable",
                f"The vault '{vault.name}' needs soft delete and purge protection to hold the key"
                " of a server.",
            )
    try:
        wrapped = world.wrap(encryption[identity], encryption[key], b"\0" * 64)
        world.unwrap(encryption[identity], wrapped)
    except KeyUnavailable as error:
        missing = error.status == 404  # noqa: PLR2004 - HTTP
        code = "AzureKeyVaultKeyNotFound" if missing else "AzureKeyVaultMissingPermissions"
        raise ArmError(
            400, code, f"The server cannot use {key} '{encryption[key]}': {error.message}"
        ) from error


def _admit_region(world: World, inputs: Body) -> None:
    """Refuse a geo-backup key that a disaster would take away together with the server."""
    match = KEY_URI.fullmatch(inputs["dataEncryption"]["geoBackupKeyURI"])
    vault = match and find_vault(world, match["vault"])
    if vault and _region(vault.outputs) == _region(inputs):
        raise ArmError(
            400,
            "CMKInvalidEncryptionParameters",
            "The input server encryption parameters are invalid. The geo-backup key must be in a"
            f" vault of the paired region; '{vault.name}' is in {_region(inputs)}, where the server"
            " is.",
        )


def _region(body: Body) -> str:
    return str(body.get("location", "")).lower().replace(" ", "")


# -- small things ------------------------------------------------------------------------


def _customer_managed(body: Body) -> bool:
    return bool(lookup(body, "dataEncryption.type") == CUSTOMER_MANAGED)


def _with_key_status(outputs: Body, *, valid: bool) -> Body:
    if not _customer_managed(outputs):
        return outputs
    status = "Valid" if valid else "Invalid"
    encryption = {**outputs["dataEncryption"], "primaryEncryptionKeyStatus": status}
    return {**outputs, "dataEncryption": encryption}


def _storage_gib(inputs: Body) -> int:
    return int(lookup(inputs, "storage.storageSizeGB") or DEFAULT_STORAGE_GIB)


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
