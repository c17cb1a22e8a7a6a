"""A run may be killed at any point; the next one ends where the first would have."""

import os
import signal
import subprocess
import sys

import pytest

from memory.schema.model import DesiredSchema, Hnsw
from memory.schema.runner import apply, inspect
from memory.schema.target import expected, managed
from tests.memory.conftest import PASSWORDS, Live

TABLE = "memory.zep_memory_vectors"
ROWS = 1500
FILL = """
INSERT INTO memory.zep_memory_vectors (session_id, content, embedding)
SELECT n % 10, n, (SELECT array_agg(sin(n * k)) FROM generate_series(1, 256) k)::public.vector
FROM generate_series(1, 1500) n
"""


def killed(live: Live, desired: DesiredSchema, event: int, delay: float = 0) -> None:
    """Run the engine in a process that kills itself at this event."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.memory.killed", str(event), str(delay)],
        input=desired.model_dump_json(),
        env={**os.environ, **live.server.environment(live.endpoint.database)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def assert_healed(live: Live, desired: DesiredSchema, rows: int) -> None:
    apply(live.endpoint, desired, passwords=PASSWORDS)
    catalog = inspect(live.endpoint, desired, PASSWORDS)
    assert managed(catalog, desired) == expected(desired)
    names = {"embedding_idx", "session_id_idx", "created_at_idx", "pkey"}
    assert {*catalog.tables["zep_memory_vectors"].indexes} == {
        f"zep_memory_vectors_{name}" for name in names
    }
    assert live.owner("SELECT count(*) FROM memory.zep_memory_vectors") == [(rows,)]


def prepared(live: Live) -> DesiredSchema:
    """A filled table, and the wish for another graph on it."""
    first = live.schema(dimensions=256, index=Hnsw(column="embedding", m=8, ef_construction=32))
    apply(live.endpoint, first, passwords=PASSWORDS)
    live.owner(FILL)
    return live.schema(dimensions=256, index=Hnsw(column="embedding", m=16, ef_construction=800))


@pytest.mark.parametrize("event", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_first_apply_heals(live: Live, event: int) -> None:
    desired = live.schema()
    killed(live, desired, event)
    assert_healed(live, desired, rows=0)


@pytest.mark.slow
@pytest.mark.parametrize("event", range(8))
def test_replacement_heals_at_every_boundary(live: Live, event: int) -> None:
    """Events: begin and end of the build, the probe, the swap and the drop."""
    desired = prepared(live)
    killed(live, desired, event)
    assert_healed(live, desired, ROWS)


@pytest.mark.parametrize(
    "delay", [0.3, *(pytest.param(delay, marks=pytest.mark.slow) for delay in (0.05, 0.6))]
)
def test_replacement_heals_in_the_middle_of_a_build(live: Live, delay: float) -> None:
    desired = prepared(live)
    killed(live, desired, 0, delay)
    left = live.sql("SELECT relname FROM pg_class WHERE relname LIKE '%\\_new'")
    assert left == [("zep_memory_vectors_embedding_idx_new",)]
    assert_healed(live, desired, ROWS)


@pytest.mark.parametrize(
    "suffix", ["", *(pytest.param(suffix, marks=pytest.mark.slow) for suffix in ("_new", "_old"))]
)
def test_an_invalid_leftover_is_dropped_and_rebuilt(live: Live, suffix: str) -> None:
    """A unique build fails on equal rows, and leaves what an interrupted one leaves."""
    desired = prepared(live)
    name = f"zep_memory_vectors_session_id_idx{suffix}"
    if not suffix:
        live.owner(f"DROP INDEX memory.{name}")
    with pytest.raises(Exception, match="could not create unique index"):
        live.owner(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {TABLE} (session_id)")
    assert_healed(live, desired, ROWS)


def test_a_finished_build_is_taken_over_and_the_old_index_answers_until_then(live: Live) -> None:
    desired = prepared(live)
    killed(live, desired, 1)
    catalog = inspect(live.endpoint, desired)
    indexes = catalog.tables["zep_memory_vectors"].indexes
    assert indexes["zep_memory_vectors_embedding_idx"].options["m"] == "8"
    assert indexes["zep_memory_vectors_embedding_idx_new"].usable
    ran = apply(live.endpoint, desired, passwords=PASSWORDS).plan.steps
    assert not [step.sql for step in ran if step.sql.startswith("CREATE INDEX")]
    assert_healed(live, desired, ROWS)
