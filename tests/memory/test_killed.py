"""A run may be killed at any point; the next one ends where the first would have.

Every point has a name of its own and can be replayed alone: the scenario, the statement (before it
is sent, or while the server works on it, a moment that the seed chooses), or the moment of a build.
The databases of a scenario are copies of one that was prepared once.

How many points of a scenario are tried is told by ``ENGRAM_KILLS``: twice as many, by seed, and
with 50 all of them; one that failed there is replayed with the same number.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import psycopg
import pytest

from memory.schema.model import DesiredSchema, Hnsw, memory_schema
from memory.schema.runner import apply, inspect
from memory.schema.target import expected, managed
from tests.memory.conftest import PASSWORDS, Live, renamed
from tests.memory.operations.crashes import JOB_KILLS
from tests.memory.rows import INDEX, SUMS, TABLE, filling, sums

INDEXES = (
    "embedding_idx",
    "session_id_idx",
    "user_id_idx",
    "created_at_idx",
    "blind_index_idx",
    "pkey",
)
ROWS = 600
BROKEN = "SELECT count(*) FROM pg_index WHERE NOT indisvalid OR NOT indisready OR NOT indislive"
OLD = Hnsw(column="embedding", m=8, ef_construction=16)
NEW = Hnsw(column="embedding", m=16, ef_construction=32)
SLOW = Hnsw(column="embedding", m=50, ef_construction=1000)
"""On these few rows it takes about a second."""
BUILD_SECONDS = 1.2
BUILDS = min(24, 2 * JOB_KILLS)
"""Kills in the middle of a build of ``SLOW``."""


@dataclass(frozen=True)
class Scenario:
    """What stands before the run that is killed, and how many statements that run sends."""

    statements: int
    damage: tuple[str, ...] = ()
    wanted: Hnsw = OLD
    filled: bool = True


def unique_fails(name: str) -> str:
    """A unique build over equal rows leaves what an interrupted build leaves."""
    return f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {TABLE} (session_id)"


SCENARIOS = {
    "first apply": Scenario(7, filled=False),
    "drift": Scenario(
        11,
        damage=(
            f"ALTER TABLE {TABLE} ALTER content DROP NOT NULL",
            f"ALTER TABLE {TABLE} ALTER created_at DROP DEFAULT",
            f"ALTER TABLE {TABLE} RESET (autovacuum_vacuum_scale_factor)",
            f"GRANT SELECT ON {TABLE} TO PUBLIC",
        ),
    ),
    "replacement": Scenario(23, wanted=NEW),
    "leftovers": Scenario(
        27,
        damage=(
            "DROP INDEX memory.zep_memory_vectors_session_id_idx",
            unique_fails("zep_memory_vectors_session_id_idx"),
            unique_fails(f"{INDEX}_old"),
            f"CREATE INDEX {INDEX}_new ON {TABLE} USING hnsw"
            " (embedding public.vector_cosine_ops) WITH (m = 16, ef_construction = 32)",
        ),
        wanted=NEW,
    ),
}


@dataclass(frozen=True)
class Point:
    """One kill: before a statement is sent, or while the server works on it."""

    scenario: str
    statement: int
    during: bool

    def __str__(self) -> str:
        return f"{self.scenario}-{'during' if self.during else 'before'}-{self.statement}"

    @property
    def marks(self) -> tuple[pytest.MarkDecorator, ...]:
        """One of each scenario is quick enough for every day."""
        middle = SCENARIOS[self.scenario].statements // 2
        return () if self.during and self.statement == middle else (pytest.mark.slow,)


POINTS = [
    Point(name, statement, during)
    for name, scenario in SCENARIOS.items()
    for statement in range(scenario.statements)
    for during in (False, True)
]


def sample(points: list[Point]) -> list[Point]:
    """Return the quick one of each scenario, and as many others as are asked for."""
    chosen = [point for point in points if not point.marks]
    for name in SCENARIOS:
        others = [point for point in points if point.scenario == name and point.marks]
        dice = random.Random(name)  # noqa: S311 - the same points in each run
        chosen += dice.sample(others, min(len(others), 2 * JOB_KILLS - 1))
    return chosen


class Killer:
    """A process that forks runs and kills them, as asked."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.memory.killed"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, live: Live, desired: DesiredSchema, **point: Any) -> tuple[int, int]:
        """Return the status of a run that was killed at this point, and its statements."""
        assert self._process.stdin
        assert self._process.stdout
        keys = {k: v for k, v in os.environ.items() if k.startswith("PG")}
        environment = {**keys, **live.server.environment(live.endpoint.database)}
        request = {"desired": desired.model_dump(mode="json"), "environment": environment, **point}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["status"], answer["statements"]

    def close(self) -> None:
        """Let it end; it has read the last request."""
        self._process.communicate(timeout=10)


