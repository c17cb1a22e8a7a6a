"""memory/operations/azure.py and vault_key.py: ids, words, and what a restore is told"""

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from memory.operations import azure, vault_key
from memory.operations.azure import AzureRefused, FlexibleServer, NotThere, parts
from memory.operations.errors import OperationError
from memory.operations.vault_key import KeyRefused, VaultKey

SERVER = (
    "/subscriptions/s/resourceGroups/rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/psql"
)


def test_an_id_has_three_parts() -> None:
    assert parts(SERVER) == ("s", "rg", "psql")
    assert parts(SERVER.replace("DBforPostgreSQL", "dbforpostgresql")) == ("s", "rg", "psql")


@pytest.mark.parametrize(
    "text", ["", "psql", SERVER + "/databases/memory", SERVER.replace("flexibleServers", "servers")]
)
def test_another_id_is_refused(text: str) -> None:
    with pytest.raises(OperationError, match="give the ARM id of a Flexible Server"):
        parts(text)


def test_a_server_is_read_from_a_body_that_says_little() -> None:
    server = FlexibleServer(id=SERVER, properties={"state": "Provisioning"})
    assert (server.name, server.state, server.host) == ("psql", "Provisioning", "")
    assert (server.key_uri, server.key_status, server.endpoints) == (None, None, [])
    assert not server.is_private
    assert server.beside("other") == SERVER.replace("psql", "other")


@pytest.mark.parametrize(
    ("status", "family", "remedy"),
    [
        (404, NotThere, "is the id right"),
        (403, AzureRefused, "needs Contributor"),
        (409, AzureRefused, "another operation is under way"),
        (418, AzureRefused, "see Azure's words"),
    ],
)
def test_azures_words_come_with_a_remedy(status: int, family: type[Exception], remedy: str) -> None:
    error = HttpResponseError("no tea")
    error.status_code = status
    with (
        pytest.raises(family, match=f"could not brew: no tea .*{remedy}"),
        azure._explained("brew"),
    ):
        raise error


def test_a_network_that_fails_is_said() -> None:
    with pytest.raises(AzureRefused, match="could not brew: no route"), azure._explained("brew"):
        raise ServiceRequestError("no\n route")


@pytest.mark.parametrize(
    ("uri", "name", "pinned"),
    [
        ("https://kv.vault.azure.net/keys/cmk", "cmk", None),
        ("https://kv.vault.azure.net/keys/cmk/0123", "cmk", "0123"),
        ("https://kv.vault.azure.net:443/keys/cmk/", "cmk", None),
    ],
)
def test_a_keys_uri_has_a_version_or_none(uri: str, name: str, pinned: str | None) -> None:
    key = VaultKey(uri)
    assert (key.name, key.pinned) == (name, pinned)


@pytest.mark.parametrize("uri", ["", "cmk", "https://kv.vault.azure.net/secrets/cmk"])
def test_what_is_no_keys_uri_is_refused(uri: str) -> None:
    with pytest.raises(KeyRefused, match="is no key's URI"):
        assert VaultKey(uri).name


def test_a_vault_that_refuses_says_which_role() -> None:
    error = HttpResponseError("Forbidden")
    error.status_code = 403
    with pytest.raises(KeyRefused, match="Key Vault Crypto Officer"), vault_key._explained("look"):
        raise error


def test_a_restore_is_told_its_sources_key_and_network_but_no_answers() -> None:
    had: dict[str, Any] = {"dataEncryption": {"type": "AzureKeyVault"}, "network": {}}
    answers = {"primaryEncryptionKeyStatus": "Valid", **had["dataEncryption"]}
    told = azure._without_answers({**had, "dataEncryption": answers})
    assert told == had
