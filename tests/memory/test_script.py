"""memory/schema/render.py: the printed script, run by psql as an operator would."""

import subprocess
import threading
import time

import psycopg
import pytest

from memory.schema.model import DesiredSchema, Hnsw
from memory.schema.plan import plan
from memory.schema.render import as_sql
from memory.schema.runner import apply, inspect
from memory.schema.target import expected, managed
from tests.memory.conftest import PASSWORDS, Live
from tests.memory.rows import INDEX, TABLE

BUILDS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
    " AND query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'"
)
VALID = "SELECT indisvalid, indexrelid FROM pg_index WHERE indexrelid = 'memory.{}'::regclass"


def run(live: Live, script: str, *flags: str) -> "subprocess.CompletedProcess[str]":
    binaries = live.server.server.binaries
    dsn = live.server.dsn(live.endpoint.database)
    return subprocess.run(
        [binaries.command("psql"), "-X", "-q", *flags, "-f", "-", dsn],
        env={**binaries.environment},
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def replacement(live: Live) -> tuple[DesiredSchema, str]:
    """A wish for another graph, and the script that brings it."""
    apply(live.endpoint, live.schema(dimensions=8), passwords=PASSWORDS)
    wish = live.schema(dimensions=8, index=Hnsw(column="embedding", m=8))
    return wish, as_sql(plan(inspect(live.endpoint, wish), wish))


def cancel_the_build(live: Live) -> None:
    deadline = time.monotonic() + 20
    while not live.sql(BUILDS):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    live.sql(BUILDS.replace("pid", "pg_cancel_backend(pid)", 1))


def test_the_script_does_what_the_engine_does(live: Live) -> None:
    wish, script = replacement(live)
    answer = run(live, script, "-v", "ON_ERROR_STOP=1")
    assert (answer.returncode, answer.stderr) == (0, "")
    assert managed(inspect(live.endpoint, wish, PASSWORDS), wish) == expected(wish)


@pytest.mark.parametrize("flags", [[], ["-v", "ON_ERROR_STOP=1"]], ids=["goes on", "stops"])
def test_a_cancelled_build_leaves_the_old_index_in_place(live: Live, flags: list[str]) -> None:
    wish, script = replacement(live)
    before = live.owner(VALID.format(INDEX))
    with psycopg.connect(live.server.dsn(live.endpoint.database)) as holder:
        holder.execute(f"SET ROLE {wish.owner}")
        holder.execute(f"LOCK TABLE {TABLE} IN ROW EXCLUSIVE MODE")

        def cancel() -> None:
            cancel_the_build(live)
            holder.rollback()

        cancelling = threading.Thread(target=cancel)
        cancelling.start()
        answer = run(live, script, *flags)
        cancelling.join()
    assert "canceling statement due to user request" in answer.stderr
    assert ("is not finished" in answer.stderr) == (not flags)
    assert live.owner(VALID.format(INDEX)) == before
    apply(live.endpoint, wish, passwords=PASSWORDS)
    assert managed(inspect(live.endpoint, wish, PASSWORDS), wish) == expected(wish)
