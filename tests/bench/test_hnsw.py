"""Contenders build the same index, and what is told of a build is what happened."""

import time
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import pytest

from bench import hnsw, hnsw_usage
from bench.errors import BenchError
from bench.figures import Spread
from bench.hnsw import (
    DEFAULTS,
    ENGINE,
    TUNED,
    TUNED_CONCURRENTLY,
    Build,
    Tuning,
    Yard,
    build_study,
    create_index,
    script,
    tuning_study,
    type_row,
)
from bench.hnsw_table import Memories
from bench.hnsw_usage import Usage
from bench.search import ask
from bench.server import Server
from memory.schema.steps import Cost
from tests.bench.memories import CORPUS, ROWS, memories, questions, server

__all__ = ["memories", "server"]

WAYS = {
    DEFAULTS: None,
    "serial": Tuning(workers=0, memory_mib=32),
    "parallel": Tuning(workers=1, memory_mib=64),
    "of the table": Tuning(workers=1, memory_mib=64, of_the_table=True),
    "concurrently": Tuning(workers=1, memory_mib=64, concurrently=True),
}


@pytest.fixture
def yard(memories: Memories) -> Yard:
    return Yard(memories=memories, rows=ROWS)


def silent(_: str) -> None:
    """Announce nothing."""


def shown(server: Server, query: str, *parameters: object) -> Any:
    """The one value of a query, as the service itself sees it."""
    with server.process.superuser("memory") as session:
        row = session.execute(query.encode(), parameters).fetchone()
    return row[0] if row else None


@pytest.mark.usefixtures("memories")
def test_the_server_is_as_azure_sets_one_up(server: Server) -> None:
    assert shown(server, "SHOW shared_buffers") == "2GB"
    assert shown(server, "SHOW maintenance_work_mem") == "211MB"
    assert shown(server, "SHOW max_parallel_maintenance_workers") == "2"


@pytest.mark.usefixtures("memories")
def test_rows_are_those_of_the_corpus(server: Server) -> None:
    counted = "SELECT count(*) FROM memory.zep_memory_vectors"
    assert shown(server, counted) == ROWS
    chunk = next(CORPUS.chunks(3))
    stored = shown(
        server,
        "SELECT array_agg(embedding::real[] ORDER BY id) FROM memory.zep_memory_vectors"
        " WHERE id < %s",
        UUID(int=3),
    )
    assert stored == [pytest.approx(vector.tolist(), abs=1e-6) for vector in chunk.vectors]


@pytest.mark.parametrize("share", [None, 0.1])
def test_an_exact_search_has_full_recall(memories: Memories, share: float | None) -> None:
    exact = {"enable_indexscan": "off", "enable_bitmapscan": "off"}
    answers = ask(memories, questions(20, share), exact)
    assert answers.recall == 1
    assert answers.returned == 10
    assert (answers.indexes, answers.plan) == ({}, "no index")


@pytest.mark.parametrize("way", WAYS)
def test_every_way_builds_the_index_that_the_engine_wants(
    yard: Yard, server: Server, way: str
) -> None:
    tuning = WAYS[way]
    plain = script(yard.memories, [create_index(yard.memories)])
    yard.race("one", [yard.psql(way, tuning.script(yard.memories) if tuning else plain)], 1, silent)
    before = shown(server, "SELECT %s::regclass::oid", yard.memories.index_relation)
    yard.memories.apply()
    after = shown(server, "SELECT %s::regclass::oid", yard.memories.index_relation)
    assert after == before, "the engine had nothing to build"
    options = "SELECT reloptions::text FROM pg_class WHERE oid = %s::regclass"
    assert shown(server, options, yard.memories.index_relation) == "{m=16,ef_construction=64}"
    assert "parallel_workers" not in shown(server, options, yard.memories.relation)


def test_a_graph_that_does_not_fit_is_noticed(yard: Yard) -> None:
    tight = Tuning(workers=0, memory_mib=1).script(yard.memories)
    wide = Tuning(workers=0, memory_mib=32).script(yard.memories)
    yard.race("spill", [yard.psql("wide", wide), yard.psql("tight", tight)], 1, silent)
    assert list(yard.builds) == ["tight", "wide"], "what the first one said is in the log"
    spilled = yard.builds["tight"][0].spilled_after
    assert spilled is not None
    assert 0 < spilled < ROWS
    assert yard.builds["wide"][0].spilled_after is None
    assert [yard.row(name)[4] for name in ("tight", "wide")] == [f"no, {spilled:,} rows", "yes"]


def test_a_build_that_takes_too_long_is_ended_and_said_so(yard: Yard) -> None:
    hasty = f"SET ROLE {yard.memories.desired.owner}; SET statement_timeout = 1;"
    yard.race("late", [yard.psql("late", f"{hasty} {create_index(yard.memories)};")], 1, silent)
    assert yard.builds["late"][0].ended
    assert str(yard.row("late")[1]).startswith("more than ")


