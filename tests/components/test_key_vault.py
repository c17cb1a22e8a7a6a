"""components/key_vault.py, components/key_user.py and components/passwords.py"""

from dataclasses import replace
from datetime import UTC, date, datetime
from unittest.mock import patch

import pulumi
import pytest

from components.key_user import KeyUser, KeyUserArgs
from components.key_vault import (
    KeyRotation,
    KeyVault,
    KeyVaultArgs,
    VaultReference,
    existing_key,
    existing_versioned_key,
)
from components.passwords import Passwords, PasswordsArgs
from components.private_endpoint import Entrance
from tests.components.test_network import PLACE
from tests.deployment import ANSWERED, PASSWORD, Deployment, deploy

ARGS = KeyVaultArgs(
    placement=PLACE,
    tenant_id="tenant",
    suffix="a1b2c",
    soft_delete_retention_days=90,
    hsm_backed=False,
    rotation=KeyRotation(rotate_after_days=90, notify_before_expiry_days=30, expire_after_days=120),
    workspace_id="/logs",
    action_group_id="/on-call",
    entrance=Entrance(placement=PLACE, subnet_id="/subnet", zone_id="/zone"),
    protected=True,
)
VAULT = VaultReference(id="/vaults/kv", name="kv", uri="https://kv/", resource_group_name="rg-kv")
KEY, SECRET = "azure-native:keyvault:Key", "azure-native:keyvault:Secret"
GRANT = "azure-native:authorization:RoleAssignment"
ALERT = "azure-native:monitor:MetricAlert"
LOCK = "azure-native:authorization:ManagementLockByScope"


def vault(**changes: object) -> Deployment:
    return deploy(lambda: KeyVault("engram-dev", replace(ARGS, **changes)))  # type: ignore[arg-type] # a test's table


def passwords(renewed_on: date = date(2026, 11, 1)) -> Deployment:
    args = PasswordsArgs(
        vault=VAULT,
        vault_resource=None,
        suffix="a1b2c",
        logins=("memory_app", "memory_reader"),
        renewed_on=renewed_on,
        valid_days=180,
        tags={},
    )
    return deploy(lambda: Passwords("engram-dev", args))


def test_the_vault_is_private_recoverable_and_governed_by_roles() -> None:
    made = vault().one("azure-native:keyvault:Vault")
    assert made["vaultName"] == "kv-engram-dev-a1b2c"
    properties = made["properties"]
    assert properties["enableRbacAuthorization"] is True
    assert properties["enablePurgeProtection"] is True
    assert properties["enableSoftDelete"] is True
    assert properties["softDeleteRetentionInDays"] == 90
    assert properties["publicNetworkAccess"] == "disabled"
    assert properties["networkAcls"] == {"bypass": "AzureServices", "defaultAction": "Deny"}
    assert properties["sku"] == {"family": "A", "name": "premium"}


def test_the_key_wraps_and_nothing_else_and_renews_itself() -> None:
    properties = vault().one(KEY)["properties"]
    assert (properties["kty"], properties["keySize"]) == ("RSA", 3072)
    assert properties["keyOps"] == ["wrapKey", "unwrapKey"]
    assert properties["rotationPolicy"] == {
        "attributes": {"expiryTime": "P120D"},
        "lifetimeActions": [
            {"action": {"type": "rotate"}, "trigger": {"timeAfterCreate": "P90D"}},
            {"action": {"type": "notify"}, "trigger": {"timeBeforeExpiry": "P30D"}},
        ],
    }


def test_a_key_in_hardware_is_one_setting() -> None:
    assert vault(hsm_backed=True).one(KEY)["properties"]["kty"] == "RSA-HSM"


