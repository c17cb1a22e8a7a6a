"""Encrypts single fields, each bound to its place.

A ciphertext reads ``engram:v1:<key id>:<token>``.  The token is Fernet's, and so is authenticated;
what it holds begins with a digest of where it belongs, so that a value that is copied to another
row, field, table or tenant is refused there.  Fernet's own time stamp shows when it was encrypted.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from cryptography.fernet import InvalidToken

from memory.encryption import paths
from memory.encryption.errors import FieldsRefused, Undecryptable
from memory.encryption.paths import Path
from memory.encryption.ring import Key, Keys, Ring

PREFIX = "engram:v1:"
TABLE = "zep_memory_vectors"
DEFAULT_TENANT = "default"
CONTENT = "content"
TEXT, JSON = b"t", b"j"
# Made once: json.dumps makes an encoder for each call that asks for another form.
CANONICAL = json.JSONEncoder(ensure_ascii=True, sort_keys=True, separators=(",", ":"))
COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
DIGEST_BYTES = hashlib.sha256().digest_size


@dataclass(frozen=True, kw_only=True)
class Binding:
    """Where a ciphertext belongs.

    The table goes without its schema: what a setting moves there, or a restore, stays readable.
    """

    row: UUID | str
    field: str
    """``content``, or ``metadata`` and a JSON pointer into it."""
    tenant: str = DEFAULT_TENANT
    table: str = TABLE

    def at(self, pointer: str) -> "Binding":
        """A value of the row's metadata, by its JSON pointer."""
        return Binding(
            row=self.row, field=f"metadata{pointer}", tenant=self.tenant, table=self.table
        )

    @property
    def digest(self) -> bytes:
        """SHA-256 of the place as a list in JSON: no two places share that."""
        # One by one, as a text alone takes the encoder's short way.
        place = map(CANONICAL.encode, (self.table, self.tenant, str(self.row), self.field))
        return hashlib.sha256(f"[{','.join(place)}]".encode()).digest()


@dataclass(frozen=True)
class FieldCipher:
    """Encrypts and decrypts with the keys of this moment.  Any number of threads may use it."""

    keys: Keys

    def now(self) -> "FieldCipher":
        """The cipher with today's ring alone: one key for all that is written together."""
        return FieldCipher(self.keys.current)

    @property
    def key_id(self) -> str:
        """The key that a write takes.  Raises NoKeys."""
        return self.keys.current.primary("fields").id

    def encrypt(self, value: Any, binding: Binding) -> str:
        """Encrypt a text, or whatever JSON can say.  Raises NoKeys."""
        return _sealed(self.keys.current.primary("fields"), value, binding)

    def decrypt(self, text: str, binding: Binding) -> Any:
        """Return what was encrypted for this place.

        Raises Undecryptable for what was changed, cut or moved, UnknownKey where the ring is older
        than the ciphertext.
        """
        return _opened(self.keys.current, text, binding)

    def renew(self, text: str, binding: Binding) -> str:
        """Encrypt again, with the key of today, whatever was encrypted for this place.

        What it says is not looked at.  Raises NoKeys, Undecryptable, UnknownKey.
        """
        ring = self.keys.current
        return _token(ring.primary("fields"), _bound(ring, text, binding))

    def encrypt_fields(
        self, metadata: Any, wanted: Iterable[Path], binding: Binding
    ) -> tuple[Any, str | None]:
        """Encrypt what lies at these paths; return the metadata, and the key if one was used.

        ``binding.field`` is left aside: each value is bound to its own place.
        """
        ring = self.keys.current
        used: list[str] = []

        def encrypt(value: Any, pointer: str) -> str:
            key = ring.primary("fields")
            used.append(key.id)
            return _sealed(key, value, binding.at(pointer))

        changed = paths.changed(metadata, wanted, encrypt)
        return changed, used[0] if used else None

    def decrypt_fields(self, metadata: Any, binding: Binding) -> Any:
        """Decrypt every ciphertext in metadata, whichever path it was encrypted under."""
        ring = self.keys.current

        def decrypt(text: str, pointer: str) -> Any:
            return _opened(ring, text, binding.at(pointer))

        return paths.texts_changed(metadata, is_ciphertext, decrypt)

    def blind(self, path: str, value: Any, tenant: str = DEFAULT_TENANT) -> str:
        """What the index holds for a value at a path: equal for equal values, and tells no more."""
        return _blinded(self.keys.current.primary("blind"), path, value, tenant)

    def blinds(self, path: str, value: Any, tenant: str = DEFAULT_TENANT) -> tuple[str, ...]:
        """What the index may hold for it while keys change: a search asks for any of these."""
        usable = self.keys.current.usable("blind")
        return tuple(_blinded(key, path, value, tenant) for key in usable)


