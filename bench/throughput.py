"""What bounds rotation, re-embedding and inserts: the slopes of docs/throughput-at-100m.md.

Rows have a vector of 1536 dimensions, an encrypted field and a filled graph.  What counts is the
processor's time, of this process and of the server's: others at work on the machine stretch the
clock, and change it little.
"""

import json
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.hnsw_table import Memories, large_server
from bench.measure import Announce
from bench.reembed import DIMENSIONS, BackfilledError, Filling, line, run
from bench.study import Study
from local.paths import Paths
from memory.embeddings.client import Answer
from memory.encryption.cipher import Binding, FieldCipher
from memory.encryption.document import State
from memory.encryption.ring import Key, Ring
from memory.operations.reembed.goal import Subject, new_goal
from memory.operations.reembed.operation import open_reembedding
from memory.operations.rotate_field_keys.passes import Pass
from memory.operations.rotate_field_keys.target import Target
from memory.schema import runner
from memory.schema.connection import Session
from memory.schema.events import Event

ROWS = (1_000, 2_000, 4_000)
ADDED = 300
TABLE = "memory.zep_memory_vectors"
GRAPH = f"{TABLE}_embedding_idx"
BY_KEY = {
    "without an index on key_id": "DROP INDEX IF EXISTS memory.zep_memory_vectors_key_id_idx",
    "with a btree on key_id": "CREATE INDEX IF NOT EXISTS zep_memory_vectors_key_id_idx"
    f" ON {TABLE} (key_id)",
}
SEAL = f"UPDATE {TABLE} SET metadata = %s, key_id = %s WHERE id = %s"  # noqa: S608 - a constant
UPDATES = """
SELECT n_tup_upd, n_tup_hot_upd, pg_current_wal_lsn() - '0/0' FROM pg_stat_user_tables
WHERE relid = 'memory.zep_memory_vectors'::regclass
"""
ADD = f"""
INSERT INTO {TABLE} (session_id, content, embedding)
SELECT 'added', 'a memory', (SELECT array_agg(random() - 0.5 + 0 * k * n)
  FROM generate_series(1, {DIMENSIONS}) k)::public.vector
FROM generate_series(1, {ADDED}) n
"""  # noqa: S608 - constants


@dataclass(frozen=True, kw_only=True)
class Turned:
    """One rotation of all rows."""

    client: float
    server: float
    hot_share: float
    wal_bytes_a_row: float


def throughput(_: Paths, rounds: int, announce: Announce) -> Iterator[Study]:
    """Rotation with and without an index of key names, inserts, and a backfill: CPU by rows."""
    yield bare(announce)
    with large_server() as server:
        filling = Filling(server=server, dimensions=DIMENSIONS, announce=announce)
        sizes = ROWS[: max(2, min(rounds, len(ROWS)))]
        yield rotations(filling, sizes)
        yield backfills(filling, sizes)


def bare(announce: Announce, fields: int = 20_000) -> Study:
    """Decrypt and encrypt again, one field a row, on one core and without a server."""
    announce("a bare loop")
    old, new = _rings()
    bindings = [Binding(row=secrets.token_hex(16), field="metadata/pii") for _ in range(fields)]
    texts = [old.encrypt(f"person {n}", b) for n, b in enumerate(bindings)]
    began = time.process_time()
    for text, binding in zip(texts, bindings, strict=True):
        new.encrypt(new.decrypt(text, binding), binding)
    each = (time.process_time() - began) / fields
    return Study(
        title="decrypt and encrypt again, one core, no server",
        headers=("fields", "us a field", "fields/s"),
        rows=((fields, round(each * 1e6, 1), round(1 / each)),),
    )


def rotations(filling: Filling, sizes: Sequence[int]) -> Study:
    """Both kinds of table at every size, and then inserts into the same graph."""
    table: list[tuple[str | int | float, ...]] = []
    found: dict[str, list[float]] = {way: [] for way in BY_KEY}
    for rows in sizes:
        for way, index in BY_KEY.items():
            memories, after = sealed_rows(filling, rows)
            run(memories, index)
            filling.announce(f"rotation of {rows} rows {way}")
            turned = rotated(memories, after)
            found[way].append(turned.server)
            table.append(
                (way, rows, *(round(s / rows * 1e6) for s in (turned.server, turned.client)),
                 f"{turned.hot_share:.0%}", round(turned.wal_bytes_a_row))
            )  # fmt: skip
        filling.announce(f"{ADDED} rows into a graph of {rows}")
        each = added(memories)
        table.append(("insert", rows, round(each * 1e6), "", "", ""))
    notes = []
    for way in BY_KEY:
        slope, start, fit = line(list(sizes), found[way])
        notes.append(f"{way}: {slope * 1e6:.0f} us a row and {start:.2f} s, R² {fit:.4f}")
    return Study(
        title="rotation and inserts, 1536 dimensions, HNSW m 16, ef_construction 64",
        headers=("way", "rows", "server us a row", "client us", "HOT", "WAL bytes a row"),
        rows=tuple(table),
        notes=tuple(notes),
    )


