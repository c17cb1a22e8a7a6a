"""A Temporal server and a PostgreSQL server for these tests, and workers to kill."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest
from temporalio.client import Client

from local.paths import Paths
from memory.schema.connection import from_environment
from memory.workflows.worker import Means, Models, working
from tests.memory.conftest import database, fleet, live, postgres_server
from tests.memory.workflows.server import serving
from tests.memory.workflows.standin import CREATE, tools
from tests.postgres import PostgresServer

__all__ = ["database", "fleet", "live", "postgres_server"]

ROWS = 2000
SECONDS = 90
"""For what takes a few on a machine that is not busy."""
FILL = """
INSERT INTO rows (key_id, content)
SELECT 'old', 'canary content ' || n FROM generate_series(1, %s) n
"""
Found = TypeVar("Found")
Process = subprocess.Popen[str]
Sql = Callable[..., list[tuple[object, ...]]]


@pytest.fixture(scope="session")
def temporal() -> Iterator[str]:
    """The address of a server of this test process."""
    with serving() as address:
        yield address


@dataclass
class Crew:
    """Workers of their own processes, all gone at the end."""

    address: str
    queue: str
    environment: dict[str, str]
    log: Path
    """A file: a pipe that nobody reads would stop who writes much."""
    members: list[Process] = field(default_factory=list)

    def does(self, work: Callable[[], Coroutine[Any, Any, Found]], pause: float = 0.0) -> Found:
        """Do it with a worker of this process, which starts at once and cannot be killed."""

        async def at_work() -> Found:
            means = Means(
                tools=tools(self.environment["STANDIN_DSN"], pause),
                endpoint=from_environment,
                model=Models(),
            )
            client = await Client.connect(self.address)
            with working(client, self.queue, means) as worker:
                async with worker:
                    return await asyncio.wait_for(work(), SECONDS)

        return asyncio.run(at_work())

    def hire(self, pause: float = 0.0) -> Process:
        """Start a worker that takes so long for a step; it is ready when this returns."""
        command = [sys.executable, "-m", "tests.memory.workflows.a_worker", self.queue, str(pause)]
        with self.log.open("a") as log:
            process = subprocess.Popen(
                command,
                cwd=Paths.current().project,
                env=os.environ | self.environment | {"TEMPORAL_ADDRESS": self.address},
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self.members.append(process)
        assert process.stdout is not None
        if process.stdout.readline() != "working\n":
            pytest.fail(f"no worker: {self.log.read_text()}")
        return process

    def dismissed(self) -> str:
        """End all, at once; return what they wrote to their logs."""
        for member in self.members:
            member.kill()
        for member in self.members:
            member.communicate()
        self.members.clear()
        return self.log.read_text() if self.log.exists() else ""


@pytest.fixture
def crew(
    temporal: str, database: str, postgres_server: PostgresServer, tmp_path: Path
) -> Iterator[Crew]:
    """Nobody yet, for the database of this test."""
    dsn = postgres_server.dsn(database)
    found = Crew(temporal, f"test/{database}", {"STANDIN_DSN": dsn}, tmp_path / "workers.log")
    yield found
    found.dismissed()


@pytest.fixture
def rows(database: str, postgres_server: PostgresServer) -> Sql:
    """A table with rows under the old key; runs statements on it."""

    def run(statement: str, *parameters: object) -> list[tuple[object, ...]]:
        with psycopg.connect(postgres_server.dsn(database), autocommit=True) as session:
            cursor = session.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    run(CREATE)
    run(FILL, ROWS)
    return run
