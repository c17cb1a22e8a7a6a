"""Rotation of field keys: rows a second against the bare cipher, and memory by rows.

The baseline decrypts and encrypts the same tokens in a loop, with the same library and nothing
else: no database, no binding, no JSON.  Both take turns in one process; the rotation's server has
the machine's other core.  Rows have sixteen dimensions, so that what is measured is the rotation
and not the size of vectors, which it does not read; the last study has the graph of the mission's.
"""

import json
import multiprocessing
import os
import resource
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from bench.hnsw_table import Memories, large_server
from bench.measure import Announce
from bench.server import Server
from bench.study import Study
from local.paths import Paths
from memory.encryption import paths
from memory.encryption.cipher import TABLE, FieldCipher
from memory.encryption.document import KEY_BYTES
from memory.encryption.fields import Policy, RowCipher
from memory.encryption.ring import Key, Ring
from memory.operations.rotate_field_keys.passes import Pass
from memory.operations.rotate_field_keys.target import Target
from memory.schema import runner
from memory.schema.connection import Endpoint, connect

ROWS, FIELDS, GOAL = 10_000, (1, 3), 0.8
MEMORY_ROWS = (10_000, 50_000, 200_000)
DIMENSIONS = 16
NAMES = ("pii", "phi", "secret")
RELATION = f"memory.{TABLE}"
MIB = 2**20
FILLED = """
COPY memory.zep_memory_vectors (id, session_id, content, embedding, metadata, key_id) FROM STDIN
"""
HOT = """
SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables
WHERE relid = 'memory.zep_memory_vectors'::regclass
"""


@dataclass(frozen=True, kw_only=True)
class Keys:
    """Two keys to go to and fro between; plain bytes, as another process needs them too."""

    materials: tuple[bytes, bytes]

    @classmethod
    def new(cls) -> "Keys":
        """Two that nobody knows."""
        return cls(materials=(os.urandom(KEY_BYTES), os.urandom(KEY_BYTES)))

    def ring(self, primary: int) -> Ring:
        """Both, one of them to write with."""
        return Ring(
            Key(
                id=f"fields-of-bench-{number}",
                purpose="fields",
                state="primary" if number == primary else "accepted",
                material=material,
            )
            for number, material in enumerate(self.materials)
        )


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What the rounds in a process took."""

    bare: tuple[float, ...]
    """Seconds of the bare loop, by round."""
    rotation: tuple[float, ...]
    before_mib: float
    peak_mib: float


def rotation(_: Paths, rounds: int, announce: Announce) -> Iterator[Study]:
    """Rotate field keys: throughput against the bare cipher, memory by rows, the graph's share."""
    with large_server() as server:
        yield against_the_cipher(server, rounds, announce)
        yield by_rows(server, announce)
        yield with_a_graph(server, announce)


def against_the_cipher(server: Server, rounds: int, announce: Announce) -> Study:
    """The same tokens through the cipher alone and through the whole rotation, in turns."""
    lines = []
    for fields in FIELDS:
        keys = Keys.new()
        announce(f"{ROWS} rows with {fields} encrypted fields")
        memories = filled(server, keys, ROWS, fields)
        announce(f"{ROWS} rows with {fields} fields, {rounds} rounds")
        spent = apart(memories, keys, rounds, fields)
        ratios = [b / r for b, r in zip(spent.bare, spent.rotation, strict=True)]
        ratio = statistics.median(ratios)
        lines.append(
            (
                fields,
                round(ROWS / statistics.median(spent.bare)),
                round(ROWS / statistics.median(spent.rotation)),
                round(ratio, 2),
                f"{min(ratios):.2f} to {max(ratios):.2f}",
                "met" if ratio >= GOAL else "missed",
            )
        )
    return Study(
        title=f"rotation of {ROWS} rows against a bare decrypt and encrypt loop, {rounds} rounds",
        headers=("fields a row", "bare rows/s", "rotation rows/s", "ratio", "of rounds", "goal"),
        rows=tuple(lines),
        notes=(f"goal: a ratio of {GOAL} or more; fields hold 60 to 120 characters",),
    )


def by_rows(server: Server, announce: Announce) -> Study:
    """The highest resident memory of a process that rotates once."""
    lines = []
    for rows in MEMORY_ROWS:
        keys = Keys.new()
        announce(f"{rows} rows with one encrypted field")
        memories = filled(server, keys, rows, 1)
        announce(f"rotation of {rows} rows")
        spent = apart(memories, keys, 1, 0)
        seconds = spent.rotation[0]
        lines.append(
            (rows, round(seconds, 1), round(rows / seconds), round(spent.before_mib, 1),
             round(spent.peak_mib - spent.before_mib, 1))
        )  # fmt: skip
    grown = (lines[-1][4] - lines[0][4]) * MIB / (lines[-1][0] - lines[0][0])
    return Study(
        title="memory of the rotation by rows",
        headers=("rows", "seconds", "rows/s", "process MiB", "+MiB at its peak"),
        rows=tuple(lines),
        notes=(f"{grown:.1f} bytes a row from {lines[0][0]} to {lines[-1][0]} rows",),
    )