def sealed_rows(filling: Filling, rows: int) -> tuple[Memories, FieldCipher]:
    """Rows under an old key on full pages, their graph, and the cipher with the new key."""
    memories = filling.fill(rows, graph=False)
    old, new = _rings()
    with memories.session("migrator") as session:
        keys = session.execute(f"SELECT id FROM {TABLE}".encode()).fetchall()  # noqa: S608
        with session.cursor() as cursor:
            cursor.executemany(SEAL.encode(), [_sealed(old, key) for (key,) in keys])
    run(memories, f"VACUUM FULL {TABLE};DROP INDEX {GRAPH}")
    runner.apply(filling.server.endpoint(), memories.desired, passwords=memories.passwords)
    run(memories, f"VACUUM ANALYZE {TABLE}")
    return memories, new


def rotated(memories: Memories, cipher: FieldCipher) -> Turned:
    """Bring every row under the new key, as the command does."""
    with memories.session("migrator") as session:
        before, server, client = _updates(session), spent(session), time.process_time()
        work = Pass(session=session, cipher=cipher, table=TABLE, target=Target.of(cipher))
        outcome = work.run()
        client, server = time.process_time() - client, spent(session) - server
        updates, hot, wal = (
            float(new - old) for new, old in zip(_updates(session), before, strict=True)
        )
    return Turned(
        client=client,
        server=server,
        hot_share=hot / updates,
        wal_bytes_a_row=wal / outcome.written,
    )


def backfills(filling: Filling, sizes: Sequence[int]) -> Study:
    """Another model's vectors beside the old ones, from a model that answers at once."""
    table = []
    for rows in sizes:
        memories = filling.fill(rows)
        filling.announce(f"backfill of {rows} rows")
        server, client = backfilled(memories)
        table.append((rows, *(round(seconds / rows * 1e6) for seconds in (server, client))))
    return Study(
        title="backfill beside the old vectors, 1536 dimensions",
        headers=("rows", "server us a row", "client us"),
        rows=tuple(table),
    )


def backfilled(memories: Memories) -> tuple[float, float]:
    """Seconds of the server's and of this process's processor."""
    moments: list[tuple[float, float]] = []
    answer = [float(number % 7) for number in range(DIMENSIONS)]
    goal = new_goal(to=f"vector({DIMENSIONS})", source="model", model="constant")
    with open_reembedding(memories.server.endpoint(), Subject()) as work:

        def report(event: Event) -> None:
            if event.text in {"phase backfill", "phase index"}:
                moments.append((spent(work.session), time.process_time()))
            if event.text == "phase index":
                raise BackfilledError

        work.report = report
        with suppress(BackfilledError):
            work.advance(
                goal,
                extent=work.extent(),
                ask=lambda texts: Answer(vectors=[answer] * len(texts)),
            )
    (server, client), (server_after, client_after) = moments
    return server_after - server, client_after - client


def added(memories: Memories) -> float:
    """Seconds of the server's processor that a row takes which is added to the graph."""
    with memories.session("migrator") as session:
        before = spent(session)
        session.execute(ADD.encode())
        return (spent(session) - before) / ADDED


def spent(session: Session) -> float:
    """Seconds of the processor that the session's process on the server has taken."""
    stat = Path(f"/proc/{session.info.backend_pid}/stat").read_text(encoding="ascii")
    user, system = stat.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _updates(session: Any) -> Sequence[Any]:
    session.execute("SELECT pg_stat_force_next_flush()")
    return session.execute(UPDATES).fetchone() or ()


def _sealed(cipher: FieldCipher, row: Any) -> tuple[str, str, Any]:
    value = cipher.encrypt("a person", Binding(row=row, field="metadata/pii"))
    return json.dumps({"pii": value, "topic": "x"}), cipher.key_id, row


def _rings() -> tuple[FieldCipher, FieldCipher]:
    """Before and after a new key became primary."""
    key = [(f"fields-{n}-bench", secrets.token_bytes(32)) for n in (1, 2)]
    states: Sequence[Sequence[State]] = (("primary", "accepted"), ("accepted", "primary"))
    rings = [
        Ring(
            Key(id=name, purpose="fields", state=state, material=material)
            for (name, material), state in zip(key, those, strict=True)
        )
        for those in states
    ]
    return FieldCipher(rings[0]), FieldCipher(rings[1])
