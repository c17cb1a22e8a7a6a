"""Vaults behind the door, asked by Azure's own clients."""

import os

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.keyvault.keys.crypto import KeyWrapAlgorithm

from local.cloud import keyring
from local.cloud.arm import Record
from tests.local.cloud import declared
from tests.local.cloud.conftest import TENANT
from tests.local.cloud.declared import CRYPTO_USER, KEY_ID, VAULT_ID
from tests.local.cloud.door.conftest import (
    SECRET_ID,
    SECRETS_OFFICER,
    SECRETS_USER,
    Azure,
)

CRYPTO_OFFICER = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603"
READER = "21090545-7ca7-4776-b22c-e363652d74d2"
OAEP = KeyWrapAlgorithm.rsa_oaep_256
pytestmark = pytest.mark.usefixtures("door")


def test_what_a_key_wraps_the_same_version_unwraps_after_a_rotation(azure: Azure) -> None:
    azure.grant(CRYPTO_OFFICER, KEY_ID)
    plain = os.urandom(32)
    first = azure.keys().get_key("cmk")
    wrapped = azure.crypto(first.id).wrap_key(OAEP, plain)
    second = azure.keys().rotate_key("cmk")
    assert first.id != second.id == azure.keys().get_key("cmk").id
    assert azure.crypto(first.id).unwrap_key(OAEP, wrapped.encrypted_key).key == plain
    versions = [one.id for one in azure.keys().list_properties_of_key_versions("cmk")]
    assert versions == [first.id, second.id]


def test_the_service_wraps_what_the_client_would(azure: Azure) -> None:
    azure.grant(CRYPTO_USER, KEY_ID)
    key = azure.keys().get_key("cmk")
    client = azure.crypto(key.id)
    client._keys_get_forbidden = True
    wrapped = client.wrap_key(OAEP, b"data key")
    assert (wrapped.key_id, len(wrapped.encrypted_key)) == (key.id, 256)
    assert azure.crypto(key.id).unwrap_key(OAEP, wrapped.encrypted_key).key == b"data key"


def test_a_wrapped_key_that_was_touched_is_refused(azure: Azure) -> None:
    azure.grant(CRYPTO_USER, KEY_ID)
    client = azure.crypto(azure.keys().get_key("cmk").id)
    wrapped = bytearray(client.wrap_key(OAEP, b"data key").encrypted_key)
    wrapped[7] ^= 1
    with pytest.raises(HttpResponseError, match="The parameter is incorrect"):
        client.unwrap_key(OAEP, bytes(wrapped))


def test_a_disabled_version_unwraps_nothing_until_it_is_enabled(azure: Azure) -> None:
    azure.grant(CRYPTO_OFFICER, KEY_ID)
    client = azure.keys()
    wrapped = azure.crypto(client.get_key("cmk").id).wrap_key(OAEP, b"data key")
    assert client.update_key_properties("cmk", enabled=False).properties.enabled is False
    with pytest.raises(HttpResponseError, match="disabled key") as refused:
        azure.crypto(wrapped.key_id).unwrap_key(OAEP, wrapped.encrypted_key)
    assert refused.value.status_code == 403
    client.update_key_properties("cmk", enabled=True)
    azure.crypto(wrapped.key_id).unwrap_key(OAEP, wrapped.encrypted_key)


def test_tags_of_a_version_are_its_own(azure: Azure) -> None:
    azure.grant(CRYPTO_OFFICER, KEY_ID)
    client = azure.keys()
    first = client.get_key("cmk").properties.version
    client.update_key_properties("cmk", first, tags={"drill": "revoked"})
    client.update_key_properties("cmk", first, enabled=True)
    client.rotate_key("cmk")
    assert client.get_key("cmk", first).properties.tags == {"drill": "revoked"}
    tags = [one.tags for one in client.list_properties_of_key_versions("cmk")]
    assert tags == [{"drill": "revoked"}, None]


