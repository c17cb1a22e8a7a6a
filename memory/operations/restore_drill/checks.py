"""What a restored server has to show."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from memory.encryption.cipher import FieldCipher
from memory.encryption.document import Document
from memory.encryption.errors import EncryptionError
from memory.encryption.fields import RowCipher
from memory.encryption.ring import Ring
from memory.encryption.vault import AzureVault, Vault
from memory.operations.errors import OperationError
from memory.operations.records import verify
from memory.operations.restore_drill.marker import Marker
from memory.operations.tenants import Place, endpoint, refuse_blindness
from memory.schema.connection import Session, connect

REACH_SECONDS = 900.0
"""A record of a private zone is known within minutes."""
OPERATORS = {"vector_cosine_ops": "<=>", "vector_l2_ops": "<->", "vector_ip_ops": "<#>"}

INDEXES = """
SELECT i.relname, x.indisvalid AND x.indisready AND x.indislive, o.opcname, m.amname
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_am m ON m.oid = i.relam
JOIN pg_opclass o ON o.oid = x.indclass[0]
WHERE x.indrelid = to_regclass(%s) ORDER BY i.relname
"""
TLS = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    wanted: str

    def as_data(self) -> dict[str, Any]:
        """Plain data for the certificate."""
        return asdict(self)


@contextmanager
def open_restored(host: str, place: Place) -> Iterator[Session]:
    """A session with the restored server, by its own name; waits until that is known."""
    found = replace(endpoint(), host=host)
    target = replace(found, database=place.database) if place.database else found
    with connect(target, wait_seconds=REACH_SECONDS) as session:
        session.execute("SET application_name = 'engram-operations'")
        session.execute("SELECT set_config('engram.tenant', %s, false)", (place.tenant,))
        refuse_blindness(session, place)
        yield session


def checks(host: str, places: Sequence[Place], marker: Marker, sample: int) -> Iterator[Check]:
    """Look at everything that a restore has to bring."""
    base = Place(tenant=places[0].tenant, schema=places[0].schema)
    with open_restored(host, base) as session:
        yield _tls(session, host)
        yield _alone(session)
        yield _books(session, marker)
    for place in places:
        with open_restored(host, place) as session:
            yield _rows(session, place, marker)
            yield _indexes(session, place)
            yield from _search(session, place)
            yield _decryption(session, place, sample)


def _tls(session: Session, host: str) -> Check:
    row = session.execute(TLS).fetchone()
    return Check(
        name="TLS",
        ok=bool(row and row[0]),
        found=f"{row[1] if row else 'none'}; the certificate is {host}'s",
        wanted="verified in full, by the server's own name",
    )


def _alone(session: Session) -> Check:
    row = session.execute("SELECT pg_is_in_recovery()").fetchone()
    found = "still replaying" if row and row[0] else "takes writes"
    return Check(name="the server", ok=row == (False,), found=found, wanted="takes writes")


def _books(session: Session, marker: Marker) -> Check:
    chain = verify(session, expected=(marker.position, marker.digest))
    return Check(
        name="the books of operations",
        ok=chain.ok,
        found=chain.why or f"{chain.rows} entries, each sealed",
        wanted=f"entry {marker.position} and all before it, as they were written",
    )


def _rows(session: Session, place: Place, marker: Marker) -> Check:
    row = session.execute(f"SELECT count(*) FROM {place.table}".encode()).fetchone()  # noqa: S608 - quoted
    found, wanted = int(row[0]) if row else 0, marker.rows.get(str(place))
    return Check(
        name=f"rows of {place}",
        ok=found == wanted,
        found=str(found),
        wanted="none was counted then" if wanted is None else str(wanted),
    )


def _indexes(session: Session, place: Place) -> Check:
    rows = session.execute(INDEXES, (place.table,)).fetchall()
    broken = [name for name, whole, *_ in rows if not whole]
    return Check(
        name=f"indexes of {place}",
        ok=bool(rows) and not broken,
        found=f"{', '.join(broken)} cannot be used" if broken else f"{len(rows)}, all valid",
        wanted="each valid and ready",
    )


def _search(session: Session, place: Place) -> Iterator[Check]:
    """Ask each vector index for the nearest to a vector that is there: it has to be that one."""
    for index, _, operators, method in session.execute(INDEXES, (place.table,)).fetchall():
        operator = OPERATORS.get(str(operators).replace("halfvec", "vector"))
        if method not in {"hnsw", "ivfflat"} or operator is None:
            continue
        found = _nearest(session, place, operator, index)
        yield Check(
            name=f"search by {index}", ok=found in {"itself", "empty"}, found=found, wanted="itself"
        )


def _nearest(session: Session, place: Place, operator: str, index: str) -> str:
    some = f"SELECT embedding FROM {place.table} WHERE embedding IS NOT NULL LIMIT 1"  # noqa: S608 - quoted
    row = session.execute(some.encode()).fetchone()
    if row is None:
        return "empty"
    query = f"SELECT embedding FROM {place.table} ORDER BY embedding {operator} %s LIMIT 1"  # noqa: S608 - quoted
    with session.transaction():
        session.execute("SET LOCAL enable_seqscan = off")
        session.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        plan = session.execute(f"EXPLAIN {query}".encode(), row).fetchall()
        if not any(index in line for (line,) in plan):
            return "the planner does not use it"
        nearest = session.execute(query.encode(), row).fetchone()
    return "itself" if nearest == row else "another one"


def _decryption(session: Session, place: Place, sample: int) -> Check:
    rows = _encrypted(session, place, sample)
    name, wanted = f"fields of {place}", "each decrypts with the keys of now"
    if not rows:
        return Check(name=name, ok=True, found="no row has an encrypted field", wanted=wanted)
    try:
        cipher = RowCipher(cipher=ring_cipher())
        for row, tenant, content, metadata in rows:
            cipher.unseal(row=row, content=content, metadata=metadata, tenant=tenant)
    except EncryptionError as error:
        return Check(name=name, ok=False, found=str(error), wanted=wanted)
    return Check(name=name, ok=True, found=f"{len(rows)} rows decrypt", wanted=wanted)


def ring_cipher(vault: Vault | None = None) -> FieldCipher:
    """The keys of ENGRAM_FIELD_KEYS_FILE, opened by the vault.  Raises OperationError."""
    file = os.environ.get("ENGRAM_FIELD_KEYS_FILE")
    if not file:
        raise OperationError(
            "rows have encrypted fields, and ENGRAM_FIELD_KEYS_FILE is not set: name the file with"
            " the ring, as the service's pods have it"
        )
    document = Document.parse(Path(file).read_text(encoding="utf-8"))
    return FieldCipher(Ring.open(document, vault or AzureVault()))


def _encrypted(session: Session, place: Place, sample: int) -> list[Any]:
    """Rows with encrypted fields, from a random place on and round."""
    rows: list[Any] = []
    start = uuid4()
    for side in (">=", "<"):
        query = (
            f"SELECT id, tenant_id, content, metadata FROM {place.table}"  # noqa: S608 - quoted
            f" WHERE key_id IS NOT NULL AND id {side} %s ORDER BY id LIMIT %s"
        )
        rows += session.execute(query.encode(), (start, sample - len(rows))).fetchall()
    return rows
