"""What Azure refuses of a Flexible Server in the light of what stands: names, keys, changes."""

from local.cloud.arm import ArmError, Body, lookup
from local.cloud.keyring import KEY_URI, KeyUnavailable, find_vault
from local.cloud.postgres.custody import CUSTOMER_MANAGED
from local.cloud.resources.server_child import SERVER
from local.cloud.resources.server_rules import COPIES, INVALID
from local.cloud.world import World

DEFAULT_STORAGE_GIB = 32


def admit_new(world: World, arm_id: str, inputs: Body) -> None:
    """Raise what Azure refuses of a new server; a copy brings its logins along."""
    name = arm_id.rsplit("/", 1)[-1]
    if any(other.name == name and other.arm_id != arm_id for other in world.of_type(SERVER)):
        raise ArmError(
            409, "ServerNameAlreadyExists", f"Specified server name '{name}' is already used."
        )
    password = (lookup(inputs, "authConfig.passwordAuth") or "Enabled") == "Enabled"
    if password and not is_copy(inputs):
        for needed in ("administratorLogin", "administratorLoginPassword"):
            if lookup(inputs, needed) is None:
                raise ArmError(
                    400, "MissingRequiredParameter", f"Missing value for parameter '{needed}'."
                )


def admit_change(old: Body, inputs: Body) -> None:
    """Raise what Azure refuses to change of a server that stands."""
    if customer_managed(old) != customer_managed(inputs):
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
    if storage_gib(inputs) < size:
        raise ArmError(
            400,
            INVALID,
            f"Decreasing storage size is not supported: the disk has {size:.0f} GiB.",
        )


def admit_key(world: World, inputs: Body, key: str, identity: str) -> None:
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


def admit_region(world: World, inputs: Body) -> None:
    """Refuse a geo-backup key that a disaster would take away together with the server."""
    match = KEY_URI.fullmatch(inputs["dataEncryption"]["geoBackupKeyURI"])
    vault = match and find_vault(world, match["vault"])
    if vault and region_of(vault.outputs) == region_of(inputs):
        raise ArmError(
            400,
            "CMKInvalidEncryptionParameters",
            "The input server encryption parameters are invalid. The geo-backup key must be in a"
            f" vault of the paired region; '{vault.name}' is in {region_of(inputs)}, where the"
            " server is.",
        )


def region_of(body: Body) -> str:
    """Return where something is, in one spelling."""
    return str(body.get("location", "")).lower().replace(" ", "")


def is_copy(body: Body) -> bool:
    """Tell whether a server is made of another one."""
    return lookup(body, "createMode") in COPIES


def customer_managed(body: Body) -> bool:
    """Tell whether the customer's key encrypts the server."""
    return bool(lookup(body, "dataEncryption.type") == CUSTOMER_MANAGED)


def storage_gib(inputs: Body) -> int:
    """Return the size of the disk."""
    return int(lookup(inputs, "storage.storageSizeGB") or DEFAULT_STORAGE_GIB)
