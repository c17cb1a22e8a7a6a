"""The steps of a rotation in the vault: each writes the document once, or finds it done."""

import re
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from memory.encryption.document import (
    KEY_BYTES,
    KEY_ID,
    PURPOSES,
    Document,
    Entry,
    Purpose,
    State,
    base64url,
    new_id,
)
from memory.encryption.vault import Vault
from memory.operations.rotate_field_keys.errors import RingChanged


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class KeyStore:
    """The document in the vault, and the key that wraps.

    The vault has no conditional write: whoever calls holds the lock of ``alone``.
    """

    vault: Vault
    secret_uri: str
    key_uri: str
    now: Callable[[], datetime] = _now

    def read(self) -> Document:
        """The newest document.  Raises VaultRefused, RingUnreadable."""
        return Document.parse(self.vault.read_secret(self.secret_uri)[0])

    def ensure(self) -> Sequence[Entry]:
        """Make the first primary key of each purpose; return those that were made."""
        document, version = self._versioned()
        missing = [purpose for purpose in PURPOSES if document.primary(purpose) is None]
        made = [self._made(purpose, "primary", None) for purpose in missing]
        if made:
            self._write(document.replacing(made), version)
        return made

    def add(self, purposes: Iterable[Purpose] = ("fields",), key_id: str | None = None) -> Document:
        """Publish a new key of each purpose as accepted; nothing where one waits already.

        ``key_id`` names the key for fields; where there is one of that name, nothing is made.
        Raises RingChanged where a key of another name waits, or the name cannot be one.
        """
        document, version = self._versioned()
        if key_id is not None:
            if document.entry(key_id) is not None:
                return document
            _refuse_name(document, key_id)
        made = [
            self._made(purpose, "accepted", key_id if purpose == "fields" else None)
            for purpose in purposes
            if candidate(document, purpose) is None
        ]
        return self._write(document.replacing(made), version) if made else document

    def promote(self) -> Document:
        """Make every waiting key primary, all at once; those before become accepted."""
        document, version = self._versioned()
        changed: list[Entry] = []
        for purpose in PURPOSES:
            waiting, before = candidate(document, purpose), document.primary(purpose)
            if waiting is None:
                continue
            changed.append(waiting.model_copy(update=_state("primary", promoted_at=self.now())))
            changed += [before.model_copy(update=_state("accepted"))] if before else []
        return self._write(document.replacing(changed), version) if changed else document

    def retire(self) -> Document:
        """Retire every key that was primary before; the caller has proven that no row needs it."""
        document, version = self._versioned()
        changed = [
            entry.model_copy(update=_state("retired", retired_at=self.now()))
            for entry in superseded(document)
        ]
        return self._write(document.replacing(changed), version) if changed else document

    def purge(self, key_ids: Iterable[str]) -> Document:
        """Drop retired keys for good.  Raises RingChanged for one that is not retired."""
        document, version = self._versioned()
        gone = set(key_ids)
        for entry in document.keys:
            if entry.id in gone and entry.state != "retired":
                raise RingChanged(f"key {entry.id} is {entry.state}; only a retired key is purged")
        return self._write(document.without(gone), version) if gone else document

    def expired(self, document: Document, retention_days: int) -> tuple[Entry, ...]:
        """Retired keys that no backup can need any more."""
        limit = self.now() - timedelta(days=retention_days)
        return tuple(e for e in document.keys if e.retired_at is not None and e.retired_at < limit)

    def seconds_until(self, moment: datetime | None, grace_seconds: float) -> float:
        """How long to wait until so much time has passed since a moment; 0 where it has."""
        if moment is None:
            return 0.0
        passed = (self.now() - moment).total_seconds()
        return max(0.0, grace_seconds - passed)

    def _made(self, purpose: Purpose, state: State, key_id: str | None) -> Entry:
        now = self.now()
        wrapped = self.vault.wrap(self.key_uri, secrets.token_bytes(KEY_BYTES))
        return Entry(
            id=key_id or new_id(purpose, now),
            purpose=purpose,
            state=state,
            created_at=now,
            promoted_at=now if state == "primary" else None,
            wrapped=base64url(wrapped.value),
            algorithm=wrapped.algorithm,
            wrapped_by=wrapped.key_uri,
        )

    def _versioned(self) -> tuple[Document, str]:
        value, version = self.vault.read_secret(self.secret_uri)
        return Document.parse(value), version

    def _write(self, document: Document, over: str) -> Document:
        if self.vault.read_secret(self.secret_uri)[1] != over:
            raise RingChanged(
                "somebody else wrote the field keys at the same time; nothing was written:"
                " run again"
            )
        self.vault.write_secret(self.secret_uri, document.dump())
        return document


def _refuse_name(document: Document, key_id: str) -> None:
    if waiting := candidate(document, "fields"):
        raise RingChanged(
            f"key {waiting.id} was published and waits: end that rotation before {key_id} begins"
        )
    if not re.fullmatch(KEY_ID, key_id):
        raise RingChanged(f"{key_id!r} is no name of a key; it is to match {KEY_ID}")


def candidate(document: Document, purpose: Purpose) -> Entry | None:
    """The key that was published and never was primary: a rotation that began."""
    return next(
        (e for e in document.of(purpose) if e.state == "accepted" and e.promoted_at is None), None
    )


def superseded(document: Document) -> tuple[Entry, ...]:
    """The keys that were primary and are still accepted: a rotation that has not ended."""
    return tuple(e for e in document.keys if e.state == "accepted" and e.promoted_at is not None)


def _state(state: State, **moments: datetime) -> dict[str, object]:
    return {"state": state, **moments}
