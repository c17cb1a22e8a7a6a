"""Builds on a real server: memory, workers, and what the server says of them."""

import re
import time

import psycopg
import pytest
from psycopg import errors as pg

from memory.schema.errors import PlanRefused, StepFailed
from memory.schema.estimate import Machine
from memory.schema.events import Event
from memory.schema.model import DesiredSchema, Hnsw, IvfFlat
from memory.schema.run import Run
from memory.schema.runner import apply, inspect, open_run
from tests.memory.conftest import PASSWORDS, Live
from tests.memory.rows import INDEX, TABLE, filling

ROWS = 2000
FIRST = Hnsw(column="embedding", m=2, ef_construction=4)
SECOND = Hnsw(column="embedding", m=16, ef_construction=200)


def filled(live: Live) -> DesiredSchema:
    """A table with a poor graph, and the wish for a better one."""
    apply(live.endpoint, live.schema(dimensions=256, index=FIRST), passwords=PASSWORDS)
    live.owner(filling(ROWS, 256), f"ANALYZE {TABLE}")
    return live.schema(dimensions=256, index=SECOND)


def build(live: Live, desired: DesiredSchema, machine: Machine) -> tuple[list[Event], list[str]]:
    """Replace the index; return the events, and what the server says to itself."""
    events: list[Event] = []
    said: list[str] = []
    with open_run(live.endpoint, passwords=PASSWORDS, report=events.append, machine=machine) as run:
        run.session.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        run.session.execute("SET client_min_messages = debug1")
        run.to(desired)
        for name in ("maintenance_work_mem", "min_parallel_table_scan_size"):
            row = run.session.execute("SELECT source FROM pg_settings WHERE name = %s", (name,))
            assert row.fetchone() != ("session",)
    return events, said


@pytest.mark.parametrize(
    ("index", "vcores", "workers"),
    [
        (SECOND, 2, 1),
        (SECOND, 1, 0),
        (IvfFlat(column="embedding", lists=1000), 4, 2),
    ],
)
def test_a_build_runs_on_every_core_although_its_table_looks_small(
    live: Live, index: Hnsw | IvfFlat, vcores: int, workers: int
) -> None:
    filled(live)
    _, said = build(live, live.schema(dimensions=256, index=index), Machine(vcores=vcores))
    started = [text for text in said if text.startswith("using")]
    assert started == ([f"using {workers} parallel workers"] if workers else [])


def test_pgvector_alone_would_have_built_on_one_core(live: Live) -> None:
    desired = filled(live)
    said: list[str] = []
    with psycopg.connect(live.server.dsn(live.endpoint.database), autocommit=True) as db:
        db.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        db.execute(f"SET ROLE {desired.owner}")
        db.execute("SET max_parallel_maintenance_workers = 2; SET maintenance_work_mem = '256MB'")
        db.execute("SET client_min_messages = debug1")
        db.execute(f"CREATE INDEX ON {TABLE} USING hnsw (embedding public.vector_cosine_ops)")
    assert not [text for text in said if text.startswith("using")]


def test_the_session_gets_what_the_graph_needs_and_says_so(live: Live) -> None:
    desired = filled(live)
    events, _ = build(live, desired, Machine(vcores=2, memory_gib=4))
    advice = [event.text for event in events if event.kind == "advice"]
    assert len(advice) == 1
    wanted = (
        r"index .*_new: 2,000 rows, 4 MiB of memory \(it may take \d+\), about 0.1 min on 2 proc"
    )
    assert re.match(wanted, advice[0])


