"""A real Flexible Server of the local cloud with one database, reached over verified TLS."""

import secrets
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import psycopg
from psycopg import sql

from bench.errors import BenchError
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.parameters import computed_defaults, defaults
from local.cloud.postgres.server import Server as Process
from memory.schema.connection import Endpoint, Session, connect

NAME = "bench"
ADMIN = "engram_admin"
DATABASE = "memory"


@dataclass(frozen=True, kw_only=True)
class Server:
    """A running server, its administrator, and the way to it."""

    process: Process
    way: dict[str, str]
    """libpq's environment, as the product gets it from outside."""
    password: str

    @classmethod
    def create(cls, *, memory_gib: int = 4, **parameters: str) -> Self:
        """Make a server in the folders of this process; of the size of test (Standard_B2s).

        ``parameters`` differ from what Azure gives a server with that memory.
        """
        fleet = Fleet.current()
        way = dict(fleet.start_router().environment)
        settings = {
            **defaults(computed_defaults(memory_gib=memory_gib, storage_gib=32)),
            "azure.extensions": "vector,pg_stat_statements",
            **parameters,
        }
        process, password = fleet.server(NAME), secrets.token_urlsafe()
        process.create(fleet.authority, secrets.token_hex(32), settings)
        process.set_administrator(ADMIN, password)
        fleet.publish(process)
        return cls(process=process, way=way, password=password)

    def endpoint(self, database: str = DATABASE) -> Endpoint:
        """The database, as the schema engine is told of it."""
        return Endpoint(
            host=self.process.fqdn, database=database, user=ADMIN, password=self.password
        )

    @contextmanager
    def session(self, database: str = DATABASE) -> Iterator[Session]:
        """Connect as the administrator."""
        with connect(self.endpoint(database)) as session:
            yield session

    def empty(self, roles: Iterable[str]) -> None:
        """Make the database anew, and remove what belongs to the whole server."""
        with self.session("postgres") as session:
            session.execute(_statement("DROP DATABASE IF EXISTS {} WITH (FORCE)", DATABASE))
            for role in roles:
                session.execute(_statement("DROP ROLE IF EXISTS {}", role))
            session.execute(_statement("CREATE DATABASE {}", DATABASE))

    def filled_in(self, query: str, parameters: Any) -> str:
        """Return a query with its parameters, as psql needs it."""
        with self.session("postgres") as session:
            return psycopg.ClientCursor(session).mogrify(query, parameters)

    def psql(self, script: str) -> None:
        """Run a script through psql.  Raises ``BenchError`` with its words where it fails."""
        binaries = self.process.binaries
        answer = subprocess.run(
            [binaries.command("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"],
            env={
                **binaries.environment,
                **self.way,
                "PGHOST": self.process.fqdn,
                "PGDATABASE": DATABASE,
                "PGUSER": ADMIN,
                "PGPASSWORD": self.password,
                "PGSSLMODE": "verify-full",
            },
            input=script,
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise BenchError(f"psql refused the plan's SQL:\n{answer.stderr}")


def _statement(template: Any, identifier: str) -> sql.Composed:
    return sql.SQL(template).format(sql.Identifier(identifier))
