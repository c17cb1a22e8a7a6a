"""A server that dies under its programs, and a database that outlives that.

How often something is killed is for who runs the tests to say: ``ENGRAM_KILLS`` is the number of
kills of a job, 4 where nobody says; ``make kills`` says 50.  Its database is killed a quarter as
often, at least twice and at most ten times.
"""

import itertools
import os
import signal
import time
from collections.abc import Iterator

import psycopg
import pytest

from local.cloud.postgres.server import Server
from local.process import is_alive
from tests.postgres import DATA_KEY, PostgresServer

NUMBERS = itertools.count(1)
JOB_KILLS = int(os.environ.get("ENGRAM_KILLS", "4"))
DATABASE_KILLS = min(10, max(2, JOB_KILLS // 4))


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """The name of an empty database; no session is held that a crash would end."""
    name = f"crash_{os.getpid()}_{next(NUMBERS)}"
    for statement in ("CREATE DATABASE {}", "DROP DATABASE {} WITH (FORCE)"):
        with psycopg.connect(postgres_server.dsn("postgres"), autocommit=True) as session:
            session.execute(statement.format(name).encode())
        if statement.startswith("CREATE"):
            yield name


def crash(server: Server) -> None:
    """End the server's first process as nothing can prevent, and start it again."""
    settings = dict(server.started_with)
    pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    while is_alive(pid):
        time.sleep(0.01)
    server.start(DATA_KEY, settings)