def test_an_expired_version_still_unwraps_and_wraps_no_more(azure: Azure) -> None:
    azure.grant(CRYPTO_OFFICER, KEY_ID)
    wrapped = azure.crypto(azure.keys().get_key("cmk").id).wrap_key(OAEP, b"data key")
    (version,) = azure.world.private(KEY_ID)["versions"]
    azure.world.set_private(KEY_ID, {"versions": [{**version, "expires": 1_000_000_000}]})
    client = azure.crypto(wrapped.key_id)
    client._keys_get_forbidden = True
    assert client.unwrap_key(OAEP, wrapped.encrypted_key).key == b"data key"
    with pytest.raises(HttpResponseError, match="not yet valid or expired"):
        client.wrap_key(OAEP, b"data key")


def test_a_rotation_reaches_everybody_who_wraps_with_the_newest(azure: Azure) -> None:
    azure.grant(CRYPTO_OFFICER, KEY_ID)
    rotated = azure.keys().rotate_key("cmk")
    record = azure.world.require(KEY_ID)
    newest = keyring.find_version(azure.world, record, None)
    assert rotated.properties.version == newest["version"]


def test_a_secret_is_read_and_renewed_and_old_versions_stay(azure: Azure) -> None:
    azure.grant(SECRETS_OFFICER, SECRET_ID)
    client = azure.secrets()
    first = client.get_secret("password")
    assert (first.value, first.properties.content_type) == ("s3cret-canary", "text/plain")
    second = client.set_secret("password", "the next", content_type="ring")
    assert (second.value, client.get_secret("password").value) == ("the next", "the next")
    assert client.get_secret("password", first.properties.version).value == "s3cret-canary"
    old, new = client.list_properties_of_secret_versions("password")
    assert (old.id, new.id) == (first.id, second.id)
    assert (old.content_type, new.content_type) == ("text/plain", "ring")


def test_setting_the_same_value_makes_a_version_all_the_same(azure: Azure) -> None:
    azure.grant(SECRETS_OFFICER, SECRET_ID)
    first = azure.secrets().set_secret("password", "same")
    second = azure.secrets().set_secret("password", "same")
    assert first.id != second.id


def test_arm_knows_what_the_data_plane_wrote_but_not_its_value(azure: Azure) -> None:
    azure.grant(SECRETS_OFFICER, VAULT_ID)
    old = azure.world.require(SECRET_ID)
    written = azure.secrets().set_secret("password", "canary-of-the-data-plane")
    new = azure.secrets().set_secret("made-here", "canary-of-the-data-plane")
    record = azure.world.require(SECRET_ID)
    assert record.outputs["properties"]["secretUriWithVersion"] == written.id
    assert (record.inputs, record.urn) == (old.inputs, old.urn)
    assert str(new.id) in str(azure.world.require(f"{VAULT_ID}/secrets/made-here").outputs)
    assert "canary" not in str(azure.world.children(VAULT_ID))
    names = {one.name for one in azure.secrets().list_properties_of_secrets()}
    assert names == {"password", "made-here"}


REFUSALS = [
    ((SECRETS_USER, SECRET_ID), "get_secret", ("password",), None),
    ((SECRETS_USER, SECRET_ID), "set_secret", ("password", "x"), "secrets/setSecret/action"),
    ((SECRETS_USER, KEY_ID), "get_secret", ("password",), "secrets/getSecret/action"),
    ((SECRETS_OFFICER, SECRET_ID), "set_secret", ("other", "x"), "secrets/setSecret/action"),
    ((CRYPTO_USER, VAULT_ID), "get_secret", ("password",), "secrets/getSecret/action"),
    ((READER, VAULT_ID), "get_secret", ("password",), "secrets/getSecret/action"),
    ((CRYPTO_USER, KEY_ID), "get_key", ("cmk",), None),
    ((CRYPTO_USER, KEY_ID), "rotate_key", ("cmk",), "keys/rotate/action"),
    ((CRYPTO_USER, SECRET_ID), "get_key", ("cmk",), "keys/read"),
    ((SECRETS_OFFICER, VAULT_ID), "get_key", ("cmk",), "keys/read"),
]