@pytest.fixture(scope="module")
def killer() -> Iterator[Killer]:
    killer = Killer()
    yield killer
    killer.close()


class Stage:
    """Databases as a scenario finds them: copies of one that was prepared, with its roles."""

    def __init__(self) -> None:
        self._prefix = f"killed_{os.getpid()}"
        self._prepared: dict[tuple[str, ...], str] = {}

    def wish(self, index: Hnsw) -> DesiredSchema:
        return renamed(memory_schema(dimensions=64, index=index), self._prefix)

    def set(self, live: Live, damage: tuple[str, ...]) -> None:
        """Put a copy in the place of the empty database."""
        if damage not in self._prepared:
            self._prepared[damage] = self._prepare(live, damage)
        copy = live.endpoint.database
        with psycopg.connect(live.server.dsn("postgres"), autocommit=True) as db:
            db.execute(f"DROP DATABASE {copy} WITH (FORCE)")
            db.execute(f"CREATE DATABASE {copy} TEMPLATE {self._prepared[damage]}")

    def _prepare(self, live: Live, damage: tuple[str, ...]) -> str:
        name = f"{self._prefix}_{len(self._prepared)}"
        live.sql(f"CREATE DATABASE {name}")
        there = replace(live, endpoint=replace(live.endpoint, database=name))
        desired = self.wish(OLD)
        apply(there.endpoint, desired, passwords=PASSWORDS)
        for statement in (filling(ROWS, 64), f"ANALYZE {TABLE}", *damage):
            with suppress(psycopg.errors.UniqueViolation):
                there.sql(statement, role=desired.owner)
        return name


@pytest.fixture(scope="module")
def stage() -> Stage:
    return Stage()


def set_up(live: Live, stage: Stage, scenario: Scenario) -> DesiredSchema:
    if not scenario.filled:
        return live.schema()
    stage.set(live, scenario.damage)
    return stage.wish(scenario.wanted)


def assert_healed(live: Live, desired: DesiredSchema, *, filled: bool = True) -> None:
    apply(live.endpoint, desired, passwords=PASSWORDS)
    catalog = inspect(live.endpoint, desired, PASSWORDS)
    assert managed(catalog, desired) == expected(desired)
    indexes = {f"zep_memory_vectors_{name}" for name in INDEXES}
    assert {*catalog.tables["zep_memory_vectors"].indexes} == indexes
    assert live.sql(BROKEN) == [(0,)]
    assert live.sql(SUMS, role=desired.owner) == sums(ROWS if filled else 0)


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_statement_of_a_scenario_is_a_point(
    live: Live, stage: Stage, killer: Killer, name: str
) -> None:
    scenario = SCENARIOS[name]
    desired = set_up(live, stage, scenario)
    assert killer.run(live, desired) == (0, scenario.statements)
    assert_healed(live, desired, filled=scenario.filled)


@pytest.mark.parametrize(
    "point", [pytest.param(point, id=str(point), marks=point.marks) for point in sample(POINTS)]
)
def test_heals_after_a_kill_at_a_statement(
    live: Live, stage: Stage, killer: Killer, point: Point
) -> None:
    scenario = SCENARIOS[point.scenario]
    desired = set_up(live, stage, scenario)
    chosen = {"statement": point.statement, "during": point.during, "seed": point.statement}
    status, _ = killer.run(live, desired, **chosen)
    assert status == -signal.SIGKILL
    assert_healed(live, desired, filled=scenario.filled)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, BUILDS))]
)
def test_heals_after_a_kill_in_the_middle_of_a_build(
    live: Live, stage: Stage, killer: Killer, seed: int
) -> None:
    """The old index answers until the end, and whatever was built is not lost."""
    stage.set(live, ())
    desired = stage.wish(SLOW)
    delay = random.Random(seed).uniform(0, BUILD_SECONDS)  # noqa: S311 - to be repeated, not to be secret
    status, _ = killer.run(live, desired, delay=delay)
    assert status == -signal.SIGKILL
    left = inspect(live.endpoint, desired).tables["zep_memory_vectors"].indexes
    assert left[INDEX].options["m"] == str(OLD.m)
    assert left[INDEX].usable
    assert_healed(live, desired)


def test_a_finished_build_is_taken_over(live: Live, stage: Stage, killer: Killer) -> None:
    stage.set(live, ())
    desired = stage.wish(NEW)
    killer.run(live, desired, built=True)
    ran = apply(live.endpoint, desired, passwords=PASSWORDS).plan.steps
    assert not [step.sql for step in ran if step.sql.startswith("CREATE INDEX")]
    assert_healed(live, desired)
