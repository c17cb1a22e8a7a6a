"""The judge sees each kind of wrongness, the words fit, and ours ends right in a quick run."""

import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from bench.errors import BenchError
from bench.peers import pgbouncer
from bench.peers.child import Child, Ended, wait_until
from bench.peers.judge import IndexSeen, Seen, Session
from bench.peers.outcome import MEANING, Outcome, Verdict, outcome, shortened
from bench.peers.scenarios import SCENARIOS, Stage, leaked, longest_gap, longest_read
from bench.peers.study import ends, server
from bench.peers.tools.engine import Engine
from bench.peers.tools.tool import FILES, Address, Command, sql_of
from bench.peers.wanted import ANN_INDEX, RELATION, WANTED, Release
from bench.place import temporary_place
from tests.postgres import PostgresServer, database, fleet, postgres_server

__all__ = ["database", "fleet", "postgres_server"]

WITH_ROWS = replace(WANTED[Release.INDEX], rows=3)
HNSW = f"CREATE INDEX {ANN_INDEX} ON {RELATION} USING hnsw"
ROWS = """
INSERT INTO memory.zep_memory_vectors (session_id, content, embedding)
SELECT 's', 'c', array_fill(i::real, ARRAY[256])::vector FROM generate_series(1, 3) i
"""


@dataclass(frozen=True)
class Table:
    """The wanted table with three rows, and somebody who may do anything to it."""

    session: Session
    dsn: str

    def after(self, *damage: str) -> Seen:
        for statement in damage:
            self.session.execute(statement.encode())
        return Seen.of(self.session)


@pytest.fixture
def table(postgres_server: PostgresServer, database: str) -> Iterator[Table]:
    dsn = postgres_server.dsn(database)
    with psycopg.connect(dsn, autocommit=True) as session:
        for migration in FILES[Release.INDEX]:
            text = "\n".join(
                line for line in sql_of(migration).splitlines() if not line.startswith("--")
            )
            for statement in filter(str.strip, text.split(";")):
                session.execute(statement.encode())
        session.execute(ROWS)
        yield Table(session, dsn)