def test_a_disk_key_beside_the_first_is_a_setting() -> None:
    assert set(vault().all(KEY)) == {"engram-dev-key"}
    keys = vault(disk_key=True).all(KEY)
    assert set(keys) == {"engram-dev-key", "engram-dev-disk-key"}
    first, disks = keys["engram-dev-key"], keys["engram-dev-disk-key"]
    assert disks["keyName"] == "key-engram-dev-disks"
    assert disks["properties"] == first["properties"]


def test_a_key_for_fields_is_another_one_and_has_no_version_in_its_address() -> None:
    uris: list[str] = []

    def program() -> None:
        key = KeyVault("engram-dev", replace(ARGS, fields_key=True)).fields_key
        assert key is not None
        pulumi.Output.from_input(key.uri).apply(uris.append)

    keys = deploy(program).all(KEY)
    assert keys["engram-dev-fields-key"]["properties"] == keys["engram-dev-key"]["properties"]
    assert uris == ["https://kv-engram-dev-a1b2c.vault.azure.net/keys/key-engram-dev-fields"]


def test_the_key_goes_with_the_vault_because_only_the_network_could_delete_it() -> None:
    assert vault().options("engram-dev-key").deletedWith.endswith("::engram-dev-vault")


@pytest.mark.parametrize("protected", [True, False])
def test_protection_is_a_setting(protected: bool) -> None:
    deployment = vault(protected=protected)
    guarded = {"engram-dev-vault", "engram-dev-key"} if protected else set()
    assert deployment.protected() == guarded


def test_a_key_is_written_once_because_azure_refuses_a_second_write() -> None:
    assert list(vault().options("engram-dev-key").ignoreChanges) == ["tags", "properties"]


def test_the_key_is_known_as_soon_as_its_name_is() -> None:
    uris: list[str] = []

    def program() -> None:
        key = KeyVault("engram-dev", ARGS).key
        pulumi.Output.from_input(key.uri).apply(uris.append)

    deploy(program)
    assert uris == ["https://kv-engram-dev-a1b2c.vault.azure.net/keys/key-engram-dev"]


def test_disks_ask_for_a_version_of_their_key() -> None:
    uris: list[str] = []

    def program() -> None:
        key = KeyVault("engram-dev", replace(ARGS, disk_key=True)).disk_key
        assert key is not None
        pulumi.Output.from_input(key.uri).apply(uris.append)

    with_version = {"keyUriWithVersion": "https://kv/keys/disks/1"}
    with patch.dict(ANSWERED, {KEY: with_version}):
        deploy(program)
    assert uris == ["https://kv/keys/disks/1"]


def test_the_vaults_lock_is_the_last_to_come_and_the_first_to_go() -> None:
    def program() -> None:
        made = KeyVault("engram-dev", ARGS)
        args = KeyUserArgs(
            placement=PLACE, subscription_id="sub", key_id=made.key.id, wait_seconds=7
        )
        made.lock(after=[KeyUser("db", args)])

    deployment = deploy(program)
    assert (lock := deployment.one(LOCK))["scope"] == "/mock/engram-dev-vault"
    assert lock["level"] == "CanNotDelete"
    beside = {"engram-dev-vault-lock", *deployment.all(ALERT)}  # alerts are not below the vault
    below = deployment.below("engram-dev-vault") - beside
    assert below >= {"engram-dev-key", "db-key-grant", "engram-dev-vault-logs"}
    assert below <= deployment.after("engram-dev-vault-lock")


def test_what_happens_in_the_vault_is_logged() -> None:
    setting = vault().one("azure-native:monitor:DiagnosticSetting")
    assert (setting["resourceUri"], setting["workspaceId"]) == ("/mock/engram-dev-vault", "/logs")
    assert setting["logs"] == [{"categoryGroup": "allLogs", "enabled": True}]


def test_an_existing_key_is_referred_to_without_its_version() -> None:
    vault_id = "/subscriptions/s/resourceGroups/rg-c/providers/Microsoft.KeyVault/vaults/KV-c"
    found, key = existing_key(vault_id, "cmk")
    assert (found.resource_group_name, found.name) == ("rg-c", "KV-c")
    assert key.id == f"{vault_id}/keys/cmk"
    assert key.uri == "https://kv-c.vault.azure.net/keys/cmk"


