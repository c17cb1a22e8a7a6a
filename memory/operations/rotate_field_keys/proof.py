"""That nothing is left under an older key or in the clear, and that everything can be decrypted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from memory.encryption import paths
from memory.encryption.cipher import CONTENT, Binding, FieldCipher, is_ciphertext, key_id_of
from memory.encryption.errors import EncryptionError
from memory.encryption.fields import Policy
from memory.operations.rotate_field_keys.target import Target
from memory.schema.connection import Session
from memory.schema.events import Event, Report, silent

ROWS_AT_ONCE = 1000
MOST_NAMED = 10
"""Rows that a report names; the count is of all."""

BY_KEY = "SELECT key_id, count(*) FROM {table} GROUP BY key_id ORDER BY key_id"
LEFT = "SELECT count(*) FILTER (WHERE {wanted}), count(*) FILTER (WHERE {open}) FROM {table}"
# Also rows that name no key: one with a ciphertext would be lost with the key.
ENCRYPTED = """
SELECT id, tenant_id, CASE WHEN starts_with(content, %(prefix)s) THEN content END, metadata, key_id
FROM {table} WHERE id > %(after)s AND (key_id IS NOT NULL OR starts_with(content, %(prefix)s)
  OR strpos(metadata::text, '"' || %(prefix)s) > 0)
ORDER BY id LIMIT %(limit)s
"""
FIRST = UUID(int=0)


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What was found in one table; no content is in it."""

    rows: int = 0
    by_key: dict[str, int] = field(default_factory=dict)
    """Encrypted rows by the key that they name."""
    left: int = 0
    """Rows that are not as they ought to be, for whatever reason."""
    in_the_clear: int = 0
    """Rows with something sensitive that is not encrypted."""
    fields: int = 0
    """Ciphertexts that were decrypted."""
    faulty: int = 0
    """Rows with a ciphertext that cannot be decrypted, or under another key than they name."""
    named: tuple[str, ...] = ()
    """Ids of the first faulty rows."""
    why: str = ""
    """What the first of them was refused with."""

    @property
    def ok(self) -> bool:
        """Whether every row is as it ought to be, and readable."""
        return not self.left and not self.faulty

    @property
    def encrypted(self) -> int:
        """Rows with something encrypted."""
        return sum(self.by_key.values())

    @property
    def coverage(self) -> float:
        """Share of the rows with something sensitive in which all of that is encrypted."""
        sensitive = self.encrypted + self.in_the_clear
        return 1.0 if not sensitive else min(1.0, self.encrypted / sensitive)

    def __add__(self, other: "Proof") -> "Proof":
        """Both tables together."""
        keys = sorted({*self.by_key, *other.by_key})
        return Proof(
            rows=self.rows + other.rows,
            by_key={key: self.by_key.get(key, 0) + other.by_key.get(key, 0) for key in keys},
            left=self.left + other.left,
            in_the_clear=self.in_the_clear + other.in_the_clear,
            fields=self.fields + other.fields,
            faulty=self.faulty + other.faulty,
            named=(*self.named, *other.named)[:MOST_NAMED],
            why=self.why or other.why,
        )

    def as_data(self) -> dict[str, Any]:
        """Plain data for ``--json`` and for the records."""
        return {
            "ok": self.ok,
            "rows": self.rows,
            "rows_encrypted": self.encrypted,
            "rows_by_key": self.by_key,
            "rows_left": self.left,
            "rows_in_the_clear": self.in_the_clear,
            "coverage": self.coverage,
            "fields_decrypted": self.fields,
            "rows_faulty": self.faulty,
            "faulty": list(self.named),
        }


def by_key(session: Session, table: str) -> dict[str | None, int]:
    """How many rows name each key; None for those in which nothing is encrypted."""
    return dict(session.execute(BY_KEY.format(table=table).encode()).fetchall())


def left(session: Session, table: str, target: Target) -> int:
    """How many rows are not as they ought to be: zero is what a rotation works for."""
    return _left(session, table, target)[0]


def prove(
    session: Session,
    cipher: FieldCipher,
    table: str,
    policy: Policy | None = None,
    report: Report = silent,
) -> Proof:
    """Count every row, and decrypt every field, as they are now; memory holds a batch of rows."""
    cipher = cipher.now()
    target = Target.of(cipher, policy)
    fields, faults, seen = 0, Faults(), 0
    after = FIRST
    while rows := _next(session, table, target, after):
        fields += sum(_decrypted(row, cipher, faults) for row in rows)
        seen, after = seen + len(rows), rows[-1][0]
        report(Event(kind="progress", text=f"proof: {seen} encrypted rows, {fields} fields read"))
    # Counted last: whatever was written meanwhile is in it.
    counts = by_key(session, table)
    remaining, clear = _left(session, table, target)
    return Proof(
        rows=sum(counts.values()),
        by_key={key: count for key, count in counts.items() if key is not None},
        left=remaining,
        in_the_clear=clear,
        fields=fields,
        faulty=faults.count,
        named=tuple(map(str, faults.named)),
        why=faults.why,
    )


@dataclass
class Faults:
    """Rows that are not right; the first few by name."""

    count: int = 0
    named: list[UUID] = field(default_factory=list)
    why: str = ""

    def note(self, row: UUID, why: str) -> None:
        """One more."""
        self.count += 1
        self.why = self.why or why
        if len(self.named) < MOST_NAMED:
            self.named.append(row)


def _decrypted(row: Sequence[Any], cipher: FieldCipher, faults: Faults) -> int:
    """Decrypt every field of a row; return how many there were."""
    row_id, tenant, content, metadata, key_id = row
    binding = Binding(row=row_id, tenant=tenant, field=CONTENT)
    texts = [text for text in paths.texts(metadata) if is_ciphertext(text)]
    texts += [content] if content is not None else []
    try:
        if content is not None:
            cipher.decrypt(content, binding)
        cipher.decrypt_fields(metadata, binding)
        strangers = {key_id_of(text) for text in texts} - {key_id}
    except EncryptionError as error:
        faults.note(row_id, str(error))
        return 0
    if strangers:
        faults.note(row_id, f"it names key {key_id}, and fields of it are under another")
    return len(texts)


def _next(session: Session, table: str, target: Target, after: UUID) -> list[tuple[Any, ...]]:
    given = {**target.parameters(), "after": after, "limit": ROWS_AT_ONCE}
    return session.execute(ENCRYPTED.format(table=table).encode(), given).fetchall()


def _left(session: Session, table: str, target: Target) -> tuple[int, int]:
    statement = LEFT.format(table=table, wanted=target.wanted, open=target.in_the_clear)
    row = session.execute(statement.encode(), target.parameters()).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)
