"""Secrets in a vault: what goes in never comes out through ARM."""

import secrets as random
from collections.abc import Iterator

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup, parent_of
from local.cloud.keyring import SECRET
from local.cloud.resources.key import NAME, NAME_WORDS
from local.cloud.resources.names import name_rule
from local.cloud.world import World

DELETED_SECRET = "deleted_secret"
MAX_BYTES = 25 * 1024


class Secret(ResourceType):
    """``Microsoft.KeyVault/vaults/secrets``."""

    token = "azure-native:keyvault:Secret"
    type = SECRET
    api_version = "2024-11-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.KeyVault/vaults/{vaultName}/secrets/{secretName}"
    )
    secrets = ("properties.value",)

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, and a value that is too large; the value is never shown."""
        yield from name_rule(inputs, "secretName", NAME, NAME_WORDS, "BadParameter")
        value = lookup(inputs, "properties.value")
        if value is not None and len(str(value).encode()) > MAX_BYTES:
            yield Refusal(
                "properties.value", "BadParameter", f"is larger than {MAX_BYTES // 1024} KiB"
            )

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse a soft-deleted name, and a secret without a value."""
        if old is None and world.store.fact(DELETED_SECRET, arm_id) is not None:
            raise ArmError(
                409,
                "Conflict",
                f"Secret {arm_id.rsplit('/', 1)[-1]} is currently in a deleted but recoverable"
                " state, and its name cannot be reused; in this state, the secret can only be"
                " recovered or purged.",
            )
        if old is None and lookup(inputs, "properties.value") is None:
            raise ArmError(400, "BadParameter", "The value of the secret is missing.")

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Keep the value, sealed, as the first version."""
        return self._write(world, arm_id, inputs)

    def update(self, world: World, record: Record, inputs: Body) -> Body:
        """Add a version when the value changed; else change the attributes."""
        return self._write(world, record.arm_id, inputs)

    def delete(self, world: World, record: Record) -> None:
        """Keep the name taken."""
        world.store.set_fact(
            DELETED_SECRET,
            record.arm_id,
            {"deleted_at": world.now(), "private": world.private(record.arm_id)},
        )

    def set_version(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Add a version, whatever it holds, as the data plane does; return the outputs."""
        _add(world, arm_id, inputs)
        return self._outputs(world, arm_id, inputs)

    def _write(self, world: World, arm_id: str, inputs: Body) -> Body:
        versions = world.private(arm_id).get("versions", [])
        value = lookup(inputs, "properties.value")
        if value is not None and (not versions or versions[-1]["value"] != value):
            _add(world, arm_id, inputs)
        else:
            newest = {**versions[-1], **_described(inputs)}
            world.set_private(arm_id, {"versions": [*versions[:-1], newest]})
        return self._outputs(world, arm_id, inputs)

    def _outputs(self, world: World, arm_id: str, inputs: Body) -> Body:
        vault = world.require(parent_of(arm_id) or "")
        newest = world.private(arm_id)["versions"][-1]
        uri = f"{vault.outputs['properties']['vaultUri']}secrets/{arm_id.rsplit('/', 1)[-1]}"
        body = self.echo(arm_id, inputs)
        properties = body["properties"]
        attributes = {
            "enabled": True,
            **properties.get("attributes", {}),
            "created": newest["created"],
            "updated": newest["created"],
        }
        return {
            **body,
            "location": vault.outputs.get("location"),
            "properties": {
                **properties,
                "attributes": attributes,
                "secretUri": uri,
                "secretUriWithVersion": f"{uri}/{newest['version']}",
            },
        }


def _add(world: World, arm_id: str, inputs: Body) -> None:
    version = {
        "version": random.token_hex(16),
        "value": inputs["properties"]["value"],
        "created": int(world.now()),
        **_described(inputs),
    }
    versions = world.private(arm_id).get("versions", [])
    world.set_private(arm_id, {"versions": [*versions, version]})


def _described(inputs: Body) -> Body:
    """Return what a version says of itself: it keeps that when the next one says otherwise."""
    properties = inputs["properties"]
    given = properties.get("attributes") or {}
    return {
        "enabled": given.get("enabled", True),
        **{name: given[name] for name in ("expires", "notBefore") if given.get(name) is not None},
        "contentType": properties.get("contentType"),
    }
