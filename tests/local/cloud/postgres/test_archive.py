"""local/cloud/postgres/archive.py: servers as of an instant, out of what another one archived"""

import datetime as dt
import os
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import psycopg
import pytest

from local.cloud.postgres.archive import LIMIT_KIB, Restore
from local.cloud.postgres.errors import PostgresError
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.server import Server
from local.cloud.postgres.waiting import wait_until
from tests.postgres import ADMIN, DATA_KEY, PASSWORD, PostgresServer, default_settings

pytestmark = pytest.mark.slow

SETTINGS = default_settings()
OTHER_KEY = "2f" * 32
SECONDS = 120.0
NUMBERS = count()
MIB = 1 << 20


def run(server: Server, statement: str) -> list[tuple[object, ...]]:
    """Run one statement as the service, and return its rows."""
    with server.superuser() as db:
        cursor = db.execute(statement)
        return cursor.fetchall() if cursor.description else []


def now(server: Server) -> dt.datetime:
    """The instant after everything that was committed until now, and before what comes."""
    time.sleep(0.002)
    instant = run(server, "SELECT clock_timestamp()")[0][0]
    assert isinstance(instant, dt.datetime)
    time.sleep(0.002)
    return instant


def rows(server: Server) -> list[object]:
    return [n for (n,) in run(server, "SELECT n FROM facts ORDER BY n")]


def new(fleet: Fleet, name: str) -> Server:
    return fleet.server(f"psql-{name}-{os.getpid()}-{next(NUMBERS)}")


@pytest.fixture
def source(fleet: Fleet) -> Iterator[Server]:
    """A server with an archive and a table with one row."""
    server = new(fleet, "source")
    server.create(fleet.authority, DATA_KEY, SETTINGS, archived=True)
    server.set_administrator(ADMIN, PASSWORD)
    run(server, "CREATE TABLE facts AS SELECT 1 AS n")
    yield server
    server.remove()


@pytest.fixture
def target(fleet: Fleet) -> Iterator[Server]:
    """A server that is not made yet."""
    server = new(fleet, "target")
    yield server
    server.remove()


def restore(fleet: Fleet, source: Server, target: Server, point: dt.datetime) -> Server:
    target.create(fleet.authority, OTHER_KEY, SETTINGS, Restore(source, point), archived=True)
    return target


def test_a_restore_has_what_was_there_then_and_nothing_later(
    fleet: Fleet, source: Server, target: Server
) -> None:
    made = now(source)
    run(source, "INSERT INTO facts VALUES (2)")
    then = now(source)
    run(source, "DELETE FROM facts")
    run(source, "INSERT INTO facts VALUES (3)")
    assert rows(restore(fleet, source, target, then)) == [1, 2]
    assert rows(source) == [3]
    target.create(fleet.authority, OTHER_KEY, SETTINGS, Restore(source, made))
    assert rows(target) == [1]


def test_a_restore_to_now_has_all_of_a_source_that_nobody_writes_to(
    fleet: Fleet, source: Server, target: Server
) -> None:
    assert rows(restore(fleet, source, target, now(source))) == [1]
    assert run(target, "SELECT pg_is_in_recovery()") == [(False,)]


def test_a_restored_server_takes_writes_and_can_be_restored_itself(
    fleet: Fleet, source: Server, target: Server
) -> None:
    restore(fleet, source, target, now(source))
    run(target, "INSERT INTO facts VALUES (2)")
    then = now(target)
    run(target, "TRUNCATE facts")
    again = new(fleet, "again")
    assert rows(restore(fleet, target, again, then)) == [1, 2]
    again.remove()


def test_a_restored_server_keeps_nothing_of_its_recovery(
    fleet: Fleet, source: Server, target: Server
) -> None:
    restore(fleet, source, target, now(source))
    assert run(target, "SHOW recovery_target_time") == [("",)]
    assert run(target, "SHOW fsync") == [("on",)]
    assert not (target.folder / "replay").exists()
    fleet.publish(target)
    with psycopg.connect(PostgresServer(target, fleet.endpoint).dsn("postgres")) as db:
        assert db.execute("SELECT current_user").fetchone() == (ADMIN,)


