"""memory/schema/preflight.py and estimate.py: what a build may take, and what is said of it"""

from dataclasses import replace

import pytest

from memory.schema.catalog import Column, Index, Table
from memory.schema.errors import PlanRefused
from memory.schema.estimate import BuildCost, Machine, build_cost, rows_of
from memory.schema.preflight import Limits, advice, allowance, refuse_impossible
from memory.schema.steps import Step

MIB = 1024
SERVER = Limits(
    worker_processes=8,
    parallel_workers=8,
    maintenance_workers=2,
    maintenance_work_mem_kib=64 * MIB,
    shared_buffers_kib=1024 * MIB,
)
GRAPH = Index(
    method="hnsw",
    columns=("embedding",),
    opclasses=("vector_cosine_ops",),
    options={"m": "16", "ef_construction": "64"},
)
LISTS = replace(GRAPH, method="ivfflat", options={"lists": "100"})
KEYS = Index(method="btree", columns=("session_id",))


def table(rows: int, kind: str = "vector(1536)") -> Table:
    columns = {
        "session_id": Column(type="text"),
        "embedding": Column(type=kind),
    }
    return Table(owner="o", columns=columns, rows=rows, bytes=rows * 7000)


def cost(rows: int, index: Index = GRAPH, kind: str = "vector(1536)") -> BuildCost:
    return build_cost(table(rows, kind), index)


def step(rows: int, index: Index = GRAPH, kind: str = "vector(1536)") -> Step:
    statement = "CREATE INDEX CONCURRENTLY v_idx ON memory.v USING hnsw (embedding)"
    return Step(sql=statement, why="", lock="", cost=cost(rows, index, kind))


@pytest.mark.parametrize(
    ("rows", "machine", "mib", "workers"),
    [
        # No size known: the server's workers, and one more shared_buffers at most.
        (100, Machine(), 64, None),
        (50_000, Machine(), 372, 2),
        (500_000, Machine(), 1024, 2),
        # Known: the leader works as well; three quarters less shared_buffers.
        (50_000, Machine(vcores=2), 372, 1),
        # One of more cores than two is left to queries.
        (50_000, Machine(vcores=4), 372, 2),
        (50_000, Machine(vcores=1), 372, 0),
        (50_000, Machine(vcores=64), 372, 8),
        (500_000, Machine(memory_gib=4), 2048, 2),
        (500_000, Machine(memory_gib=16), 3655, 2),
        # PostgreSQL gives no worker to a process with less than 32 MiB.
        (4_000, Machine(vcores=8), 224, 6),
        # Nothing that is over before a worker has started.
        (400, Machine(vcores=8), 64, None),
    ],
)
def test_a_build_gets_memory_and_workers(
    rows: int, machine: Machine, mib: int, workers: int | None
) -> None:
    given = allowance(cost(rows), SERVER, machine)
    assert given.memory_kib // MIB == pytest.approx(mib, rel=0.02)
    assert given.workers == workers


def test_more_workers_than_the_session_may_start_are_allowed_to() -> None:
    few = replace(SERVER, parallel_workers=2)
    given = allowance(cost(50_000), few, Machine(vcores=8))
    assert given.settings().split("; ")[1:] == [
        "SET min_parallel_table_scan_size = 0",
        "SET max_parallel_maintenance_workers = 6",
        "SET max_parallel_workers = 6",
    ]
    assert allowance(cost(100), few, Machine()).settings() == "SET maintenance_work_mem = 65536"


