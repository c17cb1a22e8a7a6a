"""Key Vault as its SDK shows it: what is kept when a secret is written, and words for refusals."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import azure.keyvault.keys.crypto
import azure.keyvault.secrets
import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.identity import AzureCliCredential, EnvironmentCredential, WorkloadIdentityCredential

from memory.encryption.errors import VaultRefused
from memory.encryption.vault import CONTENT_TYPE, AzureVault, Wrapped, credential

KEY = "https://kv-one.vault.azure.net/keys/fields"
SECRET = "https://kv-one.vault.azure.net/secrets/memory-field-keys"
CANARY = "canary-4711"


class Nobody:
    """A credential that is never asked."""

    def get_token(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("no token is asked for here")


class FakeSecrets:
    """One secret, as the SDK's client shows it."""

    kept = SimpleNamespace(
        version="1", content_type="JSON of ours", tags={"owner": "us"}, created_on=None,
        expires_on=None,
    )  # fmt: skip
    written: dict[str, Any]
    error: Exception | None = None
    vaults: list[str]

    def __init__(self, vault_url: str, _: Any) -> None:
        type(self).vaults.append(vault_url)

    def get_secret(self, name: str) -> Any:
        if self.error:
            raise self.error
        assert name == "memory-field-keys"
        return SimpleNamespace(value="{}", properties=self.kept)

    def set_secret(self, name: str, value: str, **more: Any) -> Any:
        type(self).written = {"name": name, "value": value, **more}
        return SimpleNamespace(properties=SimpleNamespace(version="2"))


class FakeCryptography:
    """One key, which only turns bytes round."""

    key_id: str = f"{KEY}/0a1b"
    error: Exception | None = None

    def __init__(self, key_uri: str, _: Any) -> None:
        self.uri = key_uri

    def __enter__(self) -> "FakeCryptography":
        return self

    def __exit__(self, *_: object) -> None: ...

    def wrap_key(self, algorithm: Any, material: bytes) -> Any:
        assert (algorithm.value, self.uri) == ("RSA-OAEP-256", KEY)
        return SimpleNamespace(key_id=self.key_id, encrypted_key=material[::-1])

    def unwrap_key(self, algorithm: Any, wrapped: bytes) -> Any:
        if self.error:
            raise self.error
        assert (algorithm.value, self.uri) == ("RSA-OAEP-256", f"{KEY}/0a1b")
        return SimpleNamespace(key=wrapped[::-1])


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> AzureVault:
    monkeypatch.setattr(azure.keyvault.secrets, "SecretClient", FakeSecrets)
    monkeypatch.setattr(azure.keyvault.keys.crypto, "CryptographyClient", FakeCryptography)
    monkeypatch.setattr(FakeSecrets, "vaults", [], raising=False)
    return AzureVault(Nobody())


def test_wraps_with_the_newest_version_and_unwraps_with_that(vault: AzureVault) -> None:
    wrapped = vault.wrap(KEY, b"material")
    assert wrapped.key_uri == f"{KEY}/0a1b"
    assert vault.unwrap(wrapped) == b"material"


@pytest.mark.parametrize("key_id", [None, "", KEY, f"{KEY}/"])
def test_a_wrapping_without_a_version_is_refused(
    vault: AzureVault, monkeypatch: pytest.MonkeyPatch, key_id: str | None
) -> None:
    monkeypatch.setattr(FakeCryptography, "key_id", key_id)
    with pytest.raises(VaultRefused, match="did not say which version"):
        vault.wrap(KEY, b"material")


def test_another_algorithm_is_refused(vault: AzureVault) -> None:
    with pytest.raises(VaultRefused, match="RSA1_5, not RSA-OAEP-256"):
        vault.unwrap(Wrapped(value=b"", algorithm="RSA1_5", key_uri=f"{KEY}/0a1b"))


def test_one_client_for_one_vault(vault: AzureVault) -> None:
    assert vault.read_secret(SECRET) == ("{}", "1")
    assert vault.write_secret(SECRET, "new") == "2"
    assert FakeSecrets.vaults == ["https://kv-one.vault.azure.net"]