DAMAGES: dict[str, tuple[list[str], list[str]]] = {
    "nothing": ([], []),
    "table dropped": ([f"DROP TABLE {RELATION}"], ["there is no table"]),
    "index dropped": ([f"DROP INDEX memory.{ANN_INDEX}"], [f"index {ANN_INDEX} missing"]),
    "another m": (
        [f"DROP INDEX memory.{ANN_INDEX}", f"{HNSW} (embedding vector_cosine_ops) WITH (m = 8)"],
        [f"index {ANN_INDEX} has hnsw embedding vector_cosine_ops m=8"],
    ),
    "another distance": (
        [
            f"DROP INDEX memory.{ANN_INDEX}",
            f"{HNSW} (embedding vector_l2_ops) WITH (m = 16, ef_construction = 64)",
        ],
        [f"index {ANN_INDEX} has hnsw embedding vector_l2_ops ef_construction=64 m=16"],
    ),
    "a part of the rows": (
        [
            f"DROP INDEX memory.{ANN_INDEX}",
            f"{HNSW} (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)"
            " WHERE content <> ''",
        ],
        [f"index {ANN_INDEX} has hnsw embedding vector_cosine_ops ef_construction=64 m=16 partial"],
    ),
    "another method": (
        [
            f"DROP INDEX memory.{ANN_INDEX}",
            f"CREATE INDEX {ANN_INDEX} ON {RELATION} USING ivfflat (embedding vector_cosine_ops)"
            " WITH (lists = 1)",
        ],
        [f"index {ANN_INDEX} has ivfflat embedding vector_cosine_ops lists=1"],
    ),
    "an index more": (
        [f"CREATE INDEX left_over ON {RELATION} (content)"],
        ["index left_over not wanted"],
    ),
    "another dimension": (
        [
            f"DROP INDEX memory.{ANN_INDEX}",
            "UPDATE memory.zep_memory_vectors SET embedding = NULL",
            f"ALTER TABLE {RELATION} ALTER embedding TYPE vector(384)",
            f"{HNSW} (embedding vector_cosine_ops) WITH (m = 16, ef_construction = 64)",
        ],
        ["column embedding is vector(384)"],
    ),
    "nulls allowed": (
        [f"ALTER TABLE {RELATION} ALTER content DROP NOT NULL"],
        ["column content is text"],
    ),
    "no default": (
        [f"ALTER TABLE {RELATION} ALTER created_at DROP DEFAULT"],
        ["column created_at is timestamp with time zone"],
    ),
    "column dropped": (
        [f"ALTER TABLE {RELATION} DROP metadata"],
        ["column metadata missing"],
    ),
    "a column more": (
        [f"ALTER TABLE {RELATION} ADD source text"],
        ["column source not wanted"],
    ),
    "option changed": (
        [f"ALTER TABLE {RELATION} SET (autovacuum_vacuum_scale_factor = 0.5)"],
        ["option autovacuum_vacuum_scale_factor is 0.5"],
    ),
    "option reset": (
        [f"ALTER TABLE {RELATION} RESET (autovacuum_vacuum_cost_delay)"],
        ["option autovacuum_vacuum_cost_delay missing"],
    ),
    "a row lost": (
        [
            "DELETE FROM memory.zep_memory_vectors WHERE vector_norm(embedding) < 17",
        ],
        ["2 rows instead of 3"],
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_judge_sees(table: Table, damage: str) -> None:
    statements, faults = DAMAGES[damage]
    assert table.after(*statements).faults(WITH_ROWS) == faults


def test_the_judge_sees_an_index_that_an_interrupted_build_left(table: Table) -> None:
    with psycopg.connect(table.dsn) as writer:
        table.session.execute(f"DROP INDEX memory.{ANN_INDEX}")
        writer.execute(f"LOCK TABLE {RELATION} IN ROW EXCLUSIVE MODE")
        table.session.execute("SET statement_timeout = 100")
        with suppress(psycopg.errors.QueryCanceled):
            build = HNSW.replace("INDEX", "INDEX CONCURRENTLY", 1)
            table.session.execute(f"{build} (embedding vector_cosine_ops)".encode())
    assert table.after().faults(WITH_ROWS) == [f"index {ANN_INDEX} INVALID"]


@pytest.mark.parametrize(
    "change",
    [
        f"REINDEX INDEX memory.{ANN_INDEX}",
        "UPDATE memory.zep_memory_vectors SET content = 'another'",
        f"ALTER TABLE {RELATION} SET (fillfactor = 90)",
    ],
)
def test_untouched_means_that_nothing_was_built_or_written(table: Table, change: str) -> None:
    before = table.after()
    assert table.after() == before
    assert table.after(change) != before


OLD = Seen(columns={}, indexes={}, options={})
RIGHT = Seen(
    storage=1,
    columns=WITH_ROWS.columns,
    indexes={
        name: IndexSeen(definition=index, usable=True, partial=False, storage=1)
        for name, index in WITH_ROWS.indexes.items()
    },
    options=WITH_ROWS.options,
    rows=3,
)
WRONG = replace(RIGHT, rows=2)


def ended(exit_code: int | None, output: str = "", waited_for: str = "") -> Ended:
    return Ended(exit_code=exit_code, output=output, seconds=1, waited_for=waited_for)


@pytest.mark.parametrize(
    ("runs", "after", "verdict", "detail"),
    [
        ([ended(0)], RIGHT, Verdict.RIGHT, ""),
        ([ended(0)], OLD, Verdict.SILENT, "there is no table"),
        ([ended(0)], WRONG, Verdict.SILENT, "2 rows instead of 3"),
        ([ended(1, "Error: no")], OLD, Verdict.REFUSES, "Error: no"),
        ([ended(1)], WRONG, Verdict.HALF_WAY, "2 rows instead of 3 (exit code 1, and no word)"),
        ([ended(0), ended(1, "ERROR: deadlock")], RIGHT, Verdict.FALSE_ALARM, "deadlock"),
        ([ended(0), ended(None, "", "a lock")], RIGHT, Verdict.HANGS, "a lock"),
    ],
)
def test_what_was_said_beside_what_is_there(
    runs: list[Ended], after: Seen, verdict: Verdict, detail: str
) -> None:
    found = outcome(runs, OLD, after, WITH_ROWS)
    assert (found.verdict, found.detail) == (verdict, detail)
    assert found.right == (verdict is Verdict.RIGHT)


def test_every_word_is_explained_and_fits_a_cell() -> None:
    assert set(MEANING) == set(Verdict)
    assert str(Outcome(verdict=Verdict.RIGHT)) == "✓ right"
    assert str(Outcome(verdict=Verdict.REFUSES, detail="no", counts=True)) == "✓ refuses: no"
    assert str(Outcome(verdict=Verdict.SILENT, detail="a")) == "✗ silently wrong: a"
    assert len(shortened("word " * 100)) == 200


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("one\nsqlalchemy.exc.X: (psycopg.errors.Y) no\npsycopg.errors.Y: no\nmore", "no"),
        ("\x1b[31m[ERROR]\x1b[m failed!\nMessage    : ERROR: expected 384\n", "expected 384"),
        ("Error: executing: pq: relation exists\n", "relation exists"),
        ("planned\nError: cannot\nbye", "Error: cannot"),
        ("\x1b[31mError:\x1b[m cannot\n", "Error: cannot"),
        ("refused: two ways out\n", "refused: two ways out"),
        ("", "exit code 1, and no word"),
    ],
)
def test_the_line_that_says_most(output: str, words: str) -> None:
    assert ended(1, output).last_words == words