@pytest.mark.parametrize(
    ("index", "kind", "memory", "minutes", "smaller"),
    [
        (
            GRAPH,
            "vector(1536)",
            "50,000 rows x (6,152 B vector + 160 B element + 16 B x (2 x 16 + 16/15) links)",
            "50,000 rows x (3 x 64 x 16 + 2 x 16 x 16) distances x 1,536 dimensions x 0.25 ns,"
            " on one core",
            ("halfvec(1536): 180 MiB", "m = 8: 315 MiB"),
        ),
        (
            GRAPH,
            "halfvec(1536)",
            "50,000 rows x (3,080 B vector + 160 B element + 16 B x (2 x 16 + 16/15) links)",
            "50,000 rows x (3 x 64 x 16 + 2 x 16 x 16) distances x 1,536 dimensions x 0.25 ns,"
            " on one core",
            ("m = 8: 168 MiB",),
        ),
        (
            LISTS,
            "vector(1536)",
            "(100 centres + 10,000 sampled rows) x 6,152 B",
            "(50,000 rows + 10 x 10,000 sampled) x 100 lists x 1,536 dimensions x 0.25 ns,"
            " on one core",
            (),
        ),
        (
            KEYS,
            "vector(1536)",
            "sorted in memory: 50,000 rows x 40 B",
            "50,000 rows / 30,000,000 a minute",
            (),
        ),
    ],
)
def test_a_cost_shows_how_it_was_reckoned(
    index: Index, kind: str, memory: str, minutes: str, smaller: tuple[str, ...]
) -> None:
    found = cost(50_000, index, kind)
    assert (found.memory_terms, found.minutes_terms, found.smaller) == (memory, minutes, smaller)


@pytest.mark.parametrize(
    ("found", "rows"),
    [
        (table(5), 5),
        (replace(table(0), empty=True, bytes=16_384), 0),
        (replace(table(-1), bytes=6_260_000), 1000),
        # ANALYZE saw it empty; a load came afterwards.
        (replace(table(0), bytes=6_260_000), 1000),
        (table(0), 0),
    ],
)
def test_rows_are_reckoned_from_the_size_where_nobody_counted(found: Table, rows: int) -> None:
    assert rows_of(found) == pytest.approx(rows, rel=0.01)


@pytest.mark.parametrize(
    ("rows", "index", "machine", "words"),
    [
        (400, GRAPH, Machine(vcores=8), None),
        (
            50_000,
            GRAPH,
            Machine(vcores=4),
            "50,000 rows, 327 MiB of memory (it may take 367), abou",
        ),
        (50_000, GRAPH, Machine(vcores=4), "about 0.4 min on 3 processes"),
        (50_000, GRAPH, Machine(vcores=1), "about 1.1 min on one core"),
        (
            500_000,
            GRAPH,
            Machine(),
            "may take 1,024; the size of the machine is not known: after a",
        ),
        (500_000, GRAPH, Machine(memory_gib=4), "may take 2,048: after about 313,"),
        (
            500_000,
            GRAPH,
            Machine(memory_gib=4),
            "on disk, many times slower. Nothing is lost by it",
        ),
        (
            500_000,
            GRAPH,
            Machine(),
            "declare less (halfvec(1536): 1,798 MiB; m = 8: 3,141 MiB), bu",
        ),
        (500_000, GRAPH, Machine(), "ivfflat index, or give the server a larger SKU for the time"),
        # A sort that spills is no matter.
        (90_000_000, KEYS, Machine(), "about 1.0 min on 3 processes"),
    ],
)
def test_says_what_to_expect_of_a_build(
    rows: int, index: Index, machine: Machine, words: str | None
) -> None:
    wanted = step(rows, index)
    text = advice(wanted, allowance(wanted.cost, SERVER, machine), machine)
    if words is None:
        assert text is None
    else:
        assert text is not None
        assert text.startswith("index v_idx: ")
        assert words in text


def test_refuses_only_what_the_whole_machine_cannot_hold() -> None:
    small = Machine(memory_gib=4)
    refuse_impossible([step(600_000), step(90_000_000, KEYS)], small)
    refuse_impossible([step(6_000_000)], Machine())
    with pytest.raises(
        PlanRefused,
        match=r"index v_idx: the graph needs 6,\d+ MiB .*machine has 4,096 MiB .*halfvec",
    ):
        refuse_impossible([step(1_000_000)], small)