def test_what_was_archived_survives_a_killed_server(
    fleet: Fleet, source: Server, target: Server
) -> None:
    run(source, "INSERT INTO facts VALUES (2)")
    then = now(source)
    pid = int((source.data / "postmaster.pid").read_text(encoding="utf-8").split()[0])
    os.kill(pid, 9)
    wait_until(lambda: not source.running, SECONDS, "it lives")
    source.start(DATA_KEY, SETTINGS)
    run(source, "TRUNCATE facts")
    assert rows(restore(fleet, source, target, then)) == [1, 2]


def fill(server: Server, mebibytes: int) -> None:
    """Write as much log, over and over the same rows."""
    run(server, "CREATE TABLE IF NOT EXISTS bulk (t text)")
    for _ in range(mebibytes):
        run(
            server,
            "INSERT INTO bulk SELECT repeat(md5(n::text), 60) FROM generate_series(1, 500) n",
        )
        run(server, "TRUNCATE bulk")


def newest(bases: Path) -> int:
    return max(int(base.name) for base in bases.iterdir())


def filled(server: Server, bases: Path, than: int) -> bool:
    """Whether a newer base stands; write a segment's log where it does not."""
    if newest(bases) > than:
        return True
    fill(server, 16)
    return False


def test_the_archive_is_bounded_and_the_older_base_still_leads_back(
    fleet: Fleet, source: Server, target: Server
) -> None:
    first = source.archive.earliest
    (source.archive.folder / "limit_kib").write_text(str(16 * 1024))
    bases = source.archive.folder / "bases"
    points = {}
    for number in range(2, 6):
        run(source, f"INSERT INTO facts SELECT {number}")
        points[number] = now(source)
        wait_until(partial(filled, source, bases, newest(bases)), SECONDS, "no other base")
    (source.archive.folder / "limit_kib").write_text(str(LIMIT_KIB))
    wait_until(lambda: not (source.archive.folder / "renewing").exists(), SECONDS, "not pruned")
    assert len(list(bases.iterdir())) == 2
    assert first is not None
    assert source.archive.earliest is not None
    assert source.archive.earliest > first
    kept = sum(file.stat().st_blocks * 512 for file in (source.archive.folder / "wal").iterdir())
    assert kept < 600 * MIB
    with pytest.raises(PostgresError, match="no base of before"):
        restore(fleet, source, target, points[2])
    older = source.archive.earliest + dt.timedelta(seconds=1)
    wait_until(lambda: now(source) > older, SECONDS, "still to come")  # a base is named ahead
    there = rows(restore(fleet, source, target, older))
    assert there == [1, 2, 3, 4, 5][: len(there)]
    assert len(there) > 1


def test_a_segment_that_is_mostly_empty_takes_little_room(source: Server) -> None:
    source.archive.flush(source)
    source.archive.flush(source)
    newest = max(source.archive.folder.glob("wal/0*"), key=lambda file: file.name)
    assert newest.stat().st_size == 16 * MIB
    assert newest.stat().st_blocks * 512 < MIB


def test_half_a_base_of_a_killed_server_is_removed_at_its_next_start(source: Server) -> None:
    renewing = source.archive.folder / "renewing"
    renewing.mkdir()
    (renewing / "base").mkdir()
    source.stop()
    source.start(DATA_KEY, SETTINGS)
    assert not renewing.exists()


def test_a_server_that_archives_nothing_is_named(
    source: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.cloud.postgres.archive.ARCHIVED_SECONDS", 0.2)
    (source.archive.folder / "wal").chmod(0)
    source.account.own(Path(source.archive.folder))
    with pytest.raises(PostgresError, match=f"{source.name} archives no log; see"):
        source.archive.flush(source)


def test_a_server_made_without_an_archive_has_no_earliest_instant(
    postgres_server: PostgresServer,
) -> None:
    assert not postgres_server.server.archive.kept
    assert postgres_server.server.archive.earliest is None
