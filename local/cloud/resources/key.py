"""Keys in a vault: real key pairs, versioned, soft-deleted, with a rotation policy.

Azure's resource manager creates a key and refuses any change of it later: what is
create-only replaces, and a replacement meets its own soft-deleted name.
"""

import re
from collections.abc import Iterator

from local.cloud import keyring
from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup, parent_of
from local.cloud.resources.names import name_rule
from local.cloud.world import World

RSA_SIZES = (2048, 3072, 4096)
DELETED_KEY = "deleted_key"
"""The fact that keeps a soft-deleted key."""
NAME_WORDS = "1-127 letters, digits and '-'"
NAME = r"[0-9A-Za-z-]{1,127}"
MINIMUM_DAYS = 7
"""A rotation happens at least this long after creation and before expiry."""
MINIMUM_EXPIRY_DAYS = 28
DAY_SECONDS = 86400
UNIT_DAYS = {"D": 1, "W": 7, "M": 30, "Y": 365}


class Key(ResourceType):
    """``Microsoft.KeyVault/vaults/keys``."""

    token = "azure-native:keyvault:Key"
    type = keyring.KEY
    api_version = "2024-11-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.KeyVault/vaults/{vaultName}/keys/{keyName}"
    )
    immutable = (
        "properties.kty",
        "properties.keySize",
        "properties.curveName",
        "properties.keyOps",
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, size, curve or rotation policy."""
        yield from name_rule(inputs, "keyName", NAME, NAME_WORDS, "BadParameter")
        kty = lookup(inputs, "properties.kty")
        if kty is None:
            if "kty" not in inputs["properties"]:
                yield Refusal("properties.kty", "BadParameter", "missing; RSA, RSA-HSM, EC, EC-HSM")
            return
        size = lookup(inputs, "properties.keySize")
        if str(kty).startswith("RSA") and size is not None and size not in RSA_SIZES:
            yield Refusal("properties.keySize", "BadParameter", f"{size} is not one of {RSA_SIZES}")
        if str(kty).startswith("EC") and size is not None:
            yield Refusal("properties.keySize", "BadParameter", "is for RSA; use curveName")
        yield from _check_policy(lookup(inputs, "properties.rotationPolicy") or {})

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse any change, a soft-deleted name, and an HSM key in a standard vault."""
        if old is not None and _asked(old.inputs) != _asked(inputs):
            # https://github.com/Azure/bicep/issues/8283
            raise ArmError(
                400,
                "KeyCreationParametersDidNotMatchExistingKey",
                "[KeyCreationParametersDidNotMatchExistingKey (BadRequest)] The key"
                f" '{old.name}' already exists, but the specified key creation parameters did not"
                " match that of the existing key. This API can only be used for creating the first"
                " version of a new key (no subsequent versions can be created, and existing keys"
                " cannot be updated).",
            )
        if old is None and world.store.fact(DELETED_KEY, arm_id) is not None:
            raise ArmError(
                409,
                "Conflict",
                f"Key {arm_id.rsplit('/', 1)[-1]} is currently in a deleted but recoverable state,"
                " and its name cannot be reused; in this state, the key can only be recovered or"
                " purged.",
            )
        vault = world.require(parent_of(arm_id) or "")
        hsm = str(lookup(inputs, "properties.kty")).endswith("-HSM")
        if hsm and lookup(vault.outputs, "properties.sku.name") != "premium":
            raise ArmError(
                400, "BadParameter", "HSM-protected keys need a vault of the premium SKU."
            )

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Generate the first version."""
        vault = world.require(parent_of(arm_id) or "")
        asked = inputs["properties"]
        version = add_version(world, arm_id, asked, asked.get("attributes", {}))
        uri = f"{vault.outputs['properties']['vaultUri']}keys/{arm_id.rsplit('/', 1)[-1]}"
        body: Body = {
            **{k: v for k, v in self.echo(arm_id, inputs).items() if k != "properties"},
            **asked,
            "location": vault.outputs.get("location"),
            "keyUri": uri,
            "keyUriWithVersion": f"{uri}/{version['version']}",
            "attributes": {**asked.get("attributes", {}), **_times(version)},
        }
        if asked["kty"].startswith("RSA"):
            body.setdefault("keySize", RSA_SIZES[0])
        return body

    def read(self, world: World, record: Record) -> Body:
        """Return the newest version: rotations happen outside of Pulumi."""
        newest = world.private(record.arm_id)["versions"][-1]
        attributes = {**record.outputs["attributes"], **_times(newest)}
        uri = f"{record.outputs['keyUri']}/{newest['version']}"
        return {**record.outputs, "keyUriWithVersion": uri, "attributes": attributes}

    def update(self, world: World, record: Record, inputs: Body) -> Body:
        """Return what is: only a request that asks for nothing new gets here."""
        del inputs
        return self.read(world, record)

    def delete(self, world: World, record: Record) -> None:
        """Keep the name taken; what the key wrapped can no longer be unwrapped."""
        world.store.set_fact(
            DELETED_KEY,
            record.arm_id,
            {"deleted_at": world.now(), "private": world.private(record.arm_id)},
        )


def add_version(world: World, arm_id: str, properties: Body, given: Body) -> Body:
    """Generate a version of a key, with the given attributes, and make it the newest."""
    attributes: Body = {
        **{key: given[key] for key in ("expires", "notBefore") if key in given},
        "enabled": given.get("enabled", True),
        "created": int(world.now()),
    }
    version = keyring.new_version(
        properties["kty"], properties.get("keySize"), properties.get("curveName"), attributes
    )
    versions = world.private(arm_id).get("versions", [])
    world.set_private(arm_id, {"versions": [*versions, version]})
    return version


def rotated_attributes(world: World, properties: Body) -> Body:
    """Return the attributes of a rotated version: the policy's expiry counts from now."""
    expiry = lookup(properties, "rotationPolicy.attributes.expiryTime")
    days = _days(expiry) if expiry is not None else None
    return {} if days is None else {"expires": int(world.now() + days * DAY_SECONDS)}


def _asked(inputs: Body) -> Body:
    return {part: inputs[part] for part in ("tags", "properties") if inputs.get(part)}


def _times(version: Body) -> Body:
    return {
        **{key: version[key] for key in ("expires", "notBefore") if key in version},
        "enabled": version["enabled"],
        "created": version["created"],
        "updated": version.get("updated", version["created"]),
    }


def _check_policy(policy: Body) -> Iterator[Refusal]:
    path = "properties.rotationPolicy"
    expiry = lookup(policy, "attributes.expiryTime")
    expiry_days = _days(expiry) if expiry is not None else None
    if expiry is not None and (expiry_days is None or expiry_days < MINIMUM_EXPIRY_DAYS):
        yield Refusal(
            f"{path}.attributes.expiryTime",
            "BadParameter",
            f"'{expiry}' is not an ISO 8601 duration of at least {MINIMUM_EXPIRY_DAYS} days",
        )
    for i, action in enumerate(lookup(policy, "lifetimeActions") or []):
        kind = str(lookup(action, "action.type")).lower()
        trigger = lookup(action, "trigger") or {}
        for words in _action_faults(kind, trigger, expiry, expiry_days):
            yield Refusal(f"{path}.lifetimeActions[{i}]", "BadParameter", words)


def _action_faults(
    kind: str, trigger: Body, expiry: str | None, expiry_days: float | None
) -> Iterator[str]:
    after, before = lookup(trigger, "timeAfterCreate"), lookup(trigger, "timeBeforeExpiry")
    if (after is None) == (before is None):
        yield "a trigger needs exactly one of timeAfterCreate and timeBeforeExpiry"
        return
    if kind == "notify" and after is not None:
        yield "notify takes timeBeforeExpiry only"
    if before is not None and expiry is None:
        yield f"{kind} with timeBeforeExpiry needs attributes.expiryTime"
    days = _days(str(after or before))
    if days is None or days < MINIMUM_DAYS:
        yield f"'{after or before}' is not an ISO 8601 duration of at least {MINIMUM_DAYS} days"
    elif expiry_days is not None and days + MINIMUM_DAYS > expiry_days:
        yield f"'{after or before}' leaves less than {MINIMUM_DAYS} days of '{expiry}'"


def _days(duration: str) -> float | None:
    match = re.fullmatch(r"P(\d+)([DWMY])", duration, re.IGNORECASE)
    return int(match[1]) * UNIT_DAYS[match[2].upper()] if match else None
