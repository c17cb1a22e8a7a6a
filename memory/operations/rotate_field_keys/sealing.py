"""Rows as they ought to be: whatever was encrypted is so under the new key, in its own place."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from memory.encryption import paths
from memory.encryption.cipher import CONTENT, Binding, FieldCipher, is_ciphertext
from memory.encryption.errors import EncryptionError
from memory.operations.rotate_field_keys.target import Target


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row as it was read."""

    id: UUID
    tenant: str
    content: str | None
    """None where nothing is to be done with it."""
    metadata: Any
    blind_index: dict[str, str] | None
    seen: str
    """The version: the transaction that wrote it."""


Fresh = dict[str, Any]
"""What is written over a row; None leaves a column as it is."""


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """Rows that were encrypted again, and those that could not be."""

    fresh: tuple[Fresh, ...]
    broken: tuple[UUID, ...] = ()
    why: str = ""
    """What the first of them was refused with."""


def sealed(rows: Iterable[Row], cipher: FieldCipher, target: Target) -> Sealed:
    """Encrypt rows again; one that cannot be decrypted is left as it is."""
    fresh: list[Fresh] = []
    broken: list[UUID] = []
    why = ""
    for row in rows:
        try:
            fresh.append(one_sealed(row, cipher, target))
        except EncryptionError as error:
            broken.append(row.id)
            why = why or str(error)
    return Sealed(fresh=tuple(fresh), broken=tuple(broken), why=why)


def one_sealed(row: Row, cipher: FieldCipher, target: Target) -> Fresh:
    """A row under the cipher's primary key.  Raises EncryptionError."""
    binding = Binding(row=str(row.id), tenant=row.tenant, field=CONTENT)
    return {
        "id": binding.row,
        "seen": row.seen,
        "content": None if row.content is None else _closed(row.content, cipher, binding),
        "metadata": _metadata(row.metadata, cipher, target, binding),
        "blind": _indexed(row, cipher, target, binding),
    }


def _closed(text: str, cipher: FieldCipher, binding: Binding) -> str:
    return cipher.renew(text, binding) if is_ciphertext(text) else cipher.encrypt(text, binding)


def _metadata(metadata: Any, cipher: FieldCipher, target: Target, binding: Binding) -> Any:
    """Metadata with the policy's paths encrypted, and what was before; None if nothing is."""
    places = 0

    def renew(text: str, pointer: str) -> str:
        nonlocal places
        places += 1
        return cipher.renew(text, binding.at(pointer))

    def decrypt(text: str, pointer: str) -> Any:
        return cipher.decrypt(text, binding.at(pointer))

    def close(value: Any, pointer: str) -> str:
        nonlocal places
        if isinstance(value, str) and is_ciphertext(value):
            return value
        places += 1
        # An older policy may have encrypted some of it: the new place holds all of it plain.
        plain = paths.texts_changed(value, is_ciphertext, decrypt, pointer)
        return cipher.encrypt(plain, binding.at(pointer))

    fresh = paths.texts_changed(metadata, is_ciphertext, renew)
    if target.policy is not None:
        fresh = paths.changed(fresh, target.policy.fields, close)
    return fresh if places else None


def _indexed(
    row: Row, cipher: FieldCipher, target: Target, binding: Binding
) -> dict[str, str] | None:
    """The blind index, for the policy's paths or those that the row has; None leaves it alone."""
    if target.blind_id is None:
        return None
    before = row.blind_index or {}
    names = [".".join(path) for path in target.policy.blind] if target.policy else list(before)
    keys = {entry.partition(":")[0] for entry in before.values()}
    if before.keys() == set(names) and keys <= {target.blind_id}:
        return None
    plain = cipher.decrypt_fields(row.metadata, binding)
    index = {}
    for name in names:
        values = paths.found(plain, paths.parsed(name))
        if len(values) == 1:
            index[name] = cipher.blind(name, values[0], row.tenant)
    return index if index or before else None
