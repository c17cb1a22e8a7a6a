"""memory/workflows: the way to Temporal, and what is said when something is in it."""

import asyncio

import psycopg
import pytest
from temporalio.client import Client

from memory.embeddings.errors import EndpointBusy
from memory.operations.errors import OperationError
from memory.operations.reembed.errors import AlreadyRunning
from memory.workflows import asking
from memory.workflows.client import Names, connect, settings
from memory.workflows.discreet import in_words
from memory.workflows.errors import AlreadyStarted, NoServer, NotStarted
from memory.workflows.rotation import MemoryEncryptionKeyRotationWorkflow as Rotation

NAMES = Names(host="server.example", database="memory")
AWAY = {"TEMPORAL_ADDRESS": "temporal.example:7233"}


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "set TEMPORAL_ADDRESS"),
        (AWAY, "without TLS"),
        ({**AWAY, "TEMPORAL_API_KEY": "k", "TEMPORAL_TLS": "false"}, "without TLS"),
        ({"TEMPORAL_ADDRESS": "127.0.0.1.example:7233"}, "without TLS"),
        ({**AWAY, "TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/none"}, "cannot be read"),
    ],
)
def test_no_name_of_a_key_travels_without_tls(environment: dict[str, str], words: str) -> None:
    with pytest.raises(NoServer, match=words):
        settings(environment)


@pytest.mark.parametrize(
    "environment",
    [
        {**AWAY, "TEMPORAL_API_KEY": "k"},
        {**AWAY, "TEMPORAL_TLS": "true"},
        {"TEMPORAL_ADDRESS": "127.0.0.1:7233"},
        {"TEMPORAL_ADDRESS": "[::1]:7233"},
        {"TEMPORAL_ADDRESS": "localhost:7233"},
    ],
)
def test_with_tls_or_on_this_machine_it_is_connected_to(environment: dict[str, str]) -> None:
    assert settings(environment)["target_host"] == environment["TEMPORAL_ADDRESS"]


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(NoServer, match=r"127\.0\.0\.1:1 does not answer"):
        asyncio.run(connect({"TEMPORAL_ADDRESS": "127.0.0.1:1"}))


@pytest.mark.parametrize(
    ("error", "words", "again"),
    [
        (OperationError("say it"), "say it", False),
        (AlreadyRunning("wait"), "wait", True),
        (EndpointBusy("later"), "later", True),
        (psycopg.OperationalError("row 7: canary"), "PostgreSQL refused: OperationalError", True),
        (psycopg.DataError("row 7: canary"), "PostgreSQL refused: DataError", False),
        (KeyError("canary"), "KeyError; the worker's log says where", False),
        (OSError("canary"), "OSError; the worker's log says where", True),
    ],
)
def test_an_error_goes_out_in_words_that_may_be_kept(
    error: Exception, words: str, again: bool, caplog: pytest.LogCaptureFixture
) -> None:
    told = in_words(error)
    assert told.message.startswith(words)
    assert told.non_retryable is not again
    assert "canary" not in told.message + caplog.text


def test_one_of_a_kind_runs_at_a_time(temporal: str) -> None:
    async def twice() -> asking.State:
        client = await Client.connect(temporal)
        with pytest.raises(NotStarted, match="there is no engram/server"):
            await asking.ask(client, NAMES, "rotate-field-keys")
        run_id = await asking.start(client, NAMES, "rotate-field-keys", Rotation.run, ["new"])
        with pytest.raises(AlreadyStarted, match=f"under way .run {run_id}"):
            await asking.start(client, NAMES, "rotate-field-keys", Rotation.run, ["newer"])
        state = await asking.ask(client, NAMES, "rotate-field-keys")
        assert state.run_id == run_id
        await client.get_workflow_handle(state.id).terminate()
        with pytest.raises(NotStarted, match="is not under way: it is terminated"):
            await asking.cancel(client, NAMES, "rotate-field-keys")
        return state

    state = asyncio.run(twice())
    assert (state.status, state.progress, state.failed) == ("RUNNING", None, False)
    assert "no worker answers: start one" in state.as_text()
