"""Re-embedding: time and memory of the backfill by rows, and what its batches cost the table.

Rows have a vector of 1536 dimensions and get another, about a hundred characters of content
and the four indexes of the mission's table, its HNSW graph filled.  The model is a constant that
answers at once, so what is measured is ours and the server's part of the work; a real endpoint adds
its own time.  Each backfill runs in a process of its own, whose highest resident memory is taken
before and after.
"""

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

from psycopg import sql

from bench.hnsw_table import Memories, large_server
from bench.measure import Announce
from bench.server import Server
from bench.study import Study
from local.paths import Paths
from memory.embeddings.client import Answer
from memory.operations.reembed.backfill import Pace
from memory.operations.reembed.goal import Subject, new_goal
from memory.operations.reembed.operation import open_reembedding
from memory.schema import runner
from memory.schema.connection import Endpoint
from memory.schema.events import Event

ROWS = (2_500, 5_000, 10_000, 20_000)
DIMENSIONS = 1536
BATCH_ROWS = (16, 64, 256)
RANDOM, IN_TIME = "gen_random_uuid()", "uuidv7()"
SOME_ROWS = 3_000
MIB = 2**20
# Random halves of a server-side array: what the numbers are does not matter to a backfill.
FILL = """
INSERT INTO memory.zep_memory_vectors (id, session_id, content, embedding)
SELECT {key}, 'session ' || n % 50, repeat('a memory of this person ', 4) || n,
  (SELECT array_agg(random() - 0.5 + 0 * k * n)
   FROM generate_series(1, {dimensions}) k)::public.vector
FROM generate_series(1, {rows}) n
"""
SIZES = """
SELECT pg_table_size('memory.zep_memory_vectors'),
  pg_relation_size('memory.zep_memory_vectors'),
  pg_relation_size('memory.zep_memory_vectors_embedding_idx'),
  n_tup_upd, n_tup_hot_upd, pg_current_wal_lsn() - '0/0'
FROM pg_stat_user_tables WHERE relid = 'memory.zep_memory_vectors'::regclass
"""
BESIDE = """
CREATE TABLE memory.beside (id uuid PRIMARY KEY, embedding public.vector({dimensions}));
INSERT INTO memory.beside SELECT id, embedding FROM memory.zep_memory_vectors
"""
MOVE = """
ALTER TABLE memory.zep_memory_vectors ADD COLUMN embedding_next public.vector({dimensions});
UPDATE memory.zep_memory_vectors t SET embedding_next = b.embedding
FROM memory.beside b WHERE b.id = t.id
"""


