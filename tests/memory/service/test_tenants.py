"""Tenants do not see each other, however they are kept apart."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from memory.schema.connection import Endpoint
from memory.schema.model import DesiredSchema, memory_schema
from memory.schema.runner import apply
from tests.memory.conftest import Live, renamed
from tests.memory.passwords import PASSWORDS
from tests.memory.service.conftest import DIMENSIONS, environment_of, reached
from tests.memory.service.memories import error_of, memory, vector
from tests.memory.service.running import ACMES_KEY, KEY, Service, running

KINDS = ("row", "schema", "database")


@pytest.fixture(params=KINDS)
def apart(request: pytest.FixtureRequest, live: Live, tmp_path: Path) -> Iterator[Service]:
    """A service for the tenants default and acme, one of whose keys is acme's alone."""
    name, kind = live.endpoint.database, request.param
    owner = f"{name}_acme"
    with psycopg.connect(live.server.dsn("postgres"), autocommit=True) as db:
        if kind == "database":
            db.execute(f"CREATE DATABASE {owner}")
        try:
            made(live, memory_schema(dimensions=DIMENSIONS, by_tenant=kind == "row"))
            if kind != "row":
                theirs = Live(
                    live.endpoint if kind == "schema" else elsewhere(live, owner), live.server
                )
                tenant = "acme" if kind == "schema" else None
                desired = memory_schema(dimensions=DIMENSIONS, tenant=tenant)
                made(theirs, renamed(desired, name), again=True)
            told = environment_of(live, tmp_path)
            with (tmp_path / "keys").open("a") as keys:
                keys.write(f"{ACMES_KEY} acme\n")
            told |= {"ENGRAM_ISOLATION": kind, "ENGRAM_TENANTS": "acme"}
            with reached(live.server), running(told) as service:
                yield service
        finally:
            if kind == "database":
                db.execute(f"DROP DATABASE {owner} WITH (FORCE)")


def made(live: Live, desired: DesiredSchema, *, again: bool = False) -> None:
    wanted = desired if again else renamed(desired, live.endpoint.database)
    apply(live.endpoint, wanted, passwords=PASSWORDS)


def elsewhere(live: Live, database: str) -> Endpoint:
    return replace(live.endpoint, database=database)


def test_one_tenant_never_meets_anothers_memories(apart: Service) -> None:
    with apart.client(ACMES_KEY) as acme, apart.client(KEY) as default:
        theirs = acme.post("/memories", json=memory(content="acme's")).json()["id"]
        ours = default.post("/memories", json=memory(content="ours")).json()["id"]
        for client, own, other in ((acme, theirs, ours), (default, ours, theirs)):
            found = client.post("/memories/search", json={"embedding": vector(1), "k": 50}).json()
            assert [one["id"] for one in found["memories"]] == [own]
            assert client.get(f"/memories/{own}").is_success
            assert error_of(client.get(f"/memories/{other}")) == (404, "not_found")
            assert error_of(client.delete(f"/memories/{other}")) == (404, "not_found")
        assert default.delete("/memories", params={"session_id": "s1"}).json() == {"deleted": 1}
        assert acme.get(f"/memories/{theirs}").is_success
        as_acme = default.get(f"/memories/{theirs}", headers={"X-Engram-Tenant": "acme"})
        assert as_acme.is_success
        stranger = acme.get(f"/memories/{theirs}", headers={"X-Engram-Tenant": "default"})
        assert error_of(stranger) == (403, "forbidden")