def with_a_graph(server: Server, announce: Announce) -> Study:
    """How many new versions stay on their page, and so out of the graph; twice in a row."""
    keys, lines = Keys.new(), []
    announce(f"{ROWS} rows and their graph")
    memories = filled(server, keys, ROWS, 1)
    runner.apply(server.endpoint(), memories.desired, passwords=memories.passwords)
    before = (0, 0)
    for number, target in enumerate((1, 0), start=1):
        announce(f"rotation {number} beside the graph")
        with connect(login(memories)) as session:
            seconds = rotated(session, keys, target)
            session.execute("SELECT pg_stat_force_next_flush()")
        after = _hot(memories)
        updated, hot = after[0] - before[0], after[1] - before[1]
        before = after
        lines.append((number, round(ROWS / seconds), f"{hot / max(updated, 1):.0%}"))
    return Study(
        title=f"rotation of {ROWS} rows beside their graph",
        headers=("rotation", "rows/s", "HOT"),
        rows=tuple(lines),
        notes=("a version that is not HOT enters every index again, the graph too",),
    )


def filled(server: Server, keys: Keys, rows: int, fields: int) -> Memories:
    """The table anew, its rows under the first key."""
    memories = Memories.create(server, "vector", DIMENSIONS)
    cipher = RowCipher(policy=Policy.of(NAMES), cipher=FieldCipher(keys.ring(0)))
    vector = str([1.0] * DIMENSIONS)
    with memories.session("migrator") as session:
        with session.cursor().copy(FILLED) as copy:
            for number in range(rows):
                row = uuid4()
                metadata = {name: secret(name, number) for name in NAMES[:fields]}
                sealed = cipher.seal(row=row, content="a memory", metadata=metadata)
                copy.write_row(
                    (str(row), f"session {number % 50}", sealed.content, vector,
                     json.dumps(sealed.metadata), sealed.key_id)
                )  # fmt: skip
        session.execute("VACUUM ANALYZE memory.zep_memory_vectors")
    return memories


def secret(name: str, number: int) -> str:
    """Something sensitive, of 60 to 120 characters."""
    return f"{name} of person {number}: " + "what nobody else is to know " * (1 + number % 3)


def login(memories: Memories) -> Endpoint:
    """The app's, which rotates."""
    whole, role = memories.server.endpoint(), memories.desired.role("app")
    return replace(whole, user=role.name, password=memories.passwords["app"])


def apart(memories: Memories, keys: Keys, rounds: int, fields: int) -> Spent:
    """Measure in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(measured, login(memories), keys, rounds, fields).result()


def measured(endpoint: Endpoint, keys: Keys, rounds: int, fields: int) -> Spent:
    """Bare loop and rotation in turns; without fields the rotation alone."""
    bare: list[float] = []
    rotation: list[float] = []
    with connect(endpoint) as session:
        before = _resident_mib()
        for number in range(rounds):
            tokens = tokens_of(session) if fields else []
            if number % 2:
                bare.append(through_the_cipher(keys, tokens, number))
            rotation.append(rotated(session, keys, 1 - number % 2))
            if not number % 2:
                bare.append(through_the_cipher(keys, tokens, number))
    return Spent(
        bare=tuple(bare), rotation=tuple(rotation), before_mib=before, peak_mib=_resident_mib()
    )


def tokens_of(session: Any) -> list[bytes]:
    """Every token of the table, as Fernet made it."""
    found = session.execute("SELECT metadata FROM memory.zep_memory_vectors")
    return [text.rpartition(":")[2].encode() for (data,) in found for text in paths.texts(data)]


def through_the_cipher(keys: Keys, tokens: Sequence[bytes], number: int) -> float:
    """Seconds to decrypt with one key and encrypt with the other; the tokens are of the round."""
    old, new = (keys.ring(key).primary("fields").fernet for key in (number % 2, 1 - number % 2))
    began = time.perf_counter()
    for token in tokens:
        new.encrypt(old.decrypt(token))
    return time.perf_counter() - began


def rotated(session: Any, keys: Keys, primary: int) -> float:
    """Seconds to bring every row under a key."""
    cipher = FieldCipher(keys.ring(primary))
    work = Pass(session=session, cipher=cipher, table=RELATION, target=Target.of(cipher))
    began = time.perf_counter()
    outcome = work.run()
    seconds = time.perf_counter() - began
    if outcome.written != outcome.seen or not outcome.seen:
        raise AssertionError(f"{outcome.written} of {outcome.seen} rows were written")
    return seconds


def _hot(memories: Memories) -> tuple[int, int]:
    with memories.session("migrator") as session:
        row = session.execute(HOT.encode()).fetchone()
    return (int(row[0]), int(row[1])) if row else (0, 0)


def _resident_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