MADE = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kept", "content_type", "days"),
    [
        ({}, "JSON of ours", 365),
        ({"created_on": MADE, "expires_on": MADE + timedelta(days=90)}, "JSON of ours", 90),
        ({"created_on": MADE, "expires_on": MADE + timedelta(days=900)}, "JSON of ours", 365),
        ({"created_on": MADE, "expires_on": MADE - timedelta(days=1)}, "JSON of ours", 1),
        ({"content_type": None}, CONTENT_TYPE, 365),
    ],
)
def test_a_new_version_says_what_it_is_and_ends_as_the_last_did(
    vault: AzureVault,
    monkeypatch: pytest.MonkeyPatch,
    kept: dict[str, Any],
    content_type: str,
    days: int,
) -> None:
    described = SimpleNamespace(**{**vars(FakeSecrets.kept), **kept})
    monkeypatch.setattr(FakeSecrets, "kept", described)
    vault.write_secret(SECRET, "new")
    written = FakeSecrets.written
    assert written["value"] == "new"
    assert (written["content_type"], written["tags"]) == (content_type, {"owner": "us"})
    left = written["expires_on"] - datetime.now(UTC)
    assert timedelta(days=days, minutes=-1) < left <= timedelta(days=days)


def answered(status: int, kind: type[HttpResponseError] = HttpResponseError) -> HttpResponseError:
    """What the SDK raises for an answer, which may quote anything."""
    error = kind(message=f"({CANARY}) {CANARY}")
    error.status_code = status
    return error


@pytest.mark.parametrize(
    ("error", "match"),
    [
        (answered(403), "403.*Key Vault Crypto Service Encryption User.*Secrets Officer"),
        (answered(401, ClientAuthenticationError), "401.*az login"),
        (answered(404, ResourceNotFoundError), "404.*is it deployed"),
        (answered(429), "429.*throttled"),
        (answered(500), "500.*diagnostic log"),
        (ClientAuthenticationError(message="no token"), "401.*az login"),
        (ServiceRequestError("Connection refused"), "Connection refused.*in reach"),
    ],
)
def test_a_refusal_says_what_to_do(
    vault: AzureVault, monkeypatch: pytest.MonkeyPatch, error: Exception, match: str
) -> None:
    monkeypatch.setattr(FakeSecrets, "error", error)
    monkeypatch.setattr(FakeCryptography, "error", error)
    for ask in (
        lambda: vault.read_secret(SECRET),
        lambda: vault.unwrap(Wrapped(value=b"", algorithm="RSA-OAEP-256", key_uri=f"{KEY}/0a1b")),
    ):
        with pytest.raises(VaultRefused, match=match) as refused:
            ask()
        assert CANARY not in str(refused.value)


@pytest.mark.parametrize("uri", ["", "memory-field-keys", "https://kv-one.vault.azure.net"])
def test_a_uri_that_names_no_secret_is_refused(vault: AzureVault, uri: str) -> None:
    with pytest.raises(VaultRefused, match="its URI right"):
        vault.read_secret(uri)


def test_a_pod_shows_its_own_token(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEDERATED_TOKEN_FILE", "CLIENT_SECRET"):
        monkeypatch.delenv(f"AZURE_{name}", raising=False)
    assert isinstance(credential(), AzureCliCredential)
    for name, value in (("FEDERATED_TOKEN_FILE", "/token"), ("CLIENT_ID", "c"), ("TENANT_ID", "t")):
        monkeypatch.setenv(f"AZURE_{name}", value)
    assert isinstance(credential(), WorkloadIdentityCredential)
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "s")
    assert isinstance(credential(), WorkloadIdentityCredential)
    monkeypatch.delenv("AZURE_FEDERATED_TOKEN_FILE")
    assert isinstance(credential(), EnvironmentCredential)
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", "/token")
    monkeypatch.delenv("AZURE_CLIENT_ID")
    with pytest.raises(VaultRefused, match="use the pod's identity"):
        credential()
