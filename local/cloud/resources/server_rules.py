"""What Azure refuses of a Flexible Server from its inputs alone."""

import re
from collections.abc import Callable, Iterator

from local.cloud.arm import Body, Refusal, given, lookup
from local.cloud.postgres.catalogue import DISK_TIERS, allowed_disk_tiers, find_sku
from local.cloud.postgres.custody import CUSTOMER_MANAGED

INVALID = "InvalidParameterValue"
SERVER_NAME = r"(?=.{3,63}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?"
BLOCKED_LOGINS = frozenset(
    {"azure_superuser", "azure_pg_admin", "azuresu", "admin", "administrator", "root", "guest"}
    | {"public", "replication"}
)
LOCAL_MAJOR = "18"
PASSWORD_KINDS = (r"[A-Z]", r"[a-z]", r"[0-9]", r"[^A-Za-z0-9]")
PASSWORD_LENGTHS = range(8, 129)
KINDS_REQUIRED = 3
RETENTION_DAYS = range(7, 36)
REPLICA, RESTORE = COPIES = ("Replica", "PointInTimeRestore")
SUPPORTED_MODES = ("Default", "Create", *COPIES)
NOT_LOCAL = "NotImplemented"

Rule = Callable[[Body], Iterator[Refusal]]


def refusals(inputs: Body) -> Iterator[Refusal]:
    """Yield every mistake."""
    for rule in RULES:
        yield from rule(inputs)


def _name(inputs: Body) -> Iterator[Refusal]:
    name = lookup(inputs, "serverName")
    if name is not None and not re.fullmatch(SERVER_NAME, name):
        yield Refusal(
            "serverName",
            INVALID,
            "Invalid value given for parameter serverName. Specify a valid parameter value:"
            f" '{name}' must be 3-63 lower-case letters, digits and inner hyphens.",
        )


def _login(inputs: Body) -> Iterator[Refusal]:
    login = lookup(inputs, "administratorLogin")
    if login is None:
        return
    if login.lower() in BLOCKED_LOGINS or login.lower().startswith("pg_"):
        yield Refusal(
            "administratorLogin",
            "BlockedUserName",
            f"The login '{login}' is reserved; choose another.",
        )
    elif not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", login):
        yield Refusal(
            "administratorLogin",
            "InvalidUserName",
            f"The login '{login}' must be 1-63 letters, digits and '_', not starting with a digit.",
        )


def _password(inputs: Body) -> Iterator[Refusal]:
    path = "administratorLoginPassword"
    password = lookup(inputs, path)
    if password is None:
        return
    kinds = sum(bool(re.search(kind, password)) for kind in PASSWORD_KINDS)
    if len(password) < PASSWORD_LENGTHS.start:
        yield Refusal(path, "PasswordTooShort", "The password needs at least 8 characters.")
    elif len(password) >= PASSWORD_LENGTHS.stop:
        yield Refusal(path, "PasswordTooLong", "The password may have at most 128 characters.")
    elif kinds < KINDS_REQUIRED:
        yield Refusal(
            path,
            "PasswordNotComplex",
            "The password needs three of: upper-case letters, lower-case letters, digits, symbols.",
        )


def _sku(inputs: Body) -> Iterator[Refusal]:
    name, tier = lookup(inputs, "sku.name"), lookup(inputs, "sku.tier")
    if name is None:
        return
    sku = find_sku(name)
    if sku is None:
        yield Refusal(
            "sku.name",
            INVALID,
            f"'{name}' is no size of Flexible Server; use e.g. Standard_B1ms, Standard_D4s_v3.",
        )
    elif tier is not None and tier != sku.tier:
        yield Refusal("sku.tier", INVALID, f"'{name}' belongs to tier {sku.tier}, not {tier}.")


def _storage(inputs: Body) -> Iterator[Refusal]:
    size, tier = lookup(inputs, "storage.storageSizeGB"), lookup(inputs, "storage.tier")
    kind = lookup(inputs, "storage.type") or "Premium_LRS"
    if kind == "PremiumV2_LRS":
        yield from _premium_v2(inputs)
        return
    if size is None:
        return
    if size not in DISK_TIERS:
        allowed = ", ".join(map(str, DISK_TIERS))
        yield Refusal(
            "storage.storageSizeGB", INVALID, f"{size} GiB is no disk size; allowed: {allowed}."
        )
    elif tier is not None and tier not in allowed_disk_tiers(int(size)):
        allowed = ", ".join(allowed_disk_tiers(int(size)))
        yield Refusal(
            "storage.tier", INVALID, f"{tier} does not go with {size} GiB; allowed: {allowed}."
        )


def _premium_v2(inputs: Body) -> Iterator[Refusal]:
    if _burstable(inputs):
        yield Refusal("storage.type", INVALID, "PremiumV2_LRS is not supported for Burstable.")
    elif not (given(inputs, "storage.iops") and given(inputs, "storage.throughput")):
        yield Refusal("storage", INVALID, "PremiumV2_LRS needs iops and throughput.")
    elif given(inputs, "storage.tier") or lookup(inputs, "storage.autoGrow") == "Enabled":
        yield Refusal("storage", INVALID, "PremiumV2_LRS has neither a tier nor autogrow.")


def _backup(inputs: Body) -> Iterator[Refusal]:
    days = lookup(inputs, "backup.backupRetentionDays")
    if days is not None and days not in RETENTION_DAYS:
        yield Refusal(
            "backup.backupRetentionDays",
            INVALID,
            f"Invalid value given for parameter {days}: keep backups for 7-35 days.",
        )