def test_the_version_of_an_existing_key_is_asked_for() -> None:
    vault_id = "/subscriptions/s/resourceGroups/rg-c/providers/Microsoft.KeyVault/vaults/KV-c"
    found: list[str] = []

    def program() -> None:
        key = existing_versioned_key(vault_id, "cmk")
        found.append(str(key.id))
        pulumi.Output.from_input(key.uri).apply(found.append)

    deploy(program)
    assert found == [f"{vault_id}/keys/cmk", "https://KV-c.vault.azure.net/keys/cmk/1"]


def test_the_grant_reaches_one_key_and_is_waited_for() -> None:
    args = KeyUserArgs(placement=PLACE, subscription_id="sub", key_id="/kv/keys/k", wait_seconds=7)
    deployment = deploy(lambda: KeyUser("db", args))
    grant = deployment.one(GRANT)
    assert grant["scope"] == "/kv/keys/k"
    assert grant["principalId"] == "db-identity-principal"
    assert grant["principalType"] == "ServicePrincipal"
    assert grant["roleDefinitionId"].endswith("/e147488a-f6f5-4113-8e2d-b22465e65bf6")
    tags = deployment.options("db-identity").ignoreChanges
    assert list(tags) == ["tags"], "a change of tags would replace the grant"
    assert "db-key-grant" in deployment.after("db-key-grant-known")
    wait = deployment.one("pulumi-python:dynamic/azure:Propagation")
    assert (wait["grant_id"], wait["wait_seconds"]) == ("/mock/db-key-grant", 7)


def test_each_login_has_its_own_password_and_the_vault_keeps_it() -> None:
    secrets = passwords().all(SECRET)
    assert len(secrets) == 2
    values = {s["properties"]["value"]["value"] for s in secrets.values()}
    assert len(values) == 2


def test_a_vault_may_hold_the_passwords_of_many_stacks() -> None:
    assert {s["secretName"] for s in passwords().all(SECRET).values()} == {
        "engram-dev-a1b2c-memory-app",
        "engram-dev-a1b2c-memory-reader",
    }


def test_a_password_is_secret_on_its_way_and_in_the_state() -> None:
    deployment = passwords()
    assert not [name for name, text in deployment.clear_texts() if PASSWORD in text]
    kept = deployment.options("engram-dev-memory-app-secret").additionalSecretOutputs
    assert list(kept) == ["properties"]


def test_a_secret_says_what_it_is_and_when_it_ends() -> None:
    wrapped = passwords().all(SECRET)["engram-dev-memory-app-secret"]["properties"]
    properties = wrapped["value"]  # the SDK makes a secret of the whole object
    assert properties["contentType"] == "PostgreSQL password of memory_app"
    end = datetime.fromtimestamp(properties["attributes"]["expires"], UTC)
    assert end == datetime(2027, 4, 30, tzinfo=UTC)


def test_a_later_date_makes_new_passwords() -> None:
    first, later = (
        passwords(day).all("random:index/randomPassword:RandomPassword")
        for day in (date(2026, 11, 1), date(2027, 2, 1))
    )
    name = "engram-dev-memory-app-password"
    assert first[name]["keepers"] == {"renewed_on": "2026-11-01"}
    assert later[name]["keepers"] == {"renewed_on": "2027-02-01"}


@pytest.mark.parametrize("strength", ["minLower", "minUpper", "minNumeric"])
def test_a_password_passes_azures_rule_of_three_kinds(strength: str) -> None:
    generated = passwords().all("random:index/randomPassword:RandomPassword")
    made = generated["engram-dev-memory-app-password"]
    assert (made["length"], made["special"], made[strength]) == (32, False, 1)
