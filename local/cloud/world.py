"""What a resource type can see and do: everything that stands, who may what, and the keys."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from local.cloud import keyring
from local.cloud.arm import ArmError, Body, Record, ResourceType, parent_of, scope_contains
from local.cloud.store import Store

ROLE_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
LOCK = "Microsoft.Authorization/locks"
IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"


@dataclass(frozen=True)
class Client:
    """On whose behalf the provider acts: its configuration."""

    subscription_id: str = "00000000-0000-0000-0000-000000000000"
    tenant_id: str = "00000000-0000-0000-0000-000000000000"
    location: str | None = None


class World:
    """The store, seen as Azure: hierarchy, role assignments, locks, busy parents, keys.

    All writes go through here, so that whoever depends on a changed resource
    hears of it (``ResourceType.watch``) once the change is committed.
    """

    def __init__(
        self,
        store: Store,
        types: Iterable[ResourceType],
        client: Client | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store = store
        self.types: Mapping[str, ResourceType] = {t.token: t for t in types}
        self.client = client or Client()
        self.now = clock
        """Seconds since the epoch; tests turn it."""

    # -- records ---------------------------------------------------------------------

    def get(self, arm_id: str) -> Record | None:
        """Return what stands under an ARM id."""
        return self.store.get(arm_id)

    def require(self, arm_id: str, code: str = "ResourceNotFound") -> Record:
        """Return what stands under an ARM id, or refuse with 404 and this code."""
        record = self.get(arm_id)
        if record is None:
            raise ArmError(404, code, f"The Resource '{arm_id}' was not found.")
        return record

    def children(self, arm_id: str, arm_type: str | None = None) -> list[Record]:
        """Return everything below an id, however deep, or only what is of one type."""
        return [r for r in self.store.children(arm_id) if arm_type in (None, r.type)]

    def of_type(self, arm_type: str) -> list[Record]:
        """Return all resources of one ARM type, in every subscription."""
        return self.store.of_type(arm_type)

    def type_of(self, record: Record) -> ResourceType:
        """Return the type's own file."""
        return next(t for t in self.types.values() if t.type == record.type)

    def put(self, record: Record) -> None:
        """Insert or replace a record."""
        self.store.put(record)
        self._touch(record.arm_id)

    def delete(self, arm_id: str) -> None:
        """Remove a record and its private data."""
        self.store.delete(arm_id)
        self._touch(arm_id)

    def private(self, arm_id: str) -> Body:
        """Return what only the local cloud may see of a resource, e.g. key material."""
        return self.store.private(arm_id)

    def set_private(self, arm_id: str, body: Body) -> None:
        """Keep private data, encrypted; it may be written before the record is."""
        self.store.set_private(arm_id, body)
        self._touch(arm_id)

    # -- transactions ----------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Hold the store's write lock; what fails is undone. Joins an open one.

        Never hold it while waiting for a process: everyone else waits with you.
        """
        with self.store.transaction():
            yield
        self._flush()

    @contextmanager
    def busy(self, arm_id: str, operation: str, refusal: ArmError) -> Iterator[None]:
        """Claim a resource for a write of its own or of a child; refuse if it is claimed.

        A claim of a process that died counts for nothing.
        """
        if not self.store.claim(arm_id, operation):
            raise refusal
        try:
            yield
        finally:
            self.store.release(arm_id)

    def _touch(self, arm_id: str) -> None:
        self.store.touched.append(arm_id)
        self._flush()

    def _flush(self) -> None:
        if self.store.in_transaction:
            return
        while self.store.touched:
            self.announce(self.store.touched.pop(0))

    def announce(self, arm_id: str) -> None:
        """Tell every type that a resource was written or deleted."""
        for type_ in self.types.values():
            type_.watch(self, arm_id)

    # -- who may what ----------------------------------------------------------------

    def grants(self, principal_id: str, scope: str) -> set[str]:
        """Return the GUIDs of the roles a principal holds at a scope, inherited ones included."""
        return {
            str(r.outputs["roleDefinitionId"]).rsplit("/", 1)[-1].lower()
            for r in self.of_type(ROLE_ASSIGNMENT)
            if str(r.outputs["principalId"]).lower() == principal_id.lower()
            and scope_contains(parent_of(r.arm_id) or "", scope)
        }

    def locks(self, arm_id: str, *, below: bool = False) -> list[Record]:
        """Return the locks that hold at an id, and with ``below`` also those beneath it."""
        return [
            lock
            for lock in self.of_type(LOCK)
            if scope_contains(parent_of(lock.arm_id) or "", arm_id)
            or (below and scope_contains(arm_id, lock.arm_id))
        ]

    # -- keys ------------------------------------------------------------------------

    def wrap(self, identity_id: str, key_uri: str, plaintext: bytes) -> keyring.Wrapped:
        """Encrypt a small secret with a vault key, as an identity.

        A versionless URI takes the newest version. Raises ``keyring.KeyUnavailable``
        with the reason when Key Vault would refuse: no such identity, vault or key;
        vault or key soft-deleted; key disabled, expired or not yet valid; role
        missing; vault closed even to trusted services.
        """
        return keyring.wrap(self, identity_id, key_uri, plaintext)

    def unwrap(self, identity_id: str, wrapped: keyring.Wrapped) -> bytes:
        """Decrypt what ``wrap`` returned; refuses for the same reasons."""
        return keyring.unwrap(self, identity_id, wrapped)
