"""A table of memories on a real server, one for each module, and real services before it."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from memory.schema.connection import Endpoint
from memory.schema.runner import apply
from tests.memory.conftest import Live
from tests.memory.passwords import PASSWORDS
from tests.memory.service.running import KEY, LOOPBACK, SPARE_KEY, Service, running
from tests.postgres import ADMIN, NUMBERS, PASSWORD, PostgresServer

DIMENSIONS = 8
Environment = dict[str, str]
Start = Callable[..., Service]
Audit = Callable[[], list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def table(postgres_server: PostgresServer) -> Iterator[Live]:
    """A database with the table, for this module alone."""
    name = f"service_{os.getpid()}_{next(NUMBERS)}"
    endpoint = Endpoint(
        host=postgres_server.server.fqdn, database=name, user=ADMIN, password=PASSWORD
    )
    live = Live(endpoint, postgres_server)
    with (
        reached(postgres_server),
        psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as db,
    ):
        db.execute(f"CREATE DATABASE {name}")
        apply(endpoint, live.schema(dimensions=DIMENSIONS), passwords=PASSWORDS)
        yield live
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")


def reached(server: PostgresServer) -> Any:
    """libpq's environment leads to this server until the end of the block."""
    context = pytest.MonkeyPatch.context()
    stack = ExitStack()
    patch = stack.enter_context(context)
    for key in [key for key in os.environ if key.startswith("PG")]:
        patch.delenv(key)
    for key, value in server.endpoint.environment.items():
        patch.setenv(key, value)
    return stack


@pytest.fixture(scope="module")
def environment(table: Live, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """What a service of this table is told."""
    folder = tmp_path_factory.mktemp("secrets")
    return environment_of(table, folder)


def environment_of(table: Live, folder: Path) -> Environment:
    (folder / "keys").write_text(f"{KEY}\n{SPARE_KEY}\n")
    (folder / "password").write_text(PASSWORDS["app"])
    database = table.endpoint.database
    return {
        **table.server.environment(database),
        "PGUSER": f"{database}_app",
        "PGPASSWORD": "",
        "ENGRAM_DATABASE_PASSWORD_FILE": str(folder / "password"),
        "ENGRAM_API_KEYS_FILE": str(folder / "keys"),
        "ENGRAM_DIMENSIONS": str(DIMENSIONS),
        "ENGRAM_HNSW_EF_SEARCH": "40",
        "ENGRAM_POOL_SIZE": "2",
        "ENGRAM_POOL_MAX_OVERFLOW": "2",
        "ENGRAM_HOST": LOOPBACK,
        "ENGRAM_PORT": "0",
        "ENGRAM_METRICS_PORT": "0",
    }


@pytest.fixture(scope="module")
def start(environment: Environment) -> Iterator[Start]:
    """Start services with variables changed; they end with the module."""
    with ExitStack() as stack:

        def begin(module: str = "memory.service", **changed: str) -> Service:
            return stack.enter_context(running({**environment, **changed}, module))

        yield begin


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    """One service for all tests of a module."""
    return start()


@pytest.fixture
def empty(table: Live) -> None:
    """Nothing is remembered, and nothing was done yet."""
    table.owner("TRUNCATE memory.zep_memory_vectors, memory.memory_audit")


@pytest.fixture
def audit(table: Live, empty: None) -> Audit:  # noqa: ARG001 - a test begins with none
    """What the audit holds, in order."""
    statement = (
        "SELECT operation, actor, tenant_id, session_id, ids, rows, request_id"
        " FROM memory.memory_audit ORDER BY at"
    )
    return lambda: table.owner(statement)
