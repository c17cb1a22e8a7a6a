"""memory/workflows: a rotation on a real Temporal server and a real PostgreSQL."""

import asyncio
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.worker import Replayer

from memory.workflows.rotation import MemoryEncryptionKeyRotationWorkflow as Rotation
from memory.workflows.terms import Pace, Progress, Rotated, RotationOptions
from memory.workflows.worker import WORKFLOWS
from tests.memory.workflows.conftest import ROWS, SECONDS, Crew, Sql

Handle = WorkflowHandle[Rotation, Rotated]
Found = TypeVar("Found")
PACE = Pace(shards=8, batch_rows=1, heartbeat_seconds=2)  # 16 rows a step, 16 steps a shard
QUICK = RotationOptions(pace=PACE, reload_seconds=0.1, grace_hours=0)
SLOW = 0.05
"""Seconds of a step, so that there is a middle in which to be killed."""
DONE_ONCE = [("new", 1, ROWS)]
BY_KEY = "SELECT key_id, written, count(*) FROM rows GROUP BY 1, 2"
STEPS = "SELECT count(*) FROM log WHERE what LIKE 'batch%'"
STEPS_ALONE = 8 * 17
"""Of a rotation that nothing happens to: 250 rows a shard, and a look that finds none."""


async def started(crew: Crew, options: RotationOptions = QUICK) -> Handle:
    client = await Client.connect(crew.address)
    return await client.start_workflow(
        Rotation.run, args=["new", options], id=crew.queue, task_queue=crew.queue
    )


async def until(true: Callable[[], bool]) -> None:
    while not true():
        await asyncio.sleep(0.05)


def within(work: Coroutine[Any, Any, Found]) -> Found:
    """Wait for it, and for no ever; the workers are processes of their own."""
    return asyncio.run(asyncio.wait_for(work, SECONDS))


def in_the_middle(rows: Sql) -> Callable[[], bool]:
    """Whether so many rows are written that each worker has begun, and none is done."""
    return lambda: rows("SELECT count(*) > 400 FROM rows WHERE key_id = 'new'") == [(True,)]


def test_every_row_comes_under_the_new_key_once(crew: Crew, rows: Sql) -> None:

    async def rotate() -> tuple[Rotated, Progress]:
        handle = await started(crew)
        return await handle.result(), await handle.query(Rotation.progress)

    result, progress = crew.does(rotate)
    assert result == Rotated(key_id="new", rows=ROWS, passes=1, retired=["old"], server_key=None)
    assert progress == Progress(phase="done", shards_done=8, shards=8, rows=ROWS)
    assert rows(BY_KEY) == DONE_ONCE
    assert rows("SELECT what FROM log WHERE what NOT LIKE 'batch%' ORDER BY at") == [
        ("add",), ("promote",), ("end",), ("retire",),
    ]  # fmt: skip


def test_the_servers_own_key_goes_first_where_it_is_named(crew: Crew, rows: Sql) -> None:

    async def rotate() -> Rotated:
        return await (await started(crew, replace(QUICK, server_key="https://v/keys/cmk"))).result()

    assert crew.does(rotate).server_key == "version-2"
    assert rows("SELECT what FROM log ORDER BY at LIMIT 2") == [
        ("new version of https://v/keys/cmk",), ("add",),
    ]  # fmt: skip


@pytest.mark.slow
def test_two_workers_share_the_work(crew: Crew, rows: Sql) -> None:
    pair = {crew.hire(SLOW).pid, crew.hire(SLOW).pid}

    async def rotate() -> Rotated:
        return await (await started(crew)).result()

    assert within(rotate()).rows == ROWS
    assert rows(BY_KEY) == DONE_ONCE
    found = rows("SELECT worker, count(*) > 20 FROM log WHERE what LIKE 'batch%' GROUP BY 1")
    assert set(found) == {(worker, True) for worker in pair}


@pytest.mark.slow
def test_another_goes_on_where_a_killed_worker_was(crew: Crew, rows: Sql) -> None:
    killed = crew.hire(SLOW)

    async def rotate() -> Rotated:
        handle = await started(crew)
        await until(in_the_middle(rows))
        killed.send_signal(signal.SIGKILL)
        await asyncio.to_thread(crew.hire)
        return await handle.result()

    assert within(rotate()).retired == ["old"]
    assert rows(BY_KEY) == DONE_ONCE
    # Again at most what two slots have done since their last heartbeats.
    ((steps,),) = rows(STEPS)
    assert isinstance(steps, int)
    assert steps <= STEPS_ALONE + 2 * 16


@pytest.mark.slow
def test_a_worker_that_is_told_to_stop_hands_over_at_once(crew: Crew, rows: Sql) -> None:
    told = crew.hire(SLOW)
    patient = replace(QUICK, pace=replace(PACE, heartbeat_seconds=10 * SECONDS))

    async def rotate() -> Rotated:
        handle = await started(crew, patient)
        await until(in_the_middle(rows))
        told.send_signal(signal.SIGTERM)
        await asyncio.to_thread(crew.hire)
        return await handle.result()

    assert within(rotate()).rows == ROWS  # none is counted twice: nothing was done again
    assert told.wait(SECONDS) == 0
    assert rows(BY_KEY) == DONE_ONCE
    assert rows(STEPS) <= [(STEPS_ALONE + 2,)]