class BackfilledError(Exception):
    """The phase that is measured is over."""


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a backfill took in its process."""

    seconds: float
    before_mib: float
    peak_mib: float


@dataclass(frozen=True, kw_only=True)
class Grown:
    """What it did to the table."""

    table_mib: float
    heap_mib: float
    graph_mib: float
    wal_mib: float
    hot_share: float


def reembed(_: Paths, rounds: int, announce: Announce) -> Iterator[Study]:
    """Backfill by rows: seconds, memory, growth, and their slopes; then by size of batch."""
    with large_server() as server:
        table = Filling(server=server, dimensions=DIMENSIONS, announce=announce)
        yield by_rows(table, ROWS, rounds)
        yield by_rows(table, ROWS, rounds, graph=False)
        yield by_batch(table, SOME_ROWS)


def by_rows(filling: "Filling", sizes: Sequence[int], rounds: int, *, graph: bool = True) -> Study:
    """One backfill for each size and round."""
    lines: list[tuple[int, list[Spent], Grown]] = []
    for rows in sizes:
        spent = []
        for number in range(1, rounds + 1):
            memories = filling.fill(rows, graph=graph)
            filling.announce(f"backfill of {rows} rows: round {number} of {rounds}")
            once, grown = measured(memories, Pace())
            spent.append(once)
        lines.append((rows, spent, grown))
    seconds = [statistics.median(one.seconds for one in spent) for _, spent, _ in lines]
    peaks = [statistics.median(one.peak_mib for one in spent) for _, spent, _ in lines]
    table = [
        (
            rows,
            round(wall, 2),
            round(wall / rows * 1e6),
            round(rows / wall),
            round(peak - spent[0].before_mib, 1),
            round(grown.table_mib, 1),
            round(grown.heap_mib, 2),
            round(grown.graph_mib, 2),
            f"{grown.hot_share:.0%}",
        )
        for (rows, spent, grown), wall, peak in zip(lines, seconds, peaks, strict=True)
    ]
    slope, start, fit = line(list(sizes), seconds)
    growth, _, _ = line(list(sizes), [grown.table_mib * MIB for *_, grown in lines])
    memory, _, _ = line(list(sizes), [peak * MIB for peak in peaks])
    return Study(
        title=f"backfill by rows, {'with the old graph' if graph else 'without an old graph'}",
        headers=("rows", "seconds", "us a row", "rows/s", "client +MiB", "table +MiB",
                 "heap +MiB", "graph +MiB", "HOT"),
        rows=tuple(table),
        notes=(
            f"time: {slope * 1e6:.0f} us a row and {start:.2f} s to begin with, R² {fit:.4f}",
            f"memory of the process: {memory:.0f} bytes a row",
            f"the table grows by {growth:.0f} bytes a row; a vector alone is"
            f" {4 * filling.dimensions + 8}",
        ),
    )  # fmt: skip


def by_batch(filling: "Filling", rows: int) -> Study:
    """Sizes of batches, keys in random order and in the order of time, and a table beside."""
    table = []
    for key in (RANDOM, IN_TIME):
        for size in BATCH_ROWS:
            memories = filling.fill(rows, key=key)
            filling.announce(f"batches of {size} rows, keys by {key}")
            spent, grown = measured(memories, Pace(batch_rows=size))
            table.append(_row(f"batches of {size}, keys by {key}", rows, spent.seconds, grown))
    spent, grown = measured(filling.fill(rows, graph=False), Pace())
    table.append(_row(f"batches of {Pace().batch_rows}, no graph", rows, spent.seconds, grown))
    memories = filling.fill(rows)
    for what, statement in (("a table beside", BESIDE), ("then moved into the column", MOVE)):
        filling.announce(what)
        seconds, grown = growing(memories, partial(run, memories, statement))
        table.append(_row(f"{what}, one statement", rows, seconds, grown))
    return Study(
        title=f"backfill of {rows} rows by size of batch, and beside the table",
        headers=("way", "us a row", "HOT", "heap +MiB", "graph +MiB", "WAL bytes a row"),
        rows=tuple(table),
        notes=(
            "an update that is not HOT enters the row again into every index, the old graph too",
            "the table beside copies vectors within the server: its rows are a lower bound",
        ),
    )


def _row(what: str, rows: int, seconds: float, grown: Grown) -> tuple[str | int | float, ...]:
    return (
        what,
        round(seconds / rows * 1e6),
        f"{grown.hot_share:.0%}",
        round(grown.heap_mib, 2),
        round(grown.graph_mib, 2),
        round(grown.wal_mib * MIB / rows),
    )


@dataclass(frozen=True, kw_only=True)
class Filling:
    """Makes the table anew, with as many rows as are asked for."""

    server: Server
    dimensions: int
    announce: Announce

    def fill(self, rows: int, *, key: str = RANDOM, graph: bool = True) -> Memories:
        """The rows, and their graph built over them."""
        self.announce(f"{rows} rows, and their graph")
        fresh = Memories.create(self.server, "vector", self.dimensions)
        run(fresh, FILL.replace("{key}", key).replace("{rows}", str(rows)))
        if graph:
            runner.apply(self.server.endpoint(), fresh.desired, passwords=fresh.passwords)
        else:  # something has to have a size under the graph's name
            run(fresh, "CREATE INDEX zep_memory_vectors_embedding_idx"
                       " ON memory.zep_memory_vectors (created_at)")  # fmt: skip
        run(fresh, "VACUUM ANALYZE memory.zep_memory_vectors")
        return fresh


def measured(memories: Memories, pace: Pace) -> tuple[Spent, Grown]:
    """One backfill in a process of its own, and what it did to the table."""
    spent: list[Spent] = []

    def work() -> None:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            given = (memories.server.endpoint(), memories.dimensions, pace)
            spent.append(process.submit(backfill, *given).result())

    _, grown = growing(memories, work)
    return spent[0], grown


def growing(memories: Memories, work: Callable[[], None]) -> tuple[float, Grown]:
    """Do it, and look at the sizes before and after."""
    before = _sizes(memories)
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    after = _sizes(memories)
    table, heap, graph, updates, hot, wal = (
        float(new - old) for new, old in zip(after, before, strict=True)
    )
    return seconds, Grown(
        table_mib=table / MIB,
        heap_mib=heap / MIB,
        graph_mib=graph / MIB,
        wal_mib=wal / MIB,
        hot_share=hot / updates if updates else 0.0,
    )


def backfill(endpoint: Endpoint, dimensions: int, pace: Pace) -> Spent:
    """Expand and backfill, and stop there; only the backfill is timed."""
    answer = [float(number % 7) for number in range(dimensions)]
    moments: dict[str, float] = {}

    def report(event: Event) -> None:
        moments[event.text] = time.perf_counter()
        if event.text == "phase backfill":
            moments["memory"] = _resident_mib()
        if event.text == "phase index":
            raise BackfilledError

    def ask(texts: Sequence[str]) -> Answer:
        return Answer(vectors=[answer] * len(texts))

    goal = new_goal(to=f"vector({dimensions})", source="model", model="constant")
    try:
        with open_reembedding(endpoint, Subject(), report=report) as work:
            work.advance(goal, extent=work.extent(), ask=ask, pace=pace)
    except BackfilledError:
        pass
    return Spent(
        seconds=moments["phase index"] - moments["phase backfill"],
        before_mib=moments["memory"],
        peak_mib=_resident_mib(),
    )


def line(xs: Sequence[float], ys: Sequence[float]) -> tuple[float, float, float]:
    """Slope, intercept and R² of the straight line through the points."""
    slope, intercept = statistics.linear_regression(xs, ys)
    mean = statistics.fmean(ys)
    total = sum((y - mean) ** 2 for y in ys)
    left = sum((y - slope * x - intercept) ** 2 for x, y in zip(xs, ys, strict=True))
    return slope, intercept, 1 - left / total if total else 1.0


def run(memories: Memories, statement: str) -> None:
    """As the owner of the tables; several statements, separated, run one after the other."""
    with memories.session("migrator") as session:
        for text in statement.replace("{dimensions}", str(memories.dimensions)).split(";"):
            session.execute(_composed(text))


def _sizes(memories: Memories) -> Sequence[Any]:
    with memories.session("migrator") as session:
        session.execute("SELECT pg_stat_force_next_flush()")
        row = session.execute(SIZES).fetchone()
    return row or ()


def _composed(text: Any) -> sql.SQL:
    return sql.SQL(text)


def _resident_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
