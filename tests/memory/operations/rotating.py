"""A table of memories with encrypted fields, and what is to be true of them whatever happens."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from memory.encryption import paths
from memory.encryption.cipher import FieldCipher, is_ciphertext, key_id_of
from memory.encryption.document import Document
from memory.encryption.fields import Policy, RowCipher
from memory.encryption.ring import Ring
from memory.operations.rotate_field_keys.keys import KeyStore
from memory.operations.rotate_field_keys.rotation import Rotation
from memory.operations.rotate_field_keys.setup import Setup
from memory.operations.tenants import EVERY, Place
from memory.schema.connection import Session
from tests.memory.conftest import Live
from tests.memory.encryption.folder_vault import KEY_URI, SECRET_URI, FolderVault, ensure_ring
from tests.memory.operations.prepared import session_of

TABLE = "memory.zep_memory_vectors"
POLICY = Policy.of(["pii", "phi", "content"], ["pii.email"])
INSERT = f"""
INSERT INTO {TABLE} (id, session_id, content, embedding, metadata, tenant_id, sensitivity, key_id,
  blind_index)
VALUES (%s, 's', %s, '[1,2,3]', %s, %s, %s, %s, %s)
"""  # noqa: S608 - a test's own


def on_table(statement: str) -> str:
    """A statement on the table of memories."""
    return statement.replace("{t}", TABLE)


def by_hand(live: Live, statement: str, **rows: UUID) -> list[tuple[Any, ...]]:
    """Run a statement on the table as its owner; ``{name}`` stands for the id of a row."""
    for name, row in rows.items():
        statement = statement.replace(f"{{{name}}}", f"'{row}'")
    return live.owner(on_table(statement))


def number_id(number: int) -> UUID:
    """Ids that are spread and yet known."""
    return UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC835) % 2**128)


def setup_of(folder: Path, policy: Policy = POLICY, grace_seconds: float = 0) -> Setup:
    """An installation whose vault is this folder."""
    vault = FolderVault(folder)
    store = KeyStore(vault=vault, secret_uri=SECRET_URI, key_uri=KEY_URI)
    return Setup(keys=store, policy=policy, grace_seconds=grace_seconds, retention_days=14)


def rows_of(vault: FolderVault, policy: Policy = POLICY) -> RowCipher:
    """The cipher of a service that has read the vault this moment."""
    return RowCipher(policy=policy, cipher=FieldCipher(Ring.open(vault.document(), vault)))


def plain(number: int, text: str = "a memory") -> dict[str, Any]:
    """What a caller gives; three in four have something sensitive."""
    metadata: list[Any] = [
        {"pii": {"name": f"person {number}", "email": f"{number}@example.org"}, "topic": "x"},
        {"phi": f"finding {number}", "topic": ["y"]},
        {"topic": "nothing sensitive"},
        None,
    ]
    sensitive = number % 4 in {0, 3}
    return {
        "content": f"{text} {number}",
        "metadata": metadata[number % 4],
        "sensitivity": ["pii"] if sensitive else [],
        "tenant": "default" if number % 5 else "north",
    }


def insert(session: Session, rows: RowCipher, number: int, text: str = "a memory") -> None:
    """Write a row as the service does."""
    given, row = plain(number, text), number_id(number)
    sealed = rows.seal(row=row, **given)
    session.execute(
        INSERT,
        (
            row,
            sealed.content,
            as_json(sealed.metadata),
            given["tenant"],
            as_json(given["sensitivity"]),
            sealed.key_id,
            as_json(sealed.blind_index),
        ),
    )


def prepared_rows(live: Live, vault: FolderVault, count: int) -> None:
    """Rows under the vault's primary keys."""
    ensure_ring(vault)
    rows = rows_of(vault)
    with session_of(live) as session, session.transaction():
        for number in range(count):
            insert(session, rows, number)


@contextmanager
def rotating(live: Live, setup: Setup, **more: Any) -> Iterator[Rotation]:
    """A rotation by the app's login, over the one table."""

    @contextmanager
    def opened(_: Place) -> Iterator[Session]:
        with session_of(live) as session:
            yield session

    with session_of(live) as base:
        yield Rotation(
            base=base, setup=setup, places=[Place(tenant=EVERY)], open=opened,
            **{"sleep": lambda seconds: time.sleep(min(seconds, 0.02)), **more},
        )  # fmt: skip


def read_back(session: Session, rows: RowCipher) -> dict[UUID, tuple[str, Any]]:
    """Every row as its reader sees it.  Raises what a reader would."""
    found = session.execute(on_table("SELECT id, tenant_id, content, metadata FROM {t}").encode())
    return {
        row: rows.unseal(row=row, content=content, metadata=metadata, tenant=tenant)
        for row, tenant, content, metadata in found
    }


def expected(numbers: range, text: str = "a memory") -> dict[UUID, tuple[str, Any]]:
    """What the rows of these numbers say."""
    return {number_id(n): (plain(n, text)["content"], plain(n)["metadata"]) for n in numbers}


def keys_in_use(session: Session) -> set[str | None]:
    """The keys that rows and ciphertexts name."""
    found: set[str | None] = set()
    rows = session.execute(on_table("SELECT content, metadata, key_id FROM {t}").encode())
    for content, metadata, key in rows:
        texts = [t for t in (content, *paths.texts(metadata)) if is_ciphertext(t)]
        found |= {key_id_of(text) for text in texts}
        assert (key is not None) == bool(texts)
        found |= {key} if key else set()
    return found


def primary(document: Document) -> str:
    """The id of the key to write with."""
    entry = document.primary("fields")
    assert entry is not None
    return entry.id


def as_json(value: Any) -> str | None:
    """A value for a jsonb column."""
    return None if value is None else json.dumps(value)
