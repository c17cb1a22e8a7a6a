"""Ready means: memories can be kept and found here; and a pooler may stand before the server."""

import time

import httpx
import pytest

from local.cloud.postgres.fleet import Fleet
from tests.memory.conftest import Live
from tests.memory.passwords import PASSWORDS
from tests.memory.service.conftest import Environment, Start
from tests.memory.service.memories import memory, vector
from tests.memory.service.running import Service, running
from tests.memory.test_pooler import configuration
from tests.pgbouncer import PgBouncer

VECTORS = "memory.zep_memory_vectors"
INDEX = "memory.zep_memory_vectors_embedding_idx"
DAMAGES: dict[str, tuple[str, str, str]] = {
    "no index": (
        f"DROP INDEX {INDEX}",
        "CREATE INDEX zep_memory_vectors_embedding_idx ON memory.zep_memory_vectors"
        " USING hnsw (embedding public.vector_cosine_ops) WITH (m = 16, ef_construction = 64)",
        f"hnsw index of {VECTORS}",
    ),
    "no table": (
        f"ALTER TABLE {VECTORS} RENAME TO hidden",
        "ALTER TABLE memory.hidden RENAME TO zep_memory_vectors",
        f"table {VECTORS}",
    ),
    "no audit": (
        "ALTER TABLE memory.memory_audit RENAME TO hidden",
        "ALTER TABLE memory.hidden RENAME TO memory_audit",
        f"audit of {VECTORS}",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_is_missing_is_named(start: Start, table: Live, name: str) -> None:
    damage, repair, check = DAMAGES[name]
    service = start()
    sound = httpx.get(f"{service.url}/readyz")
    assert sound.status_code == 200
    assert set(sound.json()["checks"].values()) == {"ok"}
    try:
        table.owner(damage)
        checks = settled(service, 503)
        assert checks[check] != "ok"
        with service.client() as client:
            answer = client.post("/memories/search", json={"embedding": vector(1)})
        assert answer.status_code == (200 if name == "no index" else 503)
    finally:
        table.owner(repair)
    assert settled(service, 200)[check] == "ok"


def test_another_dimension_is_named(start: Start) -> None:
    service = start(ENGRAM_DIMENSIONS="9")
    checks = httpx.get(f"{service.url}/readyz").json()["checks"]
    assert checks[f"dimension of {VECTORS}"] == "found vector(8)"


def test_without_a_database_it_lives_and_is_not_ready(start: Start) -> None:
    service = start(PGPORT="1", ENGRAM_POOL_TIMEOUT_SECONDS="0.5")
    assert httpx.get(f"{service.url}/livez").status_code == 200
    assert httpx.get(f"{service.url}/readyz").status_code == 503
    with service.client() as client:
        busy = client.post("/memories/search", json={"embedding": vector(1)})
    assert busy.status_code == 503
    assert int(busy.headers["retry-after"]) >= 1


def settled(service: Service, status: int) -> dict[str, str]:
    """Ask until it says so; a proof is repeated for two seconds."""
    deadline = time.monotonic() + 20
    answer = httpx.get(f"{service.url}/readyz")
    while answer.status_code != status and time.monotonic() < deadline:
        time.sleep(0.2)
        answer = httpx.get(f"{service.url}/readyz")
    assert answer.status_code == status, answer.text
    found: dict[str, str] = answer.json()["checks"]
    return found


def test_connections_that_ended_are_replaced_and_no_caller_notices(
    start: Start, table: Live
) -> None:
    service = start()
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
    with service.client() as client:
        for _ in range(3):
            assert client.post("/memories", json=memory()).status_code == 201
            with table.server.server.superuser() as session:
                session.execute(end, [f"{table.endpoint.database}_app"])
            found = client.post("/memories/search", json={"embedding": vector(1)})
            assert found.status_code == 200, found.text


def test_everything_works_through_a_pooler_in_transaction_mode(
    environment: Environment, table: Live, fleet: Fleet, pgbouncer: PgBouncer
) -> None:
    users = f'"{table.endpoint.database}_app" "{PASSWORDS["app"]}"\n'
    render = configuration(table, fleet, "transaction", "require")
    with (
        pgbouncer.running(render, users, "") as pooler,
        running({**environment, "PGPORT": str(pooler.port)}) as service,
        service.client() as client,
    ):
        assert httpx.get(f"{service.url}/readyz").json()["ok"]
        added = client.post("/memories", json=memory()).json()["id"]
        for _ in range(8):  # past the number at which psycopg would prepare
            found = client.post("/memories/search", json={"embedding": vector(1), "k": 50})
            assert added in {one["id"] for one in found.json()["memories"]}
        assert client.delete(f"/memories/{added}").json() == {"deleted": 1}
        assert pooler.said("login attempt")
