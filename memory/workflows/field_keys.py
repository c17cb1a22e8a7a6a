"""What a rotation asks of the keys and of the rows: the same functions that one machine uses."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Protocol
from uuid import UUID

from memory.encryption.cipher import FieldCipher
from memory.operations import tenants
from memory.operations.records import append
from memory.operations.rotate_field_keys import proof
from memory.operations.rotate_field_keys.alone import alone, beside
from memory.operations.rotate_field_keys.batches import reencrypt
from memory.operations.rotate_field_keys.errors import RotationError
from memory.operations.rotate_field_keys.keys import superseded
from memory.operations.rotate_field_keys.rotation import OPERATION, Rotation
from memory.operations.rotate_field_keys.setup import Setup, from_environment
from memory.operations.rotate_field_keys.target import Target
from memory.operations.vault_key import VaultKey
from memory.schema.connection import Session
from memory.schema.events import Report
from memory.workflows.cut import cut
from memory.workflows.terms import Done, Place, Shard

CENTURY_DAYS = 36_500.0
"""Younger than this is every key: the end of a rotation begins no other."""


class Rows(Protocol):
    """The rows of one place, in one session."""

    def cut(self, shards: int) -> Sequence[Shard]:
        """Shares of about the same size."""
        ...

    def reencrypt(self, cursor: list[str] | None, until: list[str] | None, limit: int) -> Done:
        """The next rows, committed; ``cursor`` None in the answer is the end."""
        ...

    def left(self) -> int:
        """How many rows are not under the primary key."""
        ...


class Keys(Protocol):
    """The ring in the vault, and the end of a rotation."""

    def add(self, key_id: str) -> None:
        """Let everybody read with it; nothing where it is there."""
        ...

    def promote(self, key_id: str) -> None:
        """Let everybody write with it."""
        ...

    def end(self, key_id: str, report: Report) -> list[str]:
        """Prove that no row is under another key, retire those, and return their names."""
        ...


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What the activities of a rotation work with."""

    places: Callable[[], Sequence[Place]]
    rows: Callable[[Place], AbstractContextManager[Rows]]
    keys: Callable[[], Keys]
    new_version: Callable[[str, datetime], str]
    """Make a version of the server's key with this URI, unless one was made since; return it."""


@dataclass(frozen=True, kw_only=True)
class FieldRows(Rows):
    """The real ones."""

    session: Session
    place: Place
    relation: str
    setup: Setup
    cipher: FieldCipher

    def cut(self, shards: int) -> Sequence[Shard]:
        """See Rows."""
        spans = cut(self.session, self.relation, ("id",), shards)
        return [Shard(place=self.place, span=span) for span in spans]

    def reencrypt(self, cursor: list[str] | None, until: list[str] | None, limit: int) -> Done:
        """See Rows."""
        after, last = _uuid(cursor), _uuid(until)
        policy = self.setup.policy
        batch = reencrypt(self.session, self.cipher, self.relation, after, last, limit, policy)
        return Done(
            cursor=None if batch.last is None else [str(batch.last)], rows=batch.rows_written
        )

    def left(self) -> int:
        """See Rows."""
        target = Target.of(self.cipher, self.setup.policy)
        return proof.left(self.session, self.relation, target)


@dataclass(frozen=True, kw_only=True)
class FieldKeys(Keys):
    """The real ones; each step is alone in the installation."""

    setup: Setup

    def add(self, key_id: str) -> None:
        """See Keys."""
        with tenants.open_base() as base, alone(base):
            self.setup.keys.add(key_id=key_id)
            append(base, OPERATION, {"state": "published", "keys": [key_id], "by": "workflow"})

    def promote(self, key_id: str) -> None:
        """See Keys.  Raises RotationError for a key that is retired already."""
        with tenants.open_base() as base, alone(base):
            primary = self.setup.keys.promote().primary("fields")
            found = primary.id if primary else "none"
            if found != key_id:
                raise RotationError(
                    f"the primary key is {found}, and {key_id} was one before: a rotation needs a"
                    " key of a new name"
                )
            append(base, OPERATION, {"state": "promoted", "keys": [key_id], "by": "workflow"})

    def end(self, key_id: str, report: Report) -> list[str]:
        """See Keys.  Raises NotProven."""
        before = self.setup.keys.read()
        old = [entry.id for entry in superseded(before)]
        if old:
            with tenants.open_base() as base, alone(base):
                places = tenants.places()
                work = Rotation(base=base, setup=self.setup, places=places, report=report)
                work.run(at_least_days=CENTURY_DAYS)
        return old or [e.id for e in before.of("fields") if e.state == "retired"]


@dataclass(kw_only=True)
class Workshop:
    """Opens what an activity needs; a key is unwrapped once in a worker."""

    setup: Setup
    _known: FieldCipher | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @contextmanager
    def rows(self, place: Place) -> Iterator[Rows]:
        """The rows of a place, beside other shards, while no command rotates."""
        where = tenants.Place(tenant=place.tenant, database=place.database, schema=place.schema)
        with tenants.open_base() as base, beside(base), tenants.open_place(where) as session:
            yield FieldRows(
                session=session,
                place=place,
                relation=where.table,
                setup=self.setup,
                cipher=self._cipher(),
            )

    def _cipher(self) -> FieldCipher:
        with self._lock:
            known = self._known.keys.current if self._known else None
            self._known = self.setup.cipher(known)
            return self._known


def places() -> list[Place]:
    """All places of this installation, as workflows name them."""
    return [
        Place(tenant=place.tenant, database=place.database, schema=place.schema)
        for place in tenants.places()
    ]


def tools(setup: Callable[[], Setup] = from_environment) -> Tools:
    """The real tools; a worker that only re-embeds needs no keys, so they are asked for late."""

    @cache
    def workshop() -> Workshop:
        return Workshop(setup=setup())

    return Tools(
        places=places,
        rows=lambda place: workshop().rows(place),
        keys=lambda: FieldKeys(setup=workshop().setup),
        new_version=_new_version,
    )


def _uuid(key: list[str] | None) -> UUID | None:
    return None if key is None else UUID(key[0])


def _new_version(uri: str, since: datetime) -> str:
    """Rotate once, however often this is tried; the server follows a URI without a version."""
    key = VaultKey(uri)
    if key.pinned:
        raise RotationError(f"{uri} names a version: a server that is pinned to it will not follow")
    made = [v.version for v in key.versions() if v.created_at and v.created_at >= since]
    return made[0] if made else key.rotate()
