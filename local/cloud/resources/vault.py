"""Key vaults: globally named, soft-deleted, and never purged before their time."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup
from local.cloud.keyring import VAULT, find_vault
from local.cloud.resources.names import name_rule
from local.cloud.world import World

DELETED_VAULT = "deleted_vault"
"""The fact that keeps a soft-deleted vault: deletion time, retention and all it held."""
DAY_SECONDS = 86400.0
DEFAULT_RETENTION_DAYS = 90
RETENTION_DAYS = range(7, 91)


class Vault(ResourceType):
    """``Microsoft.KeyVault/vaults``."""

    token = "azure-native:keyvault:Vault"
    type = VAULT
    api_version = "2024-11-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.KeyVault/vaults/{vaultName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, a bad retention, and the switches that cannot be off."""
        yield from name_rule(
            inputs,
            "vaultName",
            r"[A-Za-z](?!.*--)[A-Za-z0-9-]{1,22}[A-Za-z0-9]",
            "a vault's name must be between 3-24 alphanumeric characters. The name must begin with"
            " a letter, end with a letter or digit, and not contain consecutive hyphens.",
            "VaultNameNotValid",
        )
        days = lookup(inputs, "properties.softDeleteRetentionInDays")
        if days is not None and days not in RETENTION_DAYS:
            yield Refusal(
                "properties.softDeleteRetentionInDays",
                "BadRequest",
                f"{days}; softDeleteRetentionInDays must be between 7 and 90 days",
            )
        for switch, words in (
            ("enablePurgeProtection", "Enabling the purge protection for a vault is irreversible"),
            ("enableSoftDelete", "Soft delete is on for every vault"),
        ):
            if lookup(inputs, f"properties.{switch}") is False:
                yield Refusal(
                    f"properties.{switch}",
                    "BadRequest",
                    f'The property "{switch}" cannot be set to false. {words}; leave it out.',
                )

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse a name that is taken, standing or soft-deleted, and what was decided for good."""
        if old is not None:
            _refuse_changed(old, inputs)
            return
        name = arm_id.rsplit("/", 1)[-1]
        recover = lookup(inputs, "properties.createMode") == "recover"
        deleted = _deleted(world, name)
        if find_vault(world, name) is not None or (deleted is not None and not recover):
            raise ArmError(
                409,
                "VaultAlreadyExists",
                f"The vault name '{name}' is already in use. Vault names are globally unique so it"
                " is possible that the name is already taken, or that a vault with the same name"
                " was recently deleted but not purged after being placed in a recoverable state:"
                " it can only be recovered (createMode) or purged.",
            )
        if recover and deleted is None:
            raise ArmError(404, "DeletedVaultNotFound", f"No deleted vault '{name}' was found.")

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Make it, or bring it back with all it held."""
        deleted = _deleted(world, arm_id.rsplit("/", 1)[-1])
        if deleted is not None:
            _restore(world, arm_id, deleted)
        return self._outputs(arm_id, inputs)

    def update(self, world: World, record: Record, inputs: Body) -> Body:
        """Change it; purge protection and retention stay."""
        del world
        return self._outputs(record.arm_id, inputs)

    def delete(self, world: World, record: Record) -> None:
        """Keep everything for the retention time; the name stays taken."""
        held = [
            {**_plain(child), "private": world.private(child.arm_id)}
            for child in world.children(record.arm_id)
            if child.type.startswith("Microsoft.KeyVault/")
        ]
        retention = record.outputs["properties"]["softDeleteRetentionInDays"]
        world.store.set_fact(
            DELETED_VAULT,
            record.name,
            {"purge_at": world.now() + retention * DAY_SECONDS, "held": held},
        )

    def _outputs(self, arm_id: str, inputs: Body) -> Body:
        name = arm_id.rsplit("/", 1)[-1]
        body = self.echo(arm_id, inputs)
        properties: Body = {
            "softDeleteRetentionInDays": DEFAULT_RETENTION_DAYS,
            "enableSoftDelete": True,
            "publicNetworkAccess": "Enabled",
            **body["properties"],
            "vaultUri": f"https://{name}.vault.azure.net/",
            "provisioningState": "Succeeded",
        }
        properties.pop("createMode", None)
        return {**body, "properties": properties}


def _refuse_changed(old: Record, inputs: Body) -> None:
    before, after = old.outputs["properties"], inputs["properties"]
    days = after.get("softDeleteRetentionInDays", before["softDeleteRetentionInDays"])
    if days != before["softDeleteRetentionInDays"]:
        raise ArmError(
            400,
            "BadRequest",
            'The property "softDeleteRetentionInDays" has been set already and it can\'t be'
            " modified.",
        )
    if before.get("enablePurgeProtection") and not after.get("enablePurgeProtection"):
        raise ArmError(
            400,
            "BadRequest",
            'The property "enablePurgeProtection" cannot be set to false. Enabling the purge'
            " protection for a vault is an irreversible action.",
        )


def _deleted(world: World, name: str) -> Body | None:
    deleted = world.store.fact(DELETED_VAULT, name)
    return deleted if deleted is not None and world.now() < deleted["purge_at"] else None


def _plain(record: Record) -> Body:
    plain: dict[str, Any] = asdict(record)
    return {key: plain[key] for key in ("arm_id", "type", "inputs", "outputs", "urn", "created_at")}


def _restore(world: World, arm_id: str, deleted: Body) -> None:
    for held in deleted["held"]:
        private = held.pop("private")
        tail = "/".join(held["arm_id"].rsplit("/", 2)[-2:])
        record = Record(**{**held, "arm_id": f"{arm_id}/{tail}"})
        world.put(record)
        world.set_private(record.arm_id, private)
    world.store.set_fact(DELETED_VAULT, arm_id.rsplit("/", 1)[-1], None)
