"""What is encrypted before it is stored, how it is read again, and what a filter may ask for.

The keys follow their file by themselves; without a file nothing is encrypted, and what would have
to be is refused.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from memory.encryption.cipher import FieldCipher, is_ciphertext
from memory.encryption.errors import FieldsRefused, NoKeys, Undecryptable, UnknownKey
from memory.encryption.fields import Policy, RowCipher, Sealed
from memory.encryption.paths import Path
from memory.encryption.reloading import ReloadingRing
from memory.encryption.vault import AzureVault
from memory.service.bodies import FieldKeys, NewMemory
from memory.service.errors import NotSealable, NotSearchable, Unavailable, Unreadable
from memory.service.settings import Settings

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A filter on metadata, told apart by what can answer it."""

    clear: dict[str, Any] | None
    """What metadata must contain."""
    blind: tuple[tuple[dict[str, str], ...], ...] = ()
    """For each path one of these must be in the blind index: one for each key in use."""


@dataclass(kw_only=True)
class Sealing:
    """The boundary: plain on the caller's side, as the policy wants it on the database's."""

    policy: Policy
    ring: ReloadingRing | None
    count: Callable[[str], None] = lambda _: None
    """Called with ``encrypted``, ``decrypted`` or ``failed``, for each memory."""
    _rows: RowCipher = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Bind the cipher to the ring."""
        cipher = None if self.ring is None else FieldCipher(self.ring)
        self._rows = RowCipher(policy=self.policy, cipher=cipher)

    @classmethod
    def of(cls, settings: Settings, count: Callable[[str], None]) -> "Sealing":
        """Return what the settings ask for.  Raises FieldsRefused for a policy that is none."""
        policy = Policy.of(settings.encrypted_fields, settings.blind_indexes)
        file = settings.field_keys_file
        ring = None if file is None else ReloadingRing(file, AzureVault())
        return cls(policy=policy, ring=ring, count=count)

    @property
    def field_keys(self) -> FieldKeys | None:
        """What is known of keys; None without encryption."""
        if self.ring is None:
            return None
        try:
            keys = [key for key in self.ring.current if key.purpose == "fields"]
        except NoKeys:
            keys = []
        return FieldKeys(
            primary=next((key.id for key in keys if key.state == "primary"), None),
            known=[key.id for key in keys],
            problem=self.ring.problem is not None,
        )

    @property
    def problem(self) -> str | None:
        """Why nothing can be encrypted although it should be; None where it can, or need not."""
        if self.ring is None:
            return None
        try:
            self.ring.current.primary("fields")
        except NoKeys as error:
            return str(error)
        return None

    def seal(self, row: UUID, memory: NewMemory, tenant: str) -> Sealed:
        """Encrypt what is sensitive.  Raises NotSealable, Unavailable."""
        with _answered(NotSealable):
            sealed = self._sealed(row, memory, tenant)
        if sealed.key_id is not None:
            self.count("encrypted")
        return sealed

    def _sealed(self, row: UUID, memory: NewMemory, tenant: str) -> Sealed:
        def seal(rows: RowCipher) -> Sealed:
            return rows.seal(
                row=row,
                content=memory.content,
                metadata=memory.metadata,
                sensitivity=memory.sensitivity,
                tenant=tenant,
            )

        try:
            return seal(self._rows)
        except NoKeys as without:
            # Keys that are late hold up only what needs one.
            try:
                return seal(RowCipher(policy=self.policy, cipher=None))
            except FieldsRefused:
                raise without from None

    def unseal(self, row: Row, tenant: str) -> Row:
        """Return the row as it was before.  Raises Unreadable, Unavailable."""
        if row["key_id"] is None and not is_ciphertext(row["content"]):
            return row
        try:
            content, metadata = self._unsealed(row, tenant)
        except Undecryptable as error:
            self.count("failed")
            raise Unreadable(f"memory {row['id']}: {error}") from None
        except (NoKeys, UnknownKey) as error:
            self.count("failed")
            raise Unavailable(str(error)) from None
        self.count("decrypted")
        return {**row, "content": content, "metadata": metadata}

    def _unsealed(self, row: Row, tenant: str) -> tuple[str, dict[str, Any] | None]:
        return self._rows.unseal(
            row=row["id"], content=row["content"], metadata=row["metadata"], tenant=tenant
        )

    def asked(self, metadata: Mapping[str, Any] | None, tenant: str) -> Asked:
        """Tell apart what is in the clear and what the blind index answers.

        Raises NotSearchable for an encrypted field without an index, Unavailable.
        """
        blind: list[tuple[dict[str, str], ...]] = []
        with _answered(NotSearchable):
            clear = self._told_apart(metadata, (), tenant, blind) if metadata else None
        return Asked(clear=clear or None, blind=tuple(blind))

    def _told_apart(
        self,
        metadata: Mapping[str, Any],
        above: Path,
        tenant: str,
        blind: list[tuple[dict[str, str], ...]],
    ) -> dict[str, Any]:
        clear: dict[str, Any] = {}
        for name, value in metadata.items():
            path = (*above, *name.split("."))
            if self.policy.has_blind_index(path):
                blind.append(self._candidates(".".join(path), value, tenant))
            elif isinstance(value, dict) and value and not self.policy.encrypts(path):
                if inner := self._told_apart(value, path, tenant, blind):
                    clear[name] = inner
            else:
                self.policy.refuse_search(path)
                clear[name] = value
        return clear

    def _candidates(self, path: str, value: object, tenant: str) -> tuple[dict[str, str], ...]:
        if self._rows.cipher is None:
            raise NoKeys("field encryption is off, so nothing has been indexed")
        texts = self._rows.cipher.blinds(path, value, tenant)
        if not texts:
            raise NoKeys("there is no key for blind indexes: run rotate-field-keys --ensure")
        return tuple({path: text} for text in texts)


@contextmanager
def _answered(refusal: type[NotSealable | NotSearchable]) -> Iterator[None]:
    """Turn the cipher's errors into answers."""
    try:
        yield
    except FieldsRefused as error:
        raise refusal(str(error)) from None
    except NoKeys as error:
        raise Unavailable(str(error)) from None