def test_a_graph_that_does_not_fit_is_announced_and_goes_on_on_disk(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's own setting is the least that a session gets: here it is made small."""
    desired = filled(live)
    live.sql(f"ALTER DATABASE {live.endpoint.database} SET maintenance_work_mem = '3MB'")
    monkeypatch.setattr("memory.schema.preflight.session_memory_kib", lambda *_: 3072)
    events, _ = build(live, desired, Machine(vcores=1))
    advice = [event.text for event in events if event.kind == "advice"]
    assert "and the session may take 3; the size of the machine is not known" in advice[0]
    assert "the build goes on on disk, many times slower" in advice[0]
    assert "declare less (halfvec(256): 3 MiB; m = 8: 3 MiB)" in advice[0]
    assert advice[1].startswith("hnsw graph no longer fits into maintenance_work_mem after 1")
    assert inspect(live.endpoint, desired).tables["zep_memory_vectors"].indexes[INDEX].usable


def test_a_graph_larger_than_the_machine_is_refused_before_anything_is_changed(live: Live) -> None:
    desired = filled(live)
    with pytest.raises(
        PlanRefused, match=r"needs 4 MiB \(2,000 rows x .*machine has 3 MiB.*ivfflat.*larger SKU"
    ):
        apply(live.endpoint, desired, passwords=PASSWORDS, machine=Machine(memory_gib=3 / 1024))
    indexes = inspect(live.endpoint, desired).tables["zep_memory_vectors"].indexes
    assert f"{INDEX}_new" not in indexes


def test_without_room_for_a_parallel_build_it_runs_on_one_core(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container's /dev/shm holds 64 MB: the server says so when the build begins."""
    desired = filled(live)
    tried: list[int | None] = []
    execute = Run._execute

    def full(self: Run, statement: str) -> None:
        if statement.startswith("CREATE INDEX"):
            tried.append(self.machine.vcores)
            if len(tried) == 1:
                raise pg.DiskFull("could not resize shared memory segment to 67 MB: No space left")
        execute(self, statement)

    monkeypatch.setattr(Run, "_execute", full)
    events, said = build(live, desired, Machine(vcores=2))
    assert tried == [2, 1]
    waiting = [event.text for event in events if event.kind == "waiting"]
    assert waiting[0].endswith("No space left; building on one core")
    assert not [text for text in said if text.startswith("using")]


TIMEOUTS = (
    "statement_timeout",
    "transaction_timeout",
    "idle_session_timeout",
    "idle_in_transaction_session_timeout",
    "lock_timeout",
)


def test_the_time_outs_of_queries_are_not_those_of_a_build(live: Live) -> None:
    desired, database = filled(live), live.endpoint.database
    live.sql(*(f"ALTER DATABASE {database} SET {name} = '200ms'" for name in TIMEOUTS))
    with open_run(live.endpoint) as run:
        row = run.session.execute("SHOW transaction_timeout").fetchone()
        assert row == ("0",)
        time.sleep(0.4)
        run.to(desired)
    live.sql(*(f"ALTER DATABASE {database} RESET {name}" for name in TIMEOUTS))
    assert inspect(live.endpoint, desired).tables["zep_memory_vectors"].indexes[INDEX].usable


def test_a_server_that_takes_no_writes_says_why_it_may_be(live: Live) -> None:
    """What a Flexible Server does when its storage is nearly full."""
    desired, database = filled(live), live.endpoint.database
    live.sql(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    with pytest.raises(StepFailed, match=r"read-only transaction .*storage is nearly full"):
        apply(live.endpoint, desired)
    live.sql(
        "SET default_transaction_read_only = off",
        f"ALTER DATABASE {database} RESET default_transaction_read_only",
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (pg.DiskFull("could not extend file: No space left on device"), "No space left on device"),
        (pg.QueryCanceled("canceling statement due to user request"), "user request"),
    ],
)
def test_any_other_failure_of_a_build_ends_the_run(
    live: Live, monkeypatch: pytest.MonkeyPatch, error: psycopg.Error, message: str
) -> None:
    desired, execute = filled(live), Run._execute

    def fails(self: Run, statement: str) -> None:
        if statement.startswith("CREATE INDEX"):
            raise error
        execute(self, statement)

    monkeypatch.setattr(Run, "_execute", fails)
    with pytest.raises(StepFailed, match=rf"CREATE INDEX CONCURRENTLY .*: .*{message}"):
        apply(live.endpoint, desired, passwords=PASSWORDS)


def test_a_table_that_somebody_dropped_meanwhile_is_made_again(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    desired, execute = filled(live), Run._execute
    dropped: list[str] = []

    def late(self: Run, statement: str) -> None:
        if statement.startswith("CREATE INDEX") and not dropped:
            dropped.append(statement)
            live.owner(f"DROP TABLE {TABLE}")
        execute(self, statement)

    monkeypatch.setattr(Run, "_execute", late)
    apply(live.endpoint, desired, passwords=PASSWORDS)
    assert dropped
    assert inspect(live.endpoint, desired).tables["zep_memory_vectors"].indexes[INDEX].usable
