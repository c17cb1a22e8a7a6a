"""Contents and secrets are in the table and in answers, and nowhere else."""

import json
from pathlib import Path

import httpx
import pytest

from tests.memory.conftest import Live
from tests.memory.encryption.folder_vault import FolderVault, ensure_ring
from tests.memory.operations import embeddings_server
from tests.memory.operations.embeddings_server import serving
from tests.memory.passwords import PASSWORDS
from tests.memory.service.conftest import Start
from tests.memory.service.memories import memory, vector
from tests.memory.service.running import KEY, SPARE_KEY, Service
from tests.memory.service.test_sealing import PROGRAM

CANARIES = ("canary-content", "canary-session", "canary-user", "canary-metadata", "canary-pii",
            "canary-query", "canary-wrong", "canary-model-key")  # fmt: skip
SECRETS = (KEY, SPARE_KEY, PASSWORDS["app"], "stranger-key-canary-1")


def exercised(service: Service, table: Live) -> None:
    """Everything that is served, as it should be and as it should not."""
    own = memory(
        session_id="canary-session",
        user_id="canary-user",
        content="canary-content",
        metadata={"canary-metadata": "canary-metadata", "pii": "canary-pii"},
    )
    wrong = {"canary-wrong": "canary-wrong", "session_id": "canary-session\n"}
    with service.client() as client:
        added = client.post("/memories", json=own)
        assert added.status_code == 201, added.text
        name = added.json()["id"]
        client.post("/memories", json={**own, "id": name, "content": "canary-content 2"})
        without = {key: value for key, value in own.items() if key != "embedding"}
        client.post("/memories", json=without)
        client.post("/memories/batch", json={"memories": [own, wrong]})
        client.post("/memories/search", json={"text": "canary-query"})
        client.post("/memories/search", json={"text": "canary-query", "metadata": {"pii": "x"}})
        client.post("/memories/search", content=b'{"canary-wrong": canary-wrong')
        client.get(f"/memories/{name}?x=canary-query")
        client.get("/memories/canary-query")
        client.get("/canary-query/canary-wrong")
        client.request("CANARY-WRONG", "/memories")
        with_fault(service, table, client)
        client.delete("/memories", params={"session_id": "canary-session"})
    with service.client("stranger-key-canary-1") as stranger:
        stranger.get("/memories")


def with_fault(service: Service, table: Live, client: httpx.Client) -> None:
    """The database refuses, and quotes what it was sent."""
    guard = "ALTER TABLE memory.zep_memory_vectors {} CONSTRAINT canary {}"
    table.owner(guard.format("ADD", "CHECK (content <> 'canary-content 3')"))
    refused = client.post("/memories", json=memory(content="canary-content 3"))
    table.owner(guard.format("DROP", ""))
    assert refused.status_code == 409
    assert "canary" not in refused.text
    assert service.process.poll() is None


@pytest.mark.parametrize("model", ["sound", "broken"])
def test_no_canary_is_in_logs_metrics_arguments_or_environment(
    start: Start,
    table: Live,
    tmp_path: Path,
    model: str,
) -> None:
    vault = FolderVault(tmp_path / "vault")
    (tmp_path / "ring").write_text(ensure_ring(vault).dump())
    (tmp_path / "model-key").write_text("canary-model-key\n")
    with serving(lambda texts: [vector(1) for _ in texts]) as endpoint:
        if model == "broken":
            endpoint.faults = [embeddings_server.broken(400, "it quotes canary-content")] * 9
        service = start(
            PROGRAM,
            TEST_VAULT=str(vault.folder),
            ENGRAM_FIELD_KEYS_FILE=str(tmp_path / "ring"),
            ENGRAM_MODEL_ENDPOINT=endpoint.url,
            ENGRAM_EMBEDDING_MODEL="m",
            ENGRAM_MODEL_API_KEY_FILE=str(tmp_path / "model-key"),
            ENGRAM_LOG_LEVEL="debug",
        )
        exercised(service, table)
        assert endpoint.requests[0]["_key"] == "Bearer canary-model-key"
    metrics, process = service.metrics(), Path(f"/proc/{service.process.pid}")
    seen = {
        "arguments": (process / "cmdline").read_text(),
        "environment": (process / "environ").read_text(),
        "metrics": metrics,
    }
    assert service.stop() == 0
    service.read()
    seen["log"] = "\n".join(service.lines)
    assert 'route="/memories/search"' in metrics
    assert len(service.events) > 10
    for place, text in seen.items():
        for canary in (*CANARIES, *SECRETS):
            assert canary not in text, f"{canary} in {place}"
    assert "canary" not in json.dumps(service.events).lower()


def test_every_line_of_the_log_is_json_and_says_who_what_and_how_long(start: Start) -> None:
    service = start()
    with service.client() as client:
        client.post("/memories/search", json={"embedding": vector(1)})
    service.stop()
    service.read()
    line = next(e for e in service.events if e.get("route") == "/memories/search")
    assert {"method", "status", "milliseconds", "request_id", "actor", "tenant"} <= set(line)
    assert all(text.startswith("{") for text in service.lines)