def _availability(inputs: Body) -> Iterator[Refusal]:
    mode = lookup(inputs, "highAvailability.mode") or "Disabled"
    if mode == "Disabled":
        return
    if _burstable(inputs):
        yield Refusal(
            "highAvailability.mode",
            INVALID,
            "High availability is not supported for the Burstable tier.",
        )
    zone = lookup(inputs, "availabilityZone")
    standby = lookup(inputs, "highAvailability.standbyAvailabilityZone")
    if mode == "ZoneRedundant" and zone and zone == standby:
        yield Refusal(
            "highAvailability.standbyAvailabilityZone",
            INVALID,
            f"A zone-redundant standby cannot share zone {zone} with its primary.",
        )


def _authentication(inputs: Body) -> Iterator[Refusal]:
    password = lookup(inputs, "authConfig.passwordAuth") or "Enabled"
    entra = lookup(inputs, "authConfig.activeDirectoryAuth") or "Disabled"
    if "Enabled" not in (password, entra):
        yield Refusal("authConfig", INVALID, "Enable passwordAuth, activeDirectoryAuth, or both.")


def _encryption(inputs: Body) -> Iterator[Refusal]:
    if lookup(inputs, "dataEncryption.type") != CUSTOMER_MANAGED:
        return
    code = "CMKInvalidEncryptionParameters"
    prefix = "The input server encryption parameters are invalid. "
    pairs = [("primaryKeyURI", "primaryUserAssignedIdentityId")]
    if lookup(inputs, "backup.geoRedundantBackup") == "Enabled":
        pairs.append(("geoBackupKeyURI", "geoBackupUserAssignedIdentityId"))
        if not all(given(inputs, f"dataEncryption.{part}") for part in pairs[1]):
            yield Refusal(
                "dataEncryption",
                code,
                prefix
                + "Geo-Backup Encryption user assigned identity and key is required to encrypt"
                " Geo-Redundant CMK enabled server. Please retry operation with valid input"
                " parameters.",
            )
    for key, identity in pairs:
        yield from _identity_listed(inputs, key, identity, code, prefix)
    identities = [lookup(inputs, f"dataEncryption.{identity}") for _, identity in pairs]
    if len(pairs) == 2 and identities[0] and identities[0] == identities[1]:  # noqa: PLR2004 - a pair
        yield Refusal(
            "dataEncryption.geoBackupUserAssignedIdentityId",
            code,
            prefix + "The geo-backup key needs an identity of its own.",
        )


def _identity_listed(
    inputs: Body, key: str, identity: str, code: str, prefix: str
) -> Iterator[Refusal]:
    if not (given(inputs, f"dataEncryption.{key}") and given(inputs, f"dataEncryption.{identity}")):
        if key.startswith("primary"):
            yield Refusal(
                "dataEncryption", code, prefix + f"{key} and {identity} are required together."
            )
        return
    named = lookup(inputs, f"dataEncryption.{identity}")
    listed = lookup(inputs, "identity.userAssignedIdentities")
    if named is None or (listed is None and given(inputs, "identity.userAssignedIdentities")):
        return
    if named.lower() not in {str(i).lower() for i in listed or ()} and not _unknown_ids(listed):
        yield Refusal(
            f"dataEncryption.{identity}",
            code,
            prefix + f"'{named}' must also be one of identity.userAssignedIdentities.",
        )


def _unknown_ids(listed: Body | None) -> bool:
    """A map whose keys are not known yet arrives empty in a preview."""
    return listed == {}


def _network(inputs: Body) -> Iterator[Refusal]:
    subnet = given(inputs, "network.delegatedSubnetResourceId")
    zone = given(inputs, "network.privateDnsZoneArmResourceId")
    if subnet and not zone:
        yield Refusal(
            "network.privateDnsZoneArmResourceId",
            "EmptyPrivateDnsZoneArmResourceId",
            "A server in a delegated subnet needs a private DNS zone.",
        )


def _locally_possible(inputs: Body) -> Iterator[Refusal]:
    version, mode = lookup(inputs, "version"), lookup(inputs, "createMode")
    if lookup(inputs, "cluster.clusterSize"):
        yield Refusal(
            "cluster.clusterSize",
            NOT_LOCAL,
            "The local cloud makes no elastic cluster: Citus on several nodes needs Azure.",
        )
    elif version is not None and version != LOCAL_MAJOR:
        yield Refusal(
            "version", NOT_LOCAL, f"The local cloud runs PostgreSQL {LOCAL_MAJOR}, not {version}."
        )
    if mode is not None and mode not in SUPPORTED_MODES:
        yield Refusal(
            "createMode",
            NOT_LOCAL,
            f"The local cloud makes no server by '{mode}': copies of a server that stands are all"
            f" it has ({', '.join(COPIES)}); '{mode}' needs Azure.",
        )
    if given(inputs, "replica.promoteMode"):
        yield Refusal(
            "replica.promoteMode",
            NOT_LOCAL,
            "The local cloud promotes no read replica; that needs Azure.",
        )


def _burstable(inputs: Body) -> bool:
    return bool(lookup(inputs, "sku.tier") == "Burstable")


RULES: tuple[Rule, ...] = (
    _name,
    _login,
    _password,
    _sku,
    _storage,
    _backup,
    _availability,
    _authentication,
    _encryption,
    _network,
    _locally_possible,
)