@pytest.mark.parametrize(("grant", "does", "arguments", "action"), REFUSALS)
def test_a_role_allows_what_it_does_on_azure_and_where(
    azure: Azure, grant: tuple[str, str], does: str, arguments: tuple[str, ...], action: str | None
) -> None:
    azure.grant(*grant)
    client = azure.keys() if does.endswith("key") else azure.secrets()
    call = getattr(client, does)
    if action is None:
        call(*arguments)
        return
    with pytest.raises(HttpResponseError, match="Caller is not authorized") as refused:
        call(*arguments)
    assert refused.value.status_code == 403
    assert f"Action: 'Microsoft.KeyVault/vaults/{action}'" in refused.value.message
    assert f"oid={azure.identity['principalId']}" in refused.value.message


def test_a_grant_that_is_taken_back_ends_at_once(azure: Azure) -> None:
    grant = azure.grant(SECRETS_USER, SECRET_ID)
    client = azure.secrets()
    client.get_secret("password")
    azure.engine.delete("authorization:RoleAssignment", grant)
    with pytest.raises(HttpResponseError, match="not authorized"):
        client.get_secret("password")


@pytest.mark.parametrize(
    ("does", "name", "words"),
    [("get_key", "no", "KeyNotFound"), ("get_secret", "no", "SecretNotFound")],
)
def test_what_is_not_there_is_not_found(azure: Azure, does: str, name: str, words: str) -> None:
    azure.grant("00482a5a-887f-4fb3-b363-3b7fe8e74483", VAULT_ID)
    client = azure.keys() if does.endswith("key") else azure.secrets()
    with pytest.raises(ResourceNotFoundError, match=words):
        getattr(client, does)(name)


def test_a_closed_vault_is_reached_by_a_private_link_only(azure: Azure) -> None:
    azure.grant(SECRETS_USER, SECRET_ID)
    record = azure.world.require(VAULT_ID)
    properties = {**record.outputs["properties"], "publicNetworkAccess": "Disabled"}
    outputs = {**record.outputs, "properties": properties}
    azure.world.put(Record(VAULT_ID, record.type, record.inputs, outputs))
    with pytest.raises(HttpResponseError, match="Public network access is disabled"):
        azure.secrets().get_secret("password")
    azure.engine.create("network:VirtualNetwork", declared.network())
    azure.engine.create("network:Subnet", declared.subnet())
    azure.engine.create("network:PrivateEndpoint", declared.endpoint())
    assert azure.secrets().get_secret("password").value == "s3cret-canary"


def test_access_policies_decide_where_the_vault_has_them(azure: Azure) -> None:
    azure.grant(SECRETS_USER, SECRET_ID)
    record = azure.world.require(VAULT_ID)
    policy = {
        "tenantId": TENANT,
        "objectId": azure.identity["principalId"],
        "permissions": {"keys": ["Get", "WrapKey"], "secrets": []},
    }
    changed = {"enableRbacAuthorization": False, "accessPolicies": [policy]}
    outputs = {**record.outputs, "properties": {**record.outputs["properties"], **changed}}
    azure.world.put(Record(VAULT_ID, record.type, record.inputs, outputs))
    key = azure.keys().get_key("cmk")
    wrapped = azure.crypto(key.id).wrap_key(OAEP, b"data key").encrypted_key
    for refused in (
        lambda: azure.secrets().get_secret("password"),
        lambda: azure.crypto(key.id).unwrap_key(OAEP, wrapped),
    ):
        with pytest.raises(HttpResponseError, match=r"does not have (secrets get|keys unwrapkey)"):
            refused()


def test_another_tenants_token_is_no_use(azure: Azure) -> None:
    azure.grant(SECRETS_USER, SECRET_ID)
    record = azure.world.require(VAULT_ID)
    properties = {**record.outputs["properties"], "tenantId": TENANT.replace("aa", "bb")}
    outputs = {**record.outputs, "properties": properties}
    azure.world.put(Record(VAULT_ID, record.type, record.inputs, outputs))
    with pytest.raises(ClientAuthenticationError):
        azure.secrets().get_secret("password")
