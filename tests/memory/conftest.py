"""A real server for the schema engine, and schemas whose roles no other test shares."""

import os
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from memory.schema.connection import Endpoint
from memory.schema.model import DesiredSchema, Role, memory_schema
from tests.memory.passwords import PASSWORDS
from tests.pgbouncer import pgbouncer
from tests.postgres import ADMIN, PASSWORD, PostgresServer, database, fleet, postgres_server

__all__ = ["PASSWORDS", "database", "fleet", "pgbouncer", "postgres_server"]


@dataclass(frozen=True)
class Live:
    """An empty database, its administrator, and helpers to look behind the engine's back."""

    endpoint: Endpoint
    server: PostgresServer

    def schema(self, **choices: Any) -> DesiredSchema:
        """The mission's schema with role names of this database alone."""
        return renamed(memory_schema(**choices), self.endpoint.database)

    def sql(self, *statements: str, role: str | None = None) -> list[tuple[Any, ...]]:
        """Run statements by hand, as the administrator or as a role; return the last rows."""
        rows: list[tuple[Any, ...]] = []
        with psycopg.connect(self.server.dsn(self.endpoint.database), autocommit=True) as session:
            if role:
                session.execute(f"SET ROLE {role}")
            for statement in statements:
                cursor = session.execute(statement)
                rows = cursor.fetchall() if cursor.description else []
        return rows

    def owner(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements by hand as the owner of the tables."""
        return self.sql(*statements, role=f"{self.endpoint.database}_migrator")


def renamed(desired: DesiredSchema, prefix: str) -> DesiredSchema:
    """Roles belong to the whole server: give this test its own."""
    roles = tuple(
        Role(purpose=r.purpose, name=f"{prefix}_{r.purpose}", privileges=r.privileges)
        for r in desired.roles
    )
    return desired.model_copy(update={"roles": roles})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at how many points runs were killed: a figure that the tests are asked for."""
    healed = [
        report
        for report in terminalreporter.stats.get("passed", [])
        if report.when == "call" and "test_killed.py::test_heals_after_a_kill" in report.nodeid
    ]
    if healed:
        builds = sum("in_the_middle_of_a_build" in report.nodeid for report in healed)
        terminalreporter.write_line(
            f"{len(healed)} runs killed and healed: {len(healed) - builds} at statements,"
            f" {builds} in the middle of a build"
        )


@pytest.fixture
def live(postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch) -> Live:
    """An empty database that the engine reaches through libpq's environment."""
    for key in [key for key in os.environ if key.startswith("PG")]:
        monkeypatch.delenv(key)
    for key, value in postgres_server.endpoint.environment.items():
        monkeypatch.setenv(key, value)
    endpoint = Endpoint(
        host=postgres_server.server.fqdn, database=database, user=ADMIN, password=PASSWORD
    )
    return Live(endpoint, postgres_server)
