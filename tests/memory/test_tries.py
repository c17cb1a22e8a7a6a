"""memory/schema/tries.py: a change that cannot have its lock leaves the table to its readers."""

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from memory.schema.errors import LockTimeout
from memory.schema.events import Event, Patience
from memory.schema.runner import apply, inspect, open_direct, open_reader, open_run
from memory.schema.verify import verify
from memory.schema.watch import Watch
from tests.memory.conftest import PASSWORDS, Live
from tests.memory.rows import TABLE

PATIENCE = Patience(lock_timeout_ms=300, retry_seconds=8)


@contextmanager
def held(live: Live, mode: str = "ACCESS SHARE") -> Iterator[int]:
    """A transaction that goes on and on; its process."""
    with psycopg.connect(live.server.dsn(live.endpoint.database)) as holder:
        holder.execute(f"SET ROLE {live.endpoint.database}_migrator")
        holder.execute(f"LOCK TABLE {TABLE} IN {mode} MODE")
        yield holder.info.backend_pid


def drifted(live: Live) -> None:
    apply(live.endpoint, live.schema(), passwords=PASSWORDS)
    live.owner(f"ALTER TABLE {TABLE} ALTER created_at DROP DEFAULT")


def waits(live: Live, over: threading.Event, found: list[float]) -> None:
    """Read as an application does, and note how long each query took."""
    with psycopg.connect(live.server.dsn(live.endpoint.database), autocommit=True) as reader:
        reader.execute(f"SET ROLE {live.endpoint.database}_reader")
        while not over.wait(0.005):
            began = time.monotonic()
            reader.execute(f"TABLE {TABLE} LIMIT 1")
            found.append(time.monotonic() - began)


def test_readers_have_three_quarters_of_the_time_to_themselves(live: Live) -> None:
    drifted(live)
    over, found = threading.Event(), list[float]()
    reader = threading.Thread(target=waits, args=(live, over, found))
    live.sql(f"GRANT {live.endpoint.database}_reader TO CURRENT_USER")
    with held(live) as pid:
        reader.start()
        began = time.monotonic()
        with pytest.raises(LockTimeout, match=rf"process {pid} .*not to be had in 8 s"):
            apply(live.endpoint, live.schema(), passwords=PASSWORDS, patience=PATIENCE)
        elapsed = time.monotonic() - began
        over.set()
        reader.join()
    assert found
    assert sum(seconds for seconds in found if seconds > 0.1) / elapsed < 0.28
    assert max(found) < 0.9


def test_a_change_goes_on_soon_after_the_transaction_in_its_way_has_ended(live: Live) -> None:
    drifted(live)
    events: list[Event] = []
    ended: list[float] = []
    patience = Patience(lock_timeout_ms=200, retry_seconds=60)

    def report(event: Event) -> None:
        events.append(event)

    def hold() -> None:
        with held(live):
            while len([event for event in events if event.kind == "waiting"]) < 5:
                time.sleep(0.05)
            time.sleep(0.3)
        ended.append(time.monotonic())

    holder = threading.Thread(target=hold)
    holder.start()
    apply(live.endpoint, live.schema(), passwords=PASSWORDS, patience=patience, report=report)
    late = time.monotonic() - ended[0]
    holder.join()
    assert late < 2.2  # the fifth pause alone is longer


@pytest.mark.parametrize("command", ["inspect", "verify", "apply"])
def test_reading_the_catalog_names_who_has_a_table_alone(
    live: Live, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    desired = live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    impatient = Patience(lock_timeout_ms=300, retry_seconds=0.5)
    monkeypatch.setattr("memory.schema.runner.PATIENT", impatient)
    commands = {
        "inspect": lambda: inspect(live.endpoint, desired),
        "verify": lambda: verify(live.endpoint, desired),
        "apply": lambda: apply(live.endpoint, desired, patience=impatient),
    }
    with (
        held(live, "ACCESS EXCLUSIVE") as pid,
        pytest.raises(LockTimeout, match=rf"reading the catalog: .*process {pid} \(engramadmin"),
    ):
        commands[command]()


def test_a_run_has_no_lock_timeout_of_its_builds_left_over(live: Live) -> None:
    """A build waits as long as it takes; what is read after it does not."""
    desired = live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    live.owner(f"DROP INDEX memory.{TABLE.partition('.')[2]}_session_id_idx")
    seen: list[str] = []
    with open_run(live.endpoint, patience=PATIENCE) as run:
        execute = type(run)._execute

        def watched(statement: str) -> None:
            execute(run, statement)
            if re.match("SET|RESET|CREATE INDEX", statement):
                row = run.session.execute("SHOW lock_timeout").fetchone()
                seen.append(row[0] if row else "")

        run._execute = watched  # type: ignore[method-assign]  # to look after each statement
        run.to(desired)
    assert {*seen[:-1]} == {"0"}
    assert seen[-1] == "300ms"


def test_looking_has_no_time_out_of_queries(live: Live) -> None:
    database = live.endpoint.database
    live.sql(f"ALTER DATABASE {database} SET statement_timeout = '5s'")
    with open_reader(live.endpoint) as session:
        shown = [session.execute(f"SHOW {n}_timeout").fetchone() for n in ("statement", "lock")]
    assert shown == [("0",), ("2s",)]


def test_a_watch_without_a_pause_keeps_one_all_the_same(live: Live) -> None:
    looks: list[float] = []
    watch = Watch(
        lambda: open_direct(live.endpoint),
        lambda _: looks.append(time.monotonic()),
        first=0,
        every=0,
        blind=pytest.fail,
    )
    with watch:
        time.sleep(1)
    assert 0 < len(looks) <= 20
