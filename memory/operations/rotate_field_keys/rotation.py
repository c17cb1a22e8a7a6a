"""The order of a rotation, taken up wherever the document and the rows say that it stands."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from memory.encryption.cipher import FieldCipher
from memory.encryption.document import PURPOSES, Document, Purpose
from memory.encryption.errors import NoKeys
from memory.encryption.ring import Ring
from memory.operations.records import append
from memory.operations.rotate_field_keys import proof
from memory.operations.rotate_field_keys.errors import NotProven, RotationError
from memory.operations.rotate_field_keys.keys import candidate, superseded
from memory.operations.rotate_field_keys.passes import Outcome, Pass
from memory.operations.rotate_field_keys.proof import Proof
from memory.operations.rotate_field_keys.setup import Setup
from memory.operations.rotate_field_keys.target import Target
from memory.operations.tenants import Place, open_place
from memory.schema.connection import Session
from memory.schema.events import Event, Report, silent

OPERATION = "rotate-field-keys"
STILL_PASSES = 5
"""Passes in a row that bring nothing further, before it is the operator's turn."""
STILL_SECONDS = 1.0
"""Between two of them: who holds a row has time to let it go."""

Open = Callable[[Place], AbstractContextManager[Session]]


@dataclass(kw_only=True)
class Rotation:
    """One installation's keys and rows.  ``base`` holds the lock, and takes the records."""

    base: Session
    setup: Setup
    places: Sequence[Place]
    report: Report = silent
    open: Open = open_place
    sleep: Callable[[float], None] = time.sleep
    known_by_all: Callable[[str, str], None] = lambda _key, _state: None
    """Waits until every service has a key in a state; what no service says, time has to."""
    _ring: Ring | None = field(default=None, init=False, repr=False)

    def run(self, purposes: Sequence[Purpose] = ("fields",), *, at_least_days: float = 0) -> Proof:
        """Rotate: return the proof that no row is under an older key.

        A rotation that began earlier is ended first, and no other begun.  Where the primary key is
        younger than ``at_least_days`` no new one is made; stray rows are brought under it.  Raises
        NotProven, and then the older key is kept.
        """
        document = self.setup.keys.read()
        if document.primary("fields") is None:
            raise NoKeys("there is no field key yet: run rotate-field-keys --ensure --yes first")
        if not superseded(document) and self._is_due(document, at_least_days):
            document = self._publish(purposes)
        if _waiting(document):
            document = self._promote(document)
        self.reencrypt()
        if superseded(document):
            self._wait_for(document, "primary")
            self.reencrypt()  # what services wrote that had not followed yet
        found = self.prove()
        self._retire(document, found)
        return found

    def reencrypt(self) -> None:
        """Pass over every place until none has a row that can be brought under the primary key."""
        cipher = self.cipher()
        for place in self.places:
            with self.open(place) as session:
                self._until_still(session, place, cipher)

    def prove(self) -> Proof:
        """The proof over all places.  Raises NotProven."""
        cipher, found = self.cipher(), Proof()
        for place in self.places:
            with self.open(place) as session:
                found += proof.prove(session, cipher, place.table, self.setup.policy, self.report)
        if not found.ok:
            raise NotProven(_unproven(found))
        return found

    def cipher(self) -> FieldCipher:
        """A cipher with the vault's newest keys; a key is unwrapped once."""
        self._ring = Ring.open(self.setup.keys.read(), self.setup.keys.vault, self._ring)
        return FieldCipher(self._ring)

    def counts(self) -> dict[str, int]:
        """How many rows name each key, in all places."""
        counted: dict[str, int] = {}
        for place in self.places:
            with self.open(place) as session:
                for key, rows in proof.by_key(session, place.table).items():
                    if key is not None:
                        counted[key] = counted.get(key, 0) + rows
        return counted

    def _is_due(self, document: Document, at_least_days: float) -> bool:
        primary = document.primary("fields")
        if _waiting(document) or primary is None:
            return True
        since = primary.promoted_at or primary.created_at
        return self.setup.keys.now() - since >= timedelta(days=at_least_days)

    def _publish(self, purposes: Sequence[Purpose]) -> Document:
        document = self.setup.keys.add(purposes)
        self._say("published", keys=_waiting(document))
        return document

    def _promote(self, document: Document) -> Document:
        """Wait until every service can read the new key; then let them write with it."""
        self._wait_for(document, "accepted")
        keys = _waiting(document)
        document = self.setup.keys.promote()
        self._say("promoted", keys=keys, before=[entry.id for entry in superseded(document)])
        return document

    def _retire(self, document: Document, found: Proof) -> None:
        old = [entry.id for entry in superseded(document)]
        if not old:
            return
        self.setup.keys.retire()
        self._say("retired", keys=old, proof=found.as_data())

    def _wait_for(self, document: Document, state: str) -> None:
        """Wait until services have followed the document: they say so, or time passes."""
        entries = [e for e in document.keys if e.id in _waiting(document)]
        if state == "primary":
            entries = [e for e in (document.primary(p) for p in PURPOSES) if e is not None]
        for entry in entries:
            since = entry.promoted_at if state == "primary" else entry.created_at
            while left := self.setup.keys.seconds_until(since, self.setup.grace_seconds):
                text = f"key {entry.id} is {state}; services have {left:.0f} s left to follow"
                self.report(Event(kind="progress", text=text))
                self.sleep(min(left, 1.0))
            if entry.purpose == "fields":
                self.known_by_all(entry.id, state)

    def _until_still(self, session: Session, place: Place, cipher: FieldCipher) -> None:
        target = Target.of(cipher, self.setup.policy)
        still = 0
        while left := proof.left(session, place.table, target):
            outcome = self._pass(session, place, cipher, target, left)
            still = 0 if outcome.written else still + 1
            if outcome.broken == left or still >= STILL_PASSES:
                break  # the proof will say what is left, and why
            if not outcome.written:
                self.sleep(STILL_SECONDS)

    def _pass(
        self, session: Session, place: Place, cipher: FieldCipher, target: Target, left: int
    ) -> Outcome:
        outcome = Pass(
            session=session,
            cipher=cipher,
            table=place.table,
            target=target,
            total=left,
            report=self.report,
        ).run()
        told = f"{place}: {outcome.written} rows under {target.key_id}"
        if outcome.left_to_writers:
            told += f", {outcome.left_to_writers} left to writers"
        if outcome.broken:
            told += f", {outcome.broken} cannot be decrypted"
        self.report(Event(kind="end", text=told))
        return outcome

    def _say(self, state: str, **detail: Any) -> None:
        append(self.base, OPERATION, {"state": state, **detail})
        self.report(Event(kind="end", text=f"{state}: {', '.join(detail['keys'])}"))


