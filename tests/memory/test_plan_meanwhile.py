"""What happens between the look at a database and the steps, or beside them, and who stops."""

import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from memory.schema.catalog import SNAPSHOT, from_plain, snapshot_parameters
from memory.schema.errors import PlanRefused, StepFailed
from memory.schema.model import Hnsw
from memory.schema.plan import plan
from memory.schema.runner import apply, inspect, open_run
from tests.memory.conftest import PASSWORDS, Live
from tests.memory.states import ANN, NAME
from tests.memory.test_catalog import INSERT, TABLE, made, repaired


@pytest.mark.parametrize(
    ("harm", "choices"),
    [
        (f"ALTER TABLE {TABLE} ADD extra int", {"column_type": "halfvec"}),
        (f"ALTER TABLE {TABLE} DROP id, ADD extra int", {}),
        (f"ALTER TABLE {TABLE} SET UNLOGGED", {}),
    ],
)
def test_a_row_that_comes_in_between_stops_the_change_and_is_kept(
    live: Live, harm: str, choices: dict[str, Any]
) -> None:
    made(live)
    live.owner(harm)
    desired = live.schema(**choices)
    todo = plan(inspect(live.endpoint, desired), desired)
    live.owner(INSERT)
    with (
        open_run(live.endpoint) as run,
        pytest.raises(StepFailed, match=r"has rows.* now, and stays as it is"),
    ):
        run.execute(todo)
    assert live.owner(f"TABLE {TABLE}") != []
    table = inspect(live.endpoint, desired).tables[NAME]
    assert table.columns["embedding"].type == "vector(1536)"
    assert table.unlogged == ("UNLOGGED" in harm)
    assert ("id" in table.columns) == ("DROP" not in harm)


def test_a_child_table_that_comes_in_between_stops_the_change(live: Live) -> None:
    made(live)
    desired = live.schema(column_type="halfvec")
    todo = plan(inspect(live.endpoint, desired), desired)
    live.owner(f"CREATE TABLE memory.archive () INHERITS ({TABLE})")
    with (
        open_run(live.endpoint) as run,
        pytest.raises(StepFailed, match="has rows or a child table now"),
    ):
        run.execute(todo)


def test_an_index_that_is_not_finished_does_not_take_the_name(live: Live) -> None:
    made(live)
    desired = live.schema(index=Hnsw(column="embedding", m=8))
    todo = plan(inspect(live.endpoint, desired), desired)
    live.owner(f"CREATE INDEX {ANN}_new ON {TABLE} USING hnsw (embedding public.vector_cosine_ops)")
    spoil(live, f"{ANN}_new")
    with (
        open_run(live.endpoint) as run,
        pytest.raises(StepFailed, match=f"{ANN}_new is not finished, and {ANN} stays"),
    ):
        run.execute(step for step in todo.steps if step.batch)
    assert inspect(live.endpoint, desired).tables[NAME].indexes[ANN].usable


REINDEX = f"REINDEX INDEX CONCURRENTLY memory.{ANN}"


def test_an_index_that_is_made_anew_by_others_is_left_to_them(live: Live) -> None:
    """Also where this session may not see what that process does."""
    desired = made(live)
    reader = desired.role("reader").name
    dsn = live.server.dsn(live.endpoint.database)
    spoil(live, ANN)
    password = PASSWORDS["reader"]
    with (
        psycopg.connect(dsn) as writer,
        psycopg.connect(dsn, user=reader, password=password, autocommit=True) as looker,
    ):
        writer.execute(f"SET ROLE {desired.owner}")
        writer.execute(f"LOCK TABLE {TABLE} IN ROW EXCLUSIVE MODE")
        others = threading.Thread(target=live.owner, args=(REINDEX,))
        others.start()
        wait_for(
            lambda: live.sql("SELECT 1 FROM pg_stat_progress_create_index WHERE phase LIKE 'wait%'")
        )
        with pytest.raises(PlanRefused, match=r"process \d+.*wait for it"):
            apply(live.endpoint, desired)
        row = looker.execute(SNAPSHOT, snapshot_parameters(desired)).fetchone()
        assert row is not None
        assert from_plain(row[0]).tables[NAME].builder is not None
        writer.rollback()
        others.join()
    assert repaired(live, desired) == []


def spoil(live: Live, index: str) -> None:
    """Leave it as an interrupted build does."""
    with live.server.server.superuser(live.endpoint.database) as session:
        session.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(%s)",
            (f"memory.{index}",),
        )


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_table_that_nobody_declared_may_be_locked(live: Live) -> None:
    desired = made(live)
    live.owner("CREATE TABLE memory.other (id int PRIMARY KEY DEFAULT 7 CHECK (id > 0))")
    dsn = live.server.dsn(live.endpoint.database)
    with psycopg.connect(dsn) as holder, psycopg.connect(dsn) as looker:
        holder.execute(f"SET ROLE {desired.owner}")
        holder.execute("LOCK TABLE memory.other")
        looker.execute("SET lock_timeout = '1s'")
        row = looker.execute(SNAPSHOT, snapshot_parameters(desired)).fetchone()
    assert row is not None
    assert "other" in from_plain(row[0]).tables
