"""A vault in a folder: real RSA keys, secrets as files, several processes at once.

It keeps versions as Key Vault does: a key may be rotated, and what an older version wrapped is
unwrapped by that version.
"""

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from memory.encryption.document import (
    KEY_BYTES,
    PURPOSES,
    Document,
    Entry,
    Purpose,
    State,
    base64url,
    new_id,
)
from memory.encryption.errors import VaultRefused
from memory.encryption.vault import ALGORITHM, Vault, Wrapped

VAULT = "https://kv-test.vault.azure.net"
KEY_URI = f"{VAULT}/keys/fields"
SECRET_URI = f"{VAULT}/secrets/memory-field-keys"
OAEP = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
EMPTY = Document().dump()


@dataclass
class FolderVault(Vault):
    """Keys and secrets of one folder; ``asked`` counts what this object was asked for."""

    folder: Path
    refusal: str | None = None
    """While set, everything is refused with these words."""
    asked: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        if not self._versions("key-*.pem"):
            self.rotate_key()
            self.write_secret(SECRET_URI, EMPTY)

    def rotate_key(self) -> str:
        """Make a newer version of the wrapping key."""
        version = f"{len(self._versions('key-*.pem')):032d}"
        # 2048 bits: what is made here guards nothing, and is made in every test.
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (self.folder / f"key-{version}.pem").write_bytes(pem)
        return version

    def wrap(self, key_uri: str, material: bytes) -> Wrapped:
        self._ask()
        assert key_uri == KEY_URI
        newest = self._versions("key-*.pem")[-1]
        wrapped = self._key(newest).public_key().encrypt(material, OAEP)
        return Wrapped(value=wrapped, algorithm=ALGORITHM, key_uri=f"{KEY_URI}/{newest}")

    def unwrap(self, wrapped: Wrapped) -> bytes:
        self._ask()
        name, version = wrapped.key_uri.rsplit("/", 1)
        if name != KEY_URI or version not in self._versions("key-*.pem"):
            raise VaultRefused(f"cannot unwrap with {wrapped.key_uri}: 404 KeyNotFound")
        try:
            return self._key(version).decrypt(wrapped.value, OAEP)
        except ValueError:
            raise VaultRefused(f"cannot unwrap with {wrapped.key_uri}: 400 BadParameter") from None

    def read_secret(self, uri: str) -> tuple[str, str]:
        self._ask()
        assert uri == SECRET_URI
        newest = self._versions("secret-*")[-1]
        return (self.folder / f"secret-{newest}").read_text(), newest

    def write_secret(self, uri: str, value: str) -> str:
        self._ask()
        assert uri == SECRET_URI
        version = f"{len(self._versions('secret-*')):032d}"
        part = self.folder / f"new-{os.getpid()}"
        part.write_text(value)
        part.rename(self.folder / f"secret-{version}")
        return version

    def document(self) -> Document:
        """The newest document."""
        return Document.parse(self.read_secret(SECRET_URI)[0])

    def _ask(self) -> None:
        self.asked += 1
        if self.refusal:
            raise VaultRefused(self.refusal)

    def _versions(self, pattern: str) -> list[str]:
        return sorted(file.stem.partition("-")[2] for file in self.folder.glob(pattern))

    def _key(self, version: str) -> rsa.RSAPrivateKey:
        pem = (self.folder / f"key-{version}.pem").read_bytes()
        key = serialization.load_pem_private_key(pem, password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key


def new_entry(
    vault: Vault, purpose: Purpose = "fields", state: State = "primary", age_days: int = 0
) -> Entry:
    """A new key, wrapped."""
    made = datetime.now(UTC) - timedelta(days=age_days)
    wrapped = vault.wrap(KEY_URI, os.urandom(KEY_BYTES))
    return Entry(
        id=new_id(purpose, made),
        purpose=purpose,
        state=state,
        created_at=made,
        promoted_at=made if state == "primary" else None,
        retired_at=made if state == "retired" else None,
        wrapped=base64url(wrapped.value),
        algorithm=wrapped.algorithm,
        wrapped_by=wrapped.key_uri,
    )


def ensure_ring(vault: FolderVault) -> Document:
    """A document with a primary key for each purpose, as a deployment ends with."""
    document = vault.document()
    missing = [purpose for purpose in PURPOSES if document.primary(purpose) is None]
    if missing:
        document = document.replacing(new_entry(vault, purpose) for purpose in missing)
        vault.write_secret(SECRET_URI, document.dump())
    return document


def rotated(vault: FolderVault) -> Document:
    """The document after a new primary key for fields; the one before is accepted."""
    document = ensure_ring(vault)
    old = document.primary("fields")
    assert old is not None
    document = document.replacing([replace_state(old, "accepted"), new_entry(vault)])
    vault.write_secret(SECRET_URI, document.dump())
    return document


def replace_state(entry: Entry, state: State) -> Entry:
    """The entry in another state."""
    retired = datetime.now(UTC) if state == "retired" else None
    return entry.model_copy(update={"state": state, "retired_at": retired})


def moved(wrapped: Wrapped, key_uri: str) -> Wrapped:
    """What was wrapped, said to be another key's."""
    return replace(wrapped, key_uri=key_uri)
