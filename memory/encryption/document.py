"""The ring as it lies in the vault: which keys there are, each wrapped by the customer's key.

A document is the value of one secret.  It is written whole, and only by ``rotate-field-keys``; what
reads it holds an older version for a while, so a key is ``accepted`` before it is ``primary``, and
``retired`` for as long as a backup may hold rows under it.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_serializer,
    model_validator,
)

from memory.encryption.errors import RingUnreadable

Purpose = Literal["fields", "blind"]
"""What a key does: encrypt fields, or index them for equality."""
State = Literal["primary", "accepted", "retired"]
PURPOSES: tuple[Purpose, ...] = ("fields", "blind")
KEY_BYTES = 32
KEY_ID = r"^[a-z0-9-]{8,64}$"
KeyId = Annotated[str, Field(pattern=KEY_ID)]


class Frozen(BaseModel):
    """Frozen; an unknown key is a mistake; an error quotes no value."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Entry(Frozen):
    """One key, wrapped."""

    id: KeyId
    purpose: Purpose
    state: State
    created_at: datetime
    promoted_at: datetime | None = None
    """When it became primary: who reads an older document writes under the key before it."""
    retired_at: datetime | None = None
    wrapped: str
    """Base64url, as the vault's REST interface writes bytes."""
    algorithm: str
    wrapped_by: str
    """The version of the vault's key that unwraps it."""

    @field_serializer("created_at", "promoted_at", "retired_at")
    def _in_utc(self, moment: datetime | None) -> str | None:
        return None if moment is None else written(moment)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.state == "retired") != (self.retired_at is not None):
            raise ValueError(f"key {self.id} is {self.state}, and its retired_at says otherwise")
        moments = (self.created_at, self.promoted_at, self.retired_at)
        if any(moment is not None and moment.tzinfo is None for moment in moments):
            raise ValueError(f"key {self.id} has a moment without a time zone")
        self.bytes_wrapped()
        return self

    def bytes_wrapped(self) -> bytes:
        """The wrapped material.  Raises ValueError."""
        try:
            padded = self.wrapped + "=" * (-len(self.wrapped) % 4)
            return base64.b64decode(padded, altchars=b"-_", validate=True)
        except binascii.Error:
            raise ValueError(f"key {self.id}: wrapped is no base64url") from None


class Document(Frozen):
    """Every key of one installation."""

    format: Literal[1] = 1
    keys: tuple[Entry, ...] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        ids = [entry.id for entry in self.keys]
        if len(set(ids)) != len(ids):
            raise ValueError("two keys have the same id")
        for purpose in PURPOSES:
            primaries = [e.id for e in self.of(purpose) if e.state == "primary"]
            if len(primaries) > 1:
                raise ValueError(f"{', '.join(primaries)} are both primary for {purpose}")
        return self

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a secret's value.  Raises RingUnreadable, without quoting any of it."""
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            found = "; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'document'}: {one['msg']}"
                for one in error.errors(include_input=False, include_url=False)
            )
            raise RingUnreadable(
                f"the document of field keys cannot be read: {found}. It is written by"
                " rotate-field-keys alone; the vault keeps its earlier versions"
            ) from None

    def dump(self) -> str:
        """The value to write."""
        return json.dumps(self.model_dump(mode="json"), separators=(",", ":"))

    def of(self, purpose: Purpose) -> tuple[Entry, ...]:
        """The keys of a purpose, in the order in which they were made."""
        return tuple(entry for entry in self.keys if entry.purpose == purpose)

    def primary(self, purpose: Purpose) -> Entry | None:
        """The key to write with, where there is one."""
        return next((e for e in self.of(purpose) if e.state == "primary"), None)

    def entry(self, key_id: str) -> Entry | None:
        """The key with this id, where there is one."""
        return next((e for e in self.keys if e.id == key_id), None)

    def replacing(self, changed: Iterable[Entry]) -> "Document":
        """The document with these entries in place of theirs, new ones at the end.

        Raises RingUnreadable where it would contradict itself.
        """
        news = {entry.id: entry for entry in changed}
        kept = [news.pop(entry.id, entry) for entry in self.keys]
        return Document.parse(Document.model_construct(keys=(*kept, *news.values())).dump())

    def without(self, ids: Iterable[str]) -> "Document":
        """The document without these keys, whose material is then gone for good."""
        gone = set(ids)
        return Document(keys=tuple(entry for entry in self.keys if entry.id not in gone))


def written(moment: datetime) -> str:
    """A moment as the document writes it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def base64url(raw: bytes) -> str:
    """Bytes as the document writes them."""
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def new_id(purpose: Purpose, now: datetime) -> str:
    """An id that says what for and since when, and that no other key has."""
    return f"{purpose}-{now.astimezone(UTC):%Y%m%d}-{secrets.token_hex(4)}"
