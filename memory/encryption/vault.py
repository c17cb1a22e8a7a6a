"""Where keys are wrapped and their document is kept: Azure Key Vault, or what stands in for it.

The wrapping key never leaves the vault.  Who may unwrap is decided there, by role assignments, so
that revoking one identity's grant ends its reading at its next start.
"""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

from memory.encryption.errors import VaultRefused

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.keyvault.secrets import SecretClient, SecretProperties

ALGORITHM = "RSA-OAEP-256"
CONTENT_TYPE = "Field keys of the memory, wrapped; JSON"
LONGEST_LIFE = timedelta(days=365)
REMEDIES = {
    401: "no token was accepted: sign in (az login), or give the pod a workload identity",
    403: "the identity needs Key Vault Crypto Service Encryption User on the key, and Key Vault"
    " Secrets User (to read) or Secrets Officer (to write) on the secret; a grant takes minutes",
    404: "there is no such key or secret: is it deployed, its name right, and not deleted?",
    429: "the vault is throttled: run again later",
}


@dataclass(frozen=True, kw_only=True)
class Wrapped:
    """A key under the vault's key."""

    value: bytes
    algorithm: str
    key_uri: str
    """With the version: a newer version cannot unwrap it."""


class Vault(Protocol):
    """Four things that are asked of a vault.  Each raises VaultRefused."""

    def wrap(self, key_uri: str, material: bytes) -> Wrapped:
        """Wrap with the newest version of a key, whose URI has no version."""

    def unwrap(self, wrapped: Wrapped) -> bytes:
        """Return what was wrapped."""

    def read_secret(self, uri: str) -> tuple[str, str]:
        """Return the newest value of a secret, and its version."""

    def write_secret(self, uri: str, value: str) -> str:
        """Write a new version of a secret, and return it; what describes the secret is kept."""


@dataclass
class AzureVault(Vault):
    """Key Vault by its REST interface.

    The identity is the environment's: workload identity in a pod, the Azure CLI's on a desk.
    """

    credential: "TokenCredential | None" = None
    _clients: dict[str, "SecretClient"] = field(default_factory=dict, repr=False)

    @override
    def wrap(self, key_uri: str, material: bytes) -> Wrapped:
        from azure.keyvault.keys.crypto import (  # noqa: PLC0415 - half a second of import
            KeyWrapAlgorithm,
        )

        with self._cryptography(key_uri) as client, _explained(f"wrap with {key_uri}"):
            result = client.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, material)
        return Wrapped(
            value=result.encrypted_key, algorithm=ALGORITHM, key_uri=_versioned(result.key_id)
        )

    @override
    def unwrap(self, wrapped: Wrapped) -> bytes:
        from azure.keyvault.keys.crypto import (  # noqa: PLC0415 - half a second of import
            KeyWrapAlgorithm,
        )

        what = f"unwrap with {wrapped.key_uri}"
        if wrapped.algorithm != ALGORITHM:
            raise VaultRefused(f"{what}: the algorithm is {wrapped.algorithm}, not {ALGORITHM}")
        with self._cryptography(wrapped.key_uri) as client, _explained(what):
            result = client.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.value)
        return bytes(result.key)

    @override
    def read_secret(self, uri: str) -> tuple[str, str]:
        client, name = self._secrets(uri)
        with _explained(f"read {uri}"):
            secret = client.get_secret(name)
        return secret.value or "", secret.properties.version or ""

    @override
    def write_secret(self, uri: str, value: str) -> str:
        client, name = self._secrets(uri)
        with _explained(f"write {uri}"):
            kept = client.get_secret(name).properties
            secret = client.set_secret(
                name,
                value,
                content_type=kept.content_type or CONTENT_TYPE,
                tags=kept.tags,
                expires_on=_as_long_again(kept),
            )
        return secret.properties.version or ""

    def _identity(self) -> "TokenCredential":
        if self.credential is None:
            self.credential = credential()
        return self.credential

    def _cryptography(self, key_uri: str) -> Any:
        from azure.keyvault.keys.crypto import (  # noqa: PLC0415 - half a second of import
            CryptographyClient,
        )

        with _explained(f"use {key_uri}"):
            return CryptographyClient(key_uri, self._identity())

    def _secrets(self, uri: str) -> tuple["SecretClient", str]:
        from azure.keyvault.secrets import (  # noqa: PLC0415 - half a second of import
            KeyVaultSecretIdentifier,
            SecretClient,
        )

        with _explained(f"use {uri}"):
            named = KeyVaultSecretIdentifier(uri)
        if named.vault_url not in self._clients:
            self._clients[named.vault_url] = SecretClient(named.vault_url, self._identity())
        return self._clients[named.vault_url], named.name


def credential() -> "TokenCredential":
    """The environment's: a pod's federated token, a principal's secret, or the Azure CLI's."""
    from azure.identity import (  # noqa: PLC0415 - half a second of import
        AzureCliCredential,
        EnvironmentCredential,
        WorkloadIdentityCredential,
    )

    if os.environ.get("AZURE_FEDERATED_TOKEN_FILE"):
        with _explained("use the pod's identity"):
            return WorkloadIdentityCredential()
    if os.environ.get("AZURE_CLIENT_SECRET"):
        return EnvironmentCredential()
    return AzureCliCredential()


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turn the SDK's errors into one with the remedy; its answer's body is left out."""
    from azure.core.exceptions import (  # noqa: PLC0415 - half a second of import
        AzureError,
        ClientAuthenticationError,
        HttpResponseError,
    )

    try:
        yield
    except HttpResponseError as error:
        status = error.status_code or (401 if isinstance(error, ClientAuthenticationError) else 0)
        code = getattr(error.error, "code", None)
        remedy = REMEDIES.get(status, "see the vault's diagnostic log")
        answered = f"{status or 'no answer'}{f' {code}' if code else ''}"
        raise VaultRefused(f"cannot {what}: {answered}; {remedy}") from None
    except (AzureError, ValueError) as error:
        first = str(error).partition("\n")[0][:200]
        raise VaultRefused(
            f"cannot {what}: {type(error).__name__}: {first}; is the vault's private endpoint in"
            " reach from here, and its URI right?"
        ) from None


def _versioned(key_id: str | None) -> str:
    """``https://<vault>/keys/<name>/<version>``; without the version nobody could unwrap later."""
    if not key_id or not re.fullmatch(r"https://[^/]+/keys/[^/]+/[^/]+", key_id):
        raise VaultRefused(f"the vault did not say which version of {key_id} has wrapped")
    return key_id


def _as_long_again(kept: "SecretProperties") -> datetime:
    """An expiry as far ahead of now as the last version's was of its creation; a year at most."""
    now = datetime.now(UTC)
    if kept.expires_on is None:
        return now + LONGEST_LIFE
    life = kept.expires_on - (kept.created_on or now)
    return now + min(max(life, timedelta(days=1)), LONGEST_LIFE)