def is_ciphertext(text: str) -> bool:
    """Whether a text claims to be one of ours; only its key can say whether it is."""
    return text.startswith(PREFIX)


def key_id_of(text: str) -> str:
    """The key that a ciphertext names.  Raises Undecryptable."""
    return _parts(text)[0]


def refuse_ciphertext(value: Any, where: str) -> None:
    """Raise FieldsRefused for a text that would be taken for a ciphertext when it is read."""
    if isinstance(value, str) and is_ciphertext(value):
        raise FieldsRefused(
            f"{where} begins with «{PREFIX}», as encrypted fields alone do: change the text"
        )


def _parts(text: str) -> tuple[str, bytes]:
    key_id, colon, token = text.removeprefix(PREFIX).partition(":")
    if not is_ciphertext(text) or not colon or not token.isascii():
        raise Undecryptable("the ciphertext is cut short, or is none")
    return key_id, token.encode()


def _sealed(key: Key, value: Any, binding: Binding) -> str:
    kind, payload = _payload(value)
    return _token(key, binding.digest + kind + payload)


def _token(key: Key, bound: bytes) -> str:
    return f"{PREFIX}{key.id}:{key.fernet.encrypt(bound).decode()}"


def _opened(ring: Ring, text: str, binding: Binding) -> Any:
    bound = _bound(ring, text, binding)
    kind, payload = bound[DIGEST_BYTES : DIGEST_BYTES + 1], bound[DIGEST_BYTES + 1 :]
    return payload.decode() if kind == TEXT else json.loads(payload)


def _bound(ring: Ring, text: str, binding: Binding) -> bytes:
    """What a token holds: the digest of its place, which is checked, and the value."""
    key_id, token = _parts(text)
    key = ring.key(key_id)
    if key.purpose != "fields":
        raise Undecryptable(f"the ciphertext names key {key_id}, which encrypts no fields")
    try:
        plain = key.fernet.decrypt(token)
    except InvalidToken:
        raise Undecryptable(
            f"the ciphertext in {_where(binding)} was changed or cut short: no value is returned"
        ) from None
    if not hmac.compare_digest(plain[:DIGEST_BYTES], binding.digest):
        raise Undecryptable(
            f"the ciphertext in {_where(binding)} belongs to another place: it was copied from"
            " another row, field, table or tenant"
        )
    return plain


def _where(binding: Binding) -> str:
    return f"{binding.field.partition('/')[0]} of row {binding.row}"


def _blinded(key: Key, path: str, value: Any, tenant: str) -> str:
    message = _canonical([TABLE, tenant, path, value])
    return f"{key.id}:{hmac.new(key.material, message, hashlib.sha256).hexdigest()}"


def _canonical(value: Any) -> bytes:
    """JSON with one spelling for each value."""
    return CANONICAL.encode(value).encode()


def _payload(value: Any) -> tuple[bytes, bytes]:
    try:
        if isinstance(value, str):
            return TEXT, value.encode()
        return JSON, COMPACT.encode(value).encode()
    except UnicodeEncodeError:
        raise FieldsRefused(
            "a text holds half of a surrogate pair, which no UTF-8 can say: change the text"
        ) from None
