"""The keys themselves, unwrapped: in memory, nowhere else, and in no ``repr``."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

from cryptography.fernet import Fernet

from memory.encryption.document import KEY_BYTES, Document, Entry, Purpose, State, base64url
from memory.encryption.errors import NoKeys, RingUnreadable, UnknownKey, VaultRefused
from memory.encryption.vault import Vault, Wrapped


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key, ready for use."""

    id: str
    purpose: Purpose
    state: State
    material: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no key of 256 bits."""
        if len(self.material) != KEY_BYTES:
            raise RingUnreadable(
                f"key {self.id} has {len(self.material)} bytes instead of {KEY_BYTES}: it was not"
                " wrapped by rotate-field-keys"
            )

    @cached_property
    def fernet(self) -> Fernet:
        """The cipher of this key: AES-128-CBC and HMAC-SHA256, each with half of the bytes."""
        return Fernet(base64url(self.material) + "=")


class Keys(Protocol):
    """What a cipher asks for its keys: a ring, or one that follows a file."""

    @property
    def current(self) -> "Ring":
        """The ring of this moment; take it once for everything that belongs together."""


class Ring:
    """The keys of one document.  Never changes; a newer document makes a newer ring."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = {key.id: key for key in keys}
        self._primary = {k.purpose: k for k in self if k.state == "primary"}

    @classmethod
    def open(cls, document: Document, vault: Vault, known: "Ring | None" = None) -> "Ring":
        """Unwrap every key that ``known`` does not hold yet.

        A retired key that cannot be unwrapped is left out: rows need it no more.  Raises
        VaultRefused for any other.
        """
        keys = (_opened(entry, vault, known) for entry in document.keys)
        return cls(key for key in keys if key is not None)

    def __iter__(self) -> Iterator[Key]:
        """Every key."""
        return iter(self._keys.values())

    def __contains__(self, key_id: object) -> bool:
        """Whether a row under this key can be read."""
        return key_id in self._keys

    @property
    def current(self) -> "Ring":
        """Itself: a ring is where a cipher finds its keys."""
        return self

    def key(self, key_id: str) -> Key:
        """The key with this id.  Raises UnknownKey."""
        try:
            return self._keys[key_id]
        except KeyError:
            raise UnknownKey(
                f"the ring has no key {key_id}: it is older than what was written, or the key was"
                " purged; read the vault's secret again, and restore an earlier version of it where"
                " the key is missing there"
            ) from None

    def primary(self, purpose: Purpose) -> Key:
        """The key to write with.  Raises NoKeys."""
        try:
            return self._primary[purpose]
        except KeyError:
            raise NoKeys(
                f"the ring has no primary key for {purpose}: run rotate-field-keys --ensure, and"
                " wait until the secret's file has followed"
            ) from None

    def usable(self, purpose: Purpose) -> tuple[Key, ...]:
        """Every key that rows may still be under, the primary one first."""
        found = [k for k in self if k.purpose == purpose and k.state != "retired"]
        return tuple(sorted(found, key=lambda key: key.state != "primary"))


def _opened(entry: Entry, vault: Vault, known: Ring | None) -> Key | None:
    if known is not None and entry.id in known:
        material = known.key(entry.id).material
    else:
        wrapped = Wrapped(
            value=entry.bytes_wrapped(), algorithm=entry.algorithm, key_uri=entry.wrapped_by
        )
        try:
            material = vault.unwrap(wrapped)
        except VaultRefused:
            if entry.state == "retired":
                return None
            raise
    return Key(id=entry.id, purpose=entry.purpose, state=entry.state, material=material)
