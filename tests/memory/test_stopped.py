"""The command line, stopped in the middle of a build: nothing is left running on the server."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from memory.schema.errors import StepFailed
from memory.schema.model import DesiredSchema, Hnsw
from memory.schema.runner import apply, inspect
from memory.schema.target import expected, managed
from tests.memory.conftest import PASSWORDS, Live
from tests.memory.rows import INDEX, TABLE, filling

BUILDING = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()"
BACKENDS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'engram-schema'
"""
PATIENCE_SECONDS = 20.0


def prepared(live: Live) -> DesiredSchema:
    """A table on which the wanted graph takes many seconds."""
    first = live.schema(dimensions=64, index=Hnsw(column="embedding", m=2, ef_construction=4))
    apply(live.endpoint, first, passwords=PASSWORDS)
    live.owner(filling(3000, 64))
    return live.schema(dimensions=64, index=Hnsw(column="embedding", m=100, ef_construction=1000))


def started(live: Live, desired: DesiredSchema, folder: Path) -> "subprocess.Popen[str]":
    """``schema apply`` in a process of its own, up to the moment when the server builds."""
    (folder / "desired.json").write_text(desired.model_dump_json(), encoding="utf-8")
    (folder / "passwords.json").write_text(json.dumps(PASSWORDS), encoding="utf-8")
    words = ["apply", "--yes", "--desired", str(folder / "desired.json")]
    words += ["--passwords-from", str(folder / "passwords.json"), "--vcores", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "memory", "schema", *words],
        env={**os.environ, **live.server.environment(live.endpoint.database)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(live, BUILDING, bool)
    return process


def eventually(live: Live, query: str, wanted: Callable[[list[Any]], bool]) -> None:
    """Wait until the rows are what is wanted."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not wanted(live.sql(query)):
        assert time.monotonic() < deadline, live.sql(query)
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [
        (signal.SIGINT, 130, "stopped; the server has ended the statement. What ran before"),
        (signal.SIGTERM, 130, "stopped; the server has ended the statement. What ran before"),
        (signal.SIGKILL, -signal.SIGKILL, ""),
    ],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_a_signal_ends_the_build_on_the_server_and_the_next_run_goes_on(
    live: Live, tmp_path: Path, number: signal.Signals, status: int, line: str
) -> None:
    desired = prepared(live)
    process = started(live, desired, tmp_path)
    process.send_signal(number)
    _, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == status, errors
    assert line in errors
    assert "Traceback" not in errors
    assert len([text for text in errors.splitlines() if "stopped" in text]) == bool(line)
    eventually(live, BUILDING, lambda rows: not rows)
    eventually(live, BACKENDS, lambda rows: rows == [(0,)])
    left = inspect(live.endpoint, desired).tables["zep_memory_vectors"].indexes
    assert left[INDEX].usable
    assert not left[f"{INDEX}_new"].usable
    easier = live.schema(dimensions=64, index=Hnsw(column="embedding", m=4, ef_construction=8))
    apply(live.endpoint, easier, passwords=PASSWORDS)
    assert managed(inspect(live.endpoint, easier, PASSWORDS), easier) == expected(easier)


def test_a_session_that_the_server_ends_says_so(live: Live) -> None:
    """Not that what followed could not be done without it."""
    desired = live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    live.owner(f"ALTER TABLE {TABLE} ALTER created_at DROP DEFAULT")
    waiting = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'engram-schema' AND wait_event_type = 'Lock'"
    )

    def end() -> None:
        eventually(live, waiting, bool)
        live.sql(waiting.replace("pid", "pg_terminate_backend(pid)", 1))

    with psycopg.connect(live.server.dsn(live.endpoint.database)) as holder:
        holder.execute(f"SET ROLE {desired.owner}")
        holder.execute(f"LOCK TABLE {TABLE} IN ACCESS SHARE MODE")
        ending = threading.Thread(target=end)
        ending.start()
        with pytest.raises(StepFailed, match="terminating connection due to administrator"):
            apply(live.endpoint, desired)
        ending.join()
