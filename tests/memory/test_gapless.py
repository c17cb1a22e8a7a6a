"""An index is replaced under load: no query ever loses its index, and none waits for long.

Sequential scans are on, as in production: the planner is free, and a moment without a usable index
would show as a sequential scan.  The queries come from the reader's own login.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from memory.schema.events import Patience
from memory.schema.model import DesiredSchema, Hnsw, IvfFlat, Purpose
from memory.schema.runner import apply, inspect
from memory.schema.target import expected, managed
from tests.memory.conftest import PASSWORDS, Live
from tests.memory.rows import INDEX, SUMS, TABLE, filling

ROWS = 3000
INSERT = (
    "INSERT INTO zep_memory_vectors (session_id, content, embedding)"
    " VALUES ('s', %s, array_fill(1::real, ARRAY[64])::public.vector)"
)
QUERY = (
    "SELECT id FROM zep_memory_vectors ORDER BY embedding OPERATOR(public.<=>)"
    " array_fill(0.5::real, ARRAY[64])::public.vector LIMIT 10"
)
PATIENCE = Patience()


@dataclass
class Load:
    """Two readers, one of them slow, and a writer; and what they met."""

    live: Live
    desired: DesiredSchema
    over: threading.Event = field(default_factory=threading.Event)
    plans: list[str | None] = field(default_factory=list)
    rows: set[int] = field(default_factory=set)
    longest: float = 0.0
    written: int = 0
    errors: list[BaseException] = field(default_factory=list)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the end of the block."""
        loops = (self._read, self._read_slowly, self._write)
        threads = [threading.Thread(target=self._guarded, args=(loop,)) for loop in loops]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in threads:
                thread.join()

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:  # noqa: BLE001 - shown by the test, not by its thread
            self.errors.append(error)

    def _session(self, purpose: Purpose) -> psycopg.Connection[Any]:
        dsn = self.live.server.dsn(self.live.endpoint.database)
        role, password = self.desired.role(purpose).name, PASSWORDS[purpose]
        return psycopg.connect(dsn, user=role, password=password, autocommit=True)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.longest = max(self.longest, time.monotonic() - began)

    def _read(self) -> None:
        with self._session("reader") as db:
            while not self.over.is_set():
                with self._timed():
                    explained = db.execute(f"EXPLAIN (FORMAT JSON) {QUERY}").fetchone()
                    self.rows.add(len(db.execute(QUERY).fetchall()))
                self.plans.append(index_of(explained))

    def _read_slowly(self) -> None:
        """Hold a lock on the table for a while: what wants it alone has to queue."""
        with self._session("reader") as db:
            while not self.over.is_set():
                with db.transaction():
                    db.execute(QUERY)
                    self.over.wait(0.4)
                self.over.wait(0.2)

    def _write(self) -> None:
        with self._session("app") as db:
            while not self.over.wait(0.01):
                with self._timed():
                    db.execute(INSERT, [str(self.written)])
                self.written += 1


def index_of(explained: Any) -> str | None:
    """The index by which a plan answers."""
    node = explained[0][0]["Plan"]
    while "Index Name" not in node and node.get("Plans"):
        node = node["Plans"][0]
    found = node.get("Index Name")
    return str(found) if found else None


@pytest.mark.parametrize(
    "index",
    [
        Hnsw(column="embedding", m=16, ef_construction=200),
        pytest.param(IvfFlat(column="embedding", lists=20), marks=pytest.mark.slow),
    ],
    ids=["hnsw", "ivfflat"],
)
def test_a_replacement_leaves_no_gap(
    live: Live, index: Hnsw | IvfFlat, record_property: Callable[[str, object], None]
) -> None:
    first = live.schema(dimensions=64, index=Hnsw(column="embedding", m=8, ef_construction=32))
    apply(live.endpoint, first, passwords=PASSWORDS)
    live.owner(filling(ROWS, 64), f"ANALYZE {TABLE}")
    desired = live.schema(dimensions=64, index=index)
    load = Load(live, desired)
    with load.running():
        time.sleep(0.5)
        before = len(load.plans)
        ran = apply(live.endpoint, desired, passwords=PASSWORDS, patience=PATIENCE).plan.steps
        during = len(load.plans) - before
        time.sleep(0.5)
    record_property("queries during the replacement", during)
    record_property("longest wait in seconds", round(load.longest, 3))
    assert [s.sql.split()[0] for s in ran] == ["CREATE", "EXPLAIN", "DO", "ALTER", "ALTER", "DROP"]
    assert load.errors == []
    assert during > 20
    assert {*load.plans} <= {INDEX, f"{INDEX}_new", f"{INDEX}_old"}
    assert load.rows == {10}
    assert load.longest < PATIENCE.lock_timeout_ms / 1000
    assert managed(inspect(live.endpoint, desired, PASSWORDS), desired) == expected(desired)
    assert live.owner(SUMS)[0][0] == ROWS + load.written