def test_a_cancelled_rotation_has_ended_when_nobody_writes(crew: Crew, rows: Sql) -> None:

    async def cancelled() -> int:
        handle = await started(crew)
        await until(in_the_middle(rows))
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as failure:
            await handle.result()
        assert isinstance(failure.value.cause, CancelledError)
        ((left,),) = rows("SELECT count(*) FROM rows WHERE key_id = 'old'")
        assert isinstance(left, int)
        return left  # and then the worker ends: whoever still writes, writes once more

    left = crew.does(cancelled, SLOW)
    assert rows("SELECT count(*) FROM rows WHERE key_id = 'old'") == [(left,)]
    assert left > 0
    assert rows("SELECT state FROM keys WHERE id = 'old'") == [("accepted",)]

    async def again() -> Rotated:
        return await (await started(crew)).result()

    assert crew.does(again, SLOW).rows == left
    assert rows(BY_KEY) == DONE_ONCE


def test_a_database_that_goes_away_is_waited_for(crew: Crew, rows: Sql) -> None:

    async def rotate() -> Rotated:
        handle = await started(crew)
        await until(in_the_middle(rows))
        rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return await handle.result()

    assert crew.does(rotate, SLOW).retired == ["old"]
    assert rows(BY_KEY) == DONE_ONCE


def test_a_writer_with_the_old_key_is_followed_by_another_pass(crew: Crew, rows: Sql) -> None:

    async def rotate() -> Rotated:
        handle = await started(crew)
        await until(lambda: rows(f"{STEPS} AND what LIKE '%None'") != [(0,)])
        # A key that sorts first: its shard has passed it already.
        rows("INSERT INTO rows VALUES (%s, 'old', 'late')", "00000000-0000-0000-0000-000000000000")
        return await handle.result()

    assert crew.does(rotate, SLOW) == Rotated(
        key_id="new", rows=ROWS + 1, passes=2, retired=["old"], server_key=None
    )


def test_a_row_that_cannot_be_brought_under_the_key_fails_the_proof(crew: Crew, rows: Sql) -> None:
    rows("CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    rows("CREATE TRIGGER hold BEFORE UPDATE ON rows FOR EACH ROW"
         " WHEN (old.content = 'canary content 7') EXECUTE FUNCTION hold()")  # fmt: skip

    async def rotate() -> ApplicationError:
        with pytest.raises(WorkflowFailureError) as failure:
            await (await started(crew)).result()
        error = failure.value.cause.__cause__
        assert isinstance(error, ApplicationError)
        return error

    error = crew.does(rotate)
    assert (error.type, error.message) == ("NotProven", "rows are left under another key")
    assert rows("SELECT state FROM keys WHERE id = 'old'") == [("accepted",)]


def test_history_and_log_hold_no_content(
    crew: Crew, rows: Sql, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where PostgreSQL's own words quote it."""
    rows("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN RAISE 'I saw %', old.content; END$$""")
    rows("CREATE TRIGGER refuse BEFORE UPDATE ON rows FOR EACH ROW EXECUTE FUNCTION refuse()")

    async def rotate() -> str:
        handle = await started(crew)
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        return (await handle.fetch_history()).to_json()

    history = crew.does(rotate)
    assert "PostgreSQL refused: RaiseException, state P0001" in history
    assert "canary" not in history
    assert "RaiseException at" in caplog.text
    assert "canary" not in caplog.text


def test_a_long_rotation_continues_with_a_short_history(crew: Crew, rows: Sql) -> None:
    briefly = replace(QUICK, pace=replace(PACE, shards_a_run=3))

    async def rotate() -> tuple[Rotated, list[str]]:
        handle = await started(crew, briefly)
        first = handle.result_run_id
        result = await handle.result()
        client = await Client.connect(crew.address)
        runs = [one async for one in client.list_workflows(f"WorkflowId = '{crew.queue}'")]
        while len(runs) < 3:
            await asyncio.sleep(0.2)
            runs = [one async for one in client.list_workflows(f"WorkflowId = '{crew.queue}'")]
        assert first in {run.run_id for run in runs}
        return result, sorted(str(run.status.name) for run in runs if run.status)

    result, states = crew.does(rotate)
    assert result.rows == ROWS
    assert states == ["COMPLETED", "CONTINUED_AS_NEW", "CONTINUED_AS_NEW"]
    assert rows(BY_KEY) == DONE_ONCE


def test_its_history_is_replayed_without_a_difference(crew: Crew, rows: Sql) -> None:

    async def rotate() -> None:
        handle = await started(crew)
        await handle.result()
        await Replayer(workflows=WORKFLOWS).replay_workflow(await handle.fetch_history())

    crew.does(rotate)
    assert rows(BY_KEY) == DONE_ONCE