def test_a_build_that_fails_is_no_measurement(yard: Yard) -> None:
    with pytest.raises(BenchError, match=r"column .* does not exist"):
        yard.race("wrong", [yard.psql("wrong", "SELECT nothing_there;")], 1, silent)
    assert yard.builds == {}


def test_memory_that_a_parallel_build_reserves_is_seen(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hnsw_usage, "POLL_SECONDS", 0.002)
    parallel = Tuning(workers=1, memory_mib=96).script(yard.memories)
    yard.race("memory", [yard.psql("parallel", parallel)], 1, silent)
    assert 90 < yard.builds["parallel"][0].peak_mib < 140


def test_memory_of_before_does_not_count(server: Server) -> None:
    with Usage(server.process.data) as usage:
        pass
    assert usage.peak_mib == 0
    assert usage.cpu_seconds < 0.1


@pytest.mark.usefixtures("memories")
def test_time_of_a_session_that_has_ended_counts(server: Server) -> None:
    with Usage(server.process.data) as usage:
        server.psql("SELECT count(*) FROM generate_series(1, 4000000);")
        time.sleep(0.3)  # its process is gone, and no longer a child
    assert usage.cpu_seconds > 0.1


def test_the_engine_is_judged_against_defaults_and_hand(yard: Yard) -> None:
    study = build_study(yard, Tuning(workers=0, memory_mib=1), 1, silent)
    assert [row[0] for row in study.rows] == [DEFAULTS, TUNED, TUNED_CONCURRENTLY, ENGINE]
    assert all(str(row[-1]).endswith("of it") for row in study.rows[:3])
    assert [note.split(":")[0] for note in study.notes[1:]] == ["goal", "goal", "estimate"]
    assert type_row(yard, questions(20))[-1] == pytest.approx(1, abs=0.02)


def test_the_fastest_tuning_is_chosen(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(self: Yard, name: str, _: object) -> None:
        self.builds[name] = [built(3 if name.startswith("2 workers") else 9)]

    monkeypatch.setattr(Yard, "_watched", build)
    monkeypatch.setattr(hnsw, "cores", lambda: 2)
    best, study = tuning_study(yard, 1, silent)
    assert (best.workers, best.of_the_table) == (2, False)
    assert len(study.rows) == 6
    assert "the fastest, 2 workers" in study.notes[0]
    # 32 MiB for each process: with less, PostgreSQL quietly gives a build no worker.
    assert all(int(str(row[0]).split()[2]) >= 32 * 4 for row in study.rows)


def built(seconds: float, spilled_after: int | None = None) -> Build:
    return Build(
        seconds=seconds,
        cpu_seconds=50,
        peak_mib=1,
        index_mib=1,
        spilled_after=spilled_after,
        ended=False,
    )


def test_ratios_are_formed_round_by_round() -> None:
    yard = Yard(memories=cast(Memories, None), rows=1)
    yard.builds = {"base": [built(10), built(100)], "own": [built(5), built(20)]}
    assert yard.ratio("own", "base") == Spread(median=0.35, lowest=0.2, highest=0.5)


@pytest.mark.parametrize(("ratio", "word"), [(1.05, "met"), (1.06, "missed")])
def test_a_goal_is_met_or_missed(ratio: float, word: str) -> None:
    spread = Spread(median=ratio, lowest=ratio, highest=ratio)
    yard = Yard(memories=cast(Memories, None), rows=1)
    yard.builds = {name: [built(1)] for name in (DEFAULTS, TUNED_CONCURRENTLY, ENGINE)}
    _, verdict = hnsw._verdicts(yard, {DEFAULTS: spread, TUNED_CONCURRENTLY: spread})
    assert verdict == (
        f"goal: at most 1.05 x {TUNED_CONCURRENTLY}: {word}, {ratio:.2f};"
        " of its processor time 1.00"
    )


def test_the_estimate_is_held_against_what_was_seen(
    yard: Yard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hnsw, "cores", lambda: 2)
    yard.builds = {ENGINE: [built(30)], DEFAULTS: [built(90, spilled_after=100_000)]}
    yard.rows = 200_000
    minutes, memory = hnsw._judged(yard, Cost(minutes=1, memory_mib=500))
    assert minutes.endswith(
        "60 s on one core; measured: 30 s, in which the server's 2 processes used 50 s"
    )
    assert "500 MiB; measured: 2,212 B a row" in memory
    assert memory.endswith("so 422 MiB")


def test_sizes_are_those_of_the_whole_table(server: Server, memories: Memories) -> None:
    assert memories.mebibytes(memories.relation) > ROWS * CORPUS.dimensions * 4 / 2**20
    assert Path(server.process.data, "postmaster.pid").exists()
