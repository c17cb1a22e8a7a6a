"""memory/workflows: fields under real keys, and vectors of a real endpoint, by two processes."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ApplicationError

from memory.operations.records import records
from memory.workflows.reembedding import ReembeddingWorkflow
from memory.workflows.rotation import MemoryEncryptionKeyRotationWorkflow
from memory.workflows.terms import Pace, Reembedding, RotationOptions
from tests.memory.conftest import Live
from tests.memory.encryption.folder_vault import KEY_URI, SECRET_URI, FolderVault
from tests.memory.operations import reembedding
from tests.memory.operations.embeddings_server import Endpoint, serving, slow
from tests.memory.operations.prepared import as_login, prepared, session_of
from tests.memory.operations.rotating import (
    expected,
    keys_in_use,
    prepared_rows,
    primary,
    read_back,
    rows_of,
)
from tests.memory.workflows.conftest import SECONDS, Crew

pytestmark = pytest.mark.slow
PACE = Pace(shards=6, batch_rows=10, heartbeat_seconds=2)
ROWS = 200


async def done(crew: Crew, run: Any, *given: Any) -> Any:
    client = await Client.connect(crew.address)
    handle = await client.start_workflow(run, args=given, id=crew.queue, task_queue=crew.queue)
    try:
        return await asyncio.wait_for(handle.result(), SECONDS)
    except TimeoutError:
        pending = (await handle.describe()).raw_description.pending_activities
        pytest.fail(f"still at {[(one.activity_type.name, one.last_failure) for one in pending]}")


def test_fields_come_under_a_new_key_of_that_name(live: Live, crew: Crew, tmp_path: Path) -> None:
    vault = FolderVault(tmp_path / "vault")
    prepared(live)
    prepared_rows(live, vault, ROWS)
    before = primary(vault.document())
    crew.environment = {
        **as_login(live),
        "FIELD_VAULT": str(vault.folder),
        "ENGRAM_FIELD_KEY_URI": KEY_URI,
        "ENGRAM_FIELD_KEYS_SECRET_URI": SECRET_URI,
        "ENGRAM_ENCRYPTED_FIELDS": "pii,phi,content",
        "ENGRAM_BLIND_INDEXES": "pii.email",
        "ENGRAM_FIELD_KEYS_GRACE_SECONDS": "0",
    }
    crew.hire()
    crew.hire()
    options = RotationOptions(pace=PACE, reload_seconds=0.1, grace_hours=0)
    result = asyncio.run(
        done(crew, MemoryEncryptionKeyRotationWorkflow.run, "fields-of-spring", options)
    )
    assert result.retired == [before]
    with session_of(live) as session:
        assert keys_in_use(session) == {"fields-of-spring"}
        assert read_back(session, rows_of(vault)) == expected(range(ROWS))
        states = [record.detail["state"] for record in records(session, "rotate-field-keys")]
    assert states == ["published", "promoted", "retired"]
    log = crew.dismissed()
    assert "a memory" not in log
    assert "example.org" not in log


def embedding(live: Live, crew: Crew, endpoint: Endpoint) -> None:
    """Let workers reach this database and this endpoint."""
    crew.environment = {
        **live.server.environment(live.endpoint.database),
        "OPENAI_BASE_URL": endpoint.url,
        "OPENAI_API_KEY": "canary-key",
    }


def wanted(**more: Any) -> Reembedding:
    goal = {"to": "vector(12)", "source": "model", "model": "new", "shorten": False}
    return Reembedding(goal=goal, pace=PACE, queries=5, **more)


def test_rows_get_their_vectors_although_a_worker_is_killed(live: Live, crew: Crew) -> None:
    reembedding.prepared(live, ROWS)
    with serving(reembedding.new_model) as endpoint:
        endpoint.faults += [None, *[slow(0.3)] * 8]
        embedding(live, crew, endpoint)
        killed = crew.hire()

        async def work() -> Any:
            running = asyncio.create_task(done(crew, ReembeddingWorkflow.run, wanted()))
            while len(endpoint.requests) < 6 and not running.done():
                await asyncio.sleep(0.05)
            killed.send_signal(signal.SIGKILL)
            await asyncio.to_thread(crew.hire)
            return await running

        result = asyncio.run(work())
        assert result.rows == ROWS
        assert result.recall > 0.9
        # Paid twice at most: what was under way in two slots of two requests.
        assert ROWS <= len(endpoint.texts) - 1 <= ROWS + 2 * 2 * PACE.batch_rows
    assert reembedding.wrong_rows(live, "embedding_next", reembedding.NEW) == []
    assert reembedding.phase(live) == "ready"
    with session_of(live) as session:
        told = [record.detail for record in records(session, "reembed")]
    assert [(one["state"], one["by"]) for one in told] == [
        ("prepared", "workflow"), ("ready", "workflow"),
    ]  # fmt: skip
    assert (told[0]["to"], told[1]["rows"]) == ("vector(12)", ROWS)
    reembedding.swapped(live)
    assert reembedding.wrong_rows(live, "embedding", reembedding.NEW) == []


def test_a_limit_on_the_cost_holds_for_all_workers_together(live: Live, crew: Crew) -> None:
    reembedding.prepared(live, ROWS)
    with serving(reembedding.new_model) as endpoint:
        embedding(live, crew, endpoint)
        crew.hire()
        crew.hire()
        dear = wanted(price_per_million=1_000_000.0, max_cost=ROWS / 2)  # one for each token
        with pytest.raises(WorkflowFailureError) as failure:
            asyncio.run(done(crew, ReembeddingWorkflow.run, dear))
        error = failure.value.cause.__cause__
        assert isinstance(error, ApplicationError)
        assert error.type in {"Stop", "BudgetSpent"}
        tokens = sum(len(text.split()) for text in endpoint.texts)
    assert tokens < ROWS * 2
    assert "canary-key" not in crew.dismissed()