def test_a_late_child_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys;"
        "late = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print(late.pid, flush=True); late.wait()"
    )
    child = Child.start([sys.executable, "-c", script], {}, tmp_path)
    while not child.output.seek(0, 2):
        assert child.running
    found = child.ended(0.1, lambda: "its own child")
    assert (found.exit_code, found.waited_for) == (None, "its own child")
    state = Path(f"/proc/{found.output.strip()}/stat")

    def gone() -> bool:
        return not state.exists() or ") Z " in state.read_text(encoding="utf-8")

    assert wait_until(gone, 10)


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Ours on a server of its own, with its table and its index kept."""
    with temporary_place() as paths, server(lambda _: None) as ground:
        ours = Engine("peers")
        ours.make_ready(paths, lambda _: None)
        pooler = pgbouncer.find(paths.service_cache)
        yield Stage(ground=ground, tool=ours, pgbouncer=pooler).set_up()


@pytest.mark.slow
def test_ours_mends_an_option_and_refuses_a_pooler(stage: Stage) -> None:
    assert len(SCENARIOS) == 10
    study = ends([stage], ["ours: this clone"], lambda _: None, ["drifted option", "pooler port"])
    assert study.headers == ("scenario", "ours")
    assert study.rows[0][1] == "✓ right"
    assert "✓ refuses" in str(study.rows[1][1])
    assert study.rows[-1] == ("ends right", "2 of 2")
    assert study.notes[0] == "ours: this clone"


@pytest.mark.slow
def test_what_stays_behind_a_pooler_is_seen(stage: Stage) -> None:
    assert stage.pgbouncer
    ground = stage.ground
    with ground.pooler(stage.pgbouncer) as port:
        assert leaked(ground, port) == []
        with ground.connect(port=port) as client:
            client.execute("SET lock_timeout = '7s'")
            client.execute("SELECT pg_advisory_lock(1)")
        assert leaked(ground, port) == ["an advisory lock", "lock_timeout = 7000"]


@pytest.mark.slow
def test_waits_of_others_and_gaps_are_measured(stage: Stage) -> None:
    ground = stage.ground
    stage.at(Release.INDEX)
    with longest_read(ground) as reads, longest_gap(ground) as gaps, ground.connect() as owner:
        ground.as_owner(owner)
        time.sleep(0.3)
        assert max(gaps) == 0
        with owner.transaction():
            owner.execute(f"LOCK TABLE {RELATION} IN ACCESS EXCLUSIVE MODE")
            time.sleep(0.5)
        owner.execute(f"DROP INDEX memory.{ANN_INDEX}")
        time.sleep(0.5)
    assert max(reads) > 0.4
    assert max(gaps) > 0.3


@pytest.mark.slow
def test_a_tool_that_cannot_set_up_is_named_with_its_words(stage: Stage) -> None:
    class Hopeless(Engine):
        name = "hopeless"

        def upgrade(self, release: Release, address: Address) -> Command:
            words = "import sys; sys.exit('no such server')"
            return Command(arguments=[sys.executable, "-c", words], folder=Path(), environment={})

    with pytest.raises(BenchError, match="hopeless to v1 failed:\nno such server"):
        replace(stage, tool=Hopeless("hopeless")).set_up()
