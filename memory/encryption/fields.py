"""Which fields are sensitive, and whole rows in and out.

Metadata is encrypted at the configured paths; content, where ``content`` is among them, for the
memories that carry a tag of sensitivity.  Where no key is configured a row with anything sensitive
is refused, never stored in the clear.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self
from uuid import UUID

from memory.encryption import paths
from memory.encryption.cipher import (
    CONTENT,
    DEFAULT_TENANT,
    Binding,
    FieldCipher,
    is_ciphertext,
    refuse_ciphertext,
)
from memory.encryption.errors import FieldsRefused, NoKeys
from memory.encryption.paths import Path

FIELDS_VARIABLE, BLIND_VARIABLE = "ENGRAM_ENCRYPTED_FIELDS", "ENGRAM_BLIND_INDEXES"
SENSITIVE = ("pii", "phi", "secret")
"""The mission's fields, and the tags that make content sensitive."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is encrypted, and what of it can be searched for equality."""

    fields: tuple[Path, ...] = tuple((name,) for name in SENSITIVE)
    """Paths into metadata."""
    content: bool = False
    """Whether the content of a memory with a sensitive tag is encrypted."""
    blind: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        """Refuse an index of what is not encrypted: a plain filter finds that."""
        for path in self.blind:
            if not self.encrypts(path):
                raise FieldsRefused(
                    f"{BLIND_VARIABLE} names {'.'.join(path)}, which is not among the encrypted"
                    f" fields: add it to {FIELDS_VARIABLE}, or filter by it in the clear"
                )

    @classmethod
    def of(cls, fields: Sequence[str], blind: Sequence[str] = ()) -> Self:
        """The policy of two lists of words.  Raises FieldsRefused."""
        try:
            return cls(
                fields=tuple(paths.parsed(word) for word in fields if word != CONTENT),
                content=CONTENT in fields,
                blind=tuple(map(paths.parsed, blind)),
            )
        except ValueError as error:
            raise FieldsRefused(str(error)) from None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The policy of ENGRAM_ENCRYPTED_FIELDS and ENGRAM_BLIND_INDEXES: words with commas."""
        return cls.of(
            _words(environment.get(FIELDS_VARIABLE, ",".join(SENSITIVE))),
            _words(environment.get(BLIND_VARIABLE, "")),
        )

    def encrypts(self, path: Path) -> bool:
        """Whether what lies at a path, or around it, is a ciphertext."""
        return any(path[: len(outer)] == outer for outer in self.fields)

    def touches(self, path: Path) -> bool:
        """Whether some of what lies at a path, or all of it, is ciphertext."""
        return self.encrypts(path) or any(one[: len(path)] == path for one in self.fields)

    def has_blind_index(self, path: Path) -> bool:
        """Whether equality at a path can be searched for although it is encrypted."""
        return path in self.blind

    def refuse_search(self, path: Path) -> None:
        """Raise FieldsRefused for a search at a path that nothing but its key could answer."""
        if self.touches(path) and not self.has_blind_index(path):
            raise FieldsRefused(
                f"metadata.{'.'.join(path)} is encrypted, so it cannot be searched: filter by"
                f" another field, or let the operator name it in {BLIND_VARIABLE}, which makes it"
                " searchable for equality"
            )

    def sensitive_content(self, sensitivity: Sequence[str]) -> bool:
        """Whether the content of a memory with these tags is encrypted."""
        return self.content and any(tag in SENSITIVE for tag in sensitivity)


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """A row as it is stored."""

    content: str
    metadata: dict[str, Any] | None
    key_id: str | None
    """None where nothing in it is encrypted."""
    blind_index: dict[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class RowCipher:
    """Rows in and out, by one policy."""

    policy: Policy = field(default_factory=Policy)
    cipher: FieldCipher | None
    """None where encryption is off: what is sensitive is refused then."""

    def seal(
        self,
        *,
        row: UUID,
        content: str,
        metadata: dict[str, Any] | None,
        sensitivity: Sequence[str] = (),
        tenant: str = DEFAULT_TENANT,
    ) -> Sealed:
        """Encrypt what is sensitive, all with one key.  Raises FieldsRefused, NoKeys."""
        self._refuse_lookalikes(content, metadata)
        cipher = None if self.cipher is None else self.cipher.now()
        secret_content = self.policy.sensitive_content(sensitivity)
        if cipher is None:
            self._refuse_sensitive(metadata, secret_content=secret_content)
            return Sealed(content=content, metadata=metadata, key_id=None)
        binding = Binding(row=row, tenant=tenant, field=CONTENT)
        index = self.blind_index(cipher, metadata, tenant)
        metadata, key_id = cipher.encrypt_fields(metadata, self.policy.fields, binding)
        if secret_content:
            content, key_id = cipher.encrypt(content, binding), cipher.key_id
        return Sealed(content=content, metadata=metadata, key_id=key_id, blind_index=index)

    def unseal(
        self,
        *,
        row: UUID,
        content: str,
        metadata: dict[str, Any] | None,
        tenant: str = DEFAULT_TENANT,
    ) -> tuple[str, dict[str, Any] | None]:
        """Decrypt whatever is encrypted, also under a policy that is no longer in force.

        Raises Undecryptable, UnknownKey, and NoKeys where encryption is off.
        """
        if self.cipher is None:
            _refuse_unreadable(content, metadata)
            return content, metadata
        cipher = self.cipher.now()
        binding = Binding(row=row, tenant=tenant, field=CONTENT)
        plain = cipher.decrypt(content, binding) if is_ciphertext(content) else content
        return plain, cipher.decrypt_fields(metadata, binding)

    def blind_index(self, cipher: FieldCipher, metadata: Any, tenant: str) -> dict[str, str] | None:
        """The index of plain metadata.  Raises FieldsRefused where a path has several values."""
        index: dict[str, str] = {}
        for path in self.policy.blind:
            values, name = paths.found(metadata, path), ".".join(path)
            if len(values) > 1:
                raise FieldsRefused(
                    f"metadata.{name} lies in a list and has {len(values)} values; it is searchable"
                    " for equality, and so can have only one"
                )
            if values:
                index[name] = cipher.blind(name, values[0], tenant)
        return index or None

    def _refuse_sensitive(self, metadata: Any, *, secret_content: bool) -> None:
        present = [path for path in self.policy.fields if paths.found(metadata, path)]
        if not present and not secret_content:
            return
        words = [f"metadata.{'.'.join(path)}" for path in present]
        words += [CONTENT] if secret_content else []
        raise FieldsRefused(
            f"{', '.join(words)} would have to be encrypted, and this service has no keys: leave it"
            " out, or let the operator turn field encryption on"
        )

    def _refuse_lookalikes(self, content: str, metadata: Any) -> None:
        refuse_ciphertext(content, "content")
        clear = paths.changed(metadata, self.policy.fields, lambda _, __: None)
        for text in paths.texts(clear):
            refuse_ciphertext(text, "a value of metadata")


def _refuse_unreadable(content: str, metadata: Any) -> None:
    if any(map(is_ciphertext, (content, *paths.texts(metadata)))):
        raise NoKeys(
            "the row is encrypted, and this service has no keys: let the operator turn field"
            " encryption on again"
        )


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for part in text.split(",") if (word := part.strip()))