def purge(rotation: Rotation) -> list[str]:
    """Drop the retired keys that no row and no backup needs; return their ids.

    Raises RotationError where nobody said how long backups are kept, or where rows are left.
    """
    ids = purgeable(rotation)
    if ids:
        rotation.setup.keys.purge(ids)
    return ids


def purgeable(rotation: Rotation) -> list[str]:
    """The retired keys that can go."""
    setup = rotation.setup
    if setup.retention_days is None:
        raise RotationError(
            "it is not known how long backups are kept, and a restored row needs its key: set"
            " ENGRAM_BACKUP_RETENTION_DAYS to the server's backup retention"
        )
    expired = setup.keys.expired(setup.keys.read(), setup.retention_days)
    counts = rotation.counts() if expired else {}
    needed = [entry.id for entry in expired if counts.get(entry.id)]
    if needed:
        raise NotProven(
            f"rows are still under {', '.join(needed)}: run rotate-field-keys --yes, which brings"
            " them under the primary key; nothing was purged"
        )
    return [entry.id for entry in expired]


def _waiting(document: Document) -> list[str]:
    found = (candidate(document, purpose) for purpose in PURPOSES)
    return [entry.id for entry in found if entry is not None]


def _unproven(found: Proof) -> str:
    words = [f"{found.left} rows are not under the primary key"] if found.left else []
    words += [f"{found.faulty} rows cannot be decrypted"] if found.faulty else []
    named = f", the first: {', '.join(found.named)} ({found.why})" if found.named else ""
    return (
        f"not proven: {' and '.join(words)}{named}. The older key is kept. Rows that a writer held"
        " are done by running again; what cannot be decrypted is restored from a backup, or deleted"
    )
