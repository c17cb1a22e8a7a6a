"""A real Flexible Server for tests of any room: one per session, a fresh database per test.

Import the fixtures in the ``conftest.py`` that wants them. The server is a local
cloud's own: TLS, an administrator who is no superuser, and the gate on extensions
with ``vector`` and ``pg_stat_statements`` allowed.
"""

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from local.cloud.postgres.authority import Authority
from local.cloud.postgres.fleet import Endpoint, Fleet
from local.cloud.postgres.parameters import computed_defaults, defaults
from local.cloud.postgres.server import Server
from local.paths import Paths

ADMIN = "engramadmin"
PASSWORD = "Unit-Test-Password-1"
DATA_KEY = "0f" * 32
NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class PostgresServer:
    """A running server and how to reach it as its administrator."""

    server: Server
    endpoint: Endpoint

    def environment(self, database: str) -> dict[str, str]:
        """Return libpq's environment, as the product gets it from outside."""
        return {
            **self.endpoint.environment,
            "PGHOST": self.server.fqdn,
            "PGSSLMODE": "verify-full",
            "PGUSER": ADMIN,
            "PGPASSWORD": PASSWORD,
            "PGDATABASE": database,
        }

    def dsn(self, database: str) -> str:
        """Return the administrator's connection string, through the router."""
        return psycopg.conninfo.make_conninfo(
            host=self.server.fqdn,
            hostaddr=self.endpoint.host_address,
            port=self.endpoint.port,
            sslmode="verify-full",
            sslrootcert=str(self.endpoint.ca_file),
            user=ADMIN,
            password=PASSWORD,
            dbname=database,
        )


def default_settings(**changed: str) -> dict[str, str]:
    """Return the parameters of a Standard_B2s server; ``_`` of a name may stand for ``.``."""
    return {**defaults(computed_defaults(memory_gib=4, storage_gib=32)), **changed}


@pytest.fixture(scope="session")
def fleet() -> Iterator[Fleet]:
    """A fleet of its own for this test process, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="engram-test-"))
    folder.chmod(0o755)
    clone = folder / "it's a $clone"  # no shell takes it as it is
    own = Fleet(clone / "postgres", Authority(clone / "ca"), Paths.current().service_cache)
    own.start_router()
    yield own
    for server in own.servers():
        server.remove()
    own.stop_router()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres_server(fleet: Fleet) -> PostgresServer:
    """A server whose allow-list holds ``vector`` and ``pg_stat_statements``."""
    server = fleet.server(f"psql-test-{os.getpid()}")
    settings = {**default_settings(), "azure.extensions": "vector,pg_stat_statements"}
    server.create(fleet.authority, DATA_KEY, settings)
    server.set_administrator(ADMIN, PASSWORD)
    fleet.publish(server)
    return PostgresServer(server, fleet.endpoint)


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of an empty database that only this test uses; its owner is the administrator."""
    name = f"test_{os.getpid()}_{next(NUMBERS)}"
    with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as db:
        db.execute(f"CREATE DATABASE {name}")
        yield name
        db.execute(f"DROP DATABASE {name} WITH (FORCE)")
