"""memory/operations/migration_lock.py on a real server, after Zeps that died on the way."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psycopg
import pytest

from memory.__main__ import main
from memory.operations.errors import NotRepairable, NotZepsDatabase, ZepIsAwake
from memory.operations.migration_diagnosis import MIGRATION, TABLES
from memory.operations.migration_lock import repair, status
from tests.memory import zep
from tests.memory.conftest import Live, database, fleet, live, postgres_server

__all__ = ["database", "fleet", "live", "postgres_server"]

UNLOCK = "DELETE FROM zep.bun_migration_locks"
UNMARK = "DELETE FROM zep.bun_migrations"
MARK = "INSERT INTO zep.bun_migrations"
LEFT = {
    "nothing: it never started": ((), []),
    "nothing: it started": ((None,), []),
    "a lock": ((zep.MARK,), [UNLOCK]),
    "a lock and a mark without tables": ((zep.MIGRATE,), [UNLOCK, UNMARK]),
    "a lock beside the tables": ((zep.UNLOCK,), [UNLOCK]),
    "a mark without tables, the lock cleared by hand": ((zep.MIGRATE, zep.UNLOCK), [UNMARK]),
}
"""Before which statement Zep died, or None; a second statement was then run by hand."""


def left(live: Live, state: str) -> list[str]:
    """Prepare the database, let Zep die in it, and return the repairs that are due."""
    zep.prepared(live)
    (deaths, repairs) = LEFT[state]
    if deaths:
        with zep.session(live) as db:
            zep.start(db, dies_before=deaths[0] or "")
            for statement in deaths[1:]:
                db.execute(str(statement))
    return repairs


def starts(live: Live) -> None:
    """Let a Zep start and answer."""
    with zep.session(live) as db:
        zep.start(db)
        db.execute(zep.USE)


def cut(statements: tuple[str, ...]) -> list[str]:
    return [" ".join(statement.split()[:3]) for statement in statements]


@pytest.mark.parametrize("state", LEFT)
def test_status_says_what_a_repair_does_and_a_second_repair_nothing(live: Live, state: str) -> None:
    repairs = left(live, state)
    looked = status(live.endpoint)
    assert cut(tuple(problem.repair or "" for problem in looked.problems)) == repairs
    assert (looked.ok, looked.done) == (not repairs, ())
    assert status(live.endpoint).problems == looked.problems, "looking changes nothing"
    mended = repair(live.endpoint)
    assert (cut(mended.done), mended.ok) == (repairs, True)
    assert repair(live.endpoint).done == ()
    starts(live)
    found = status(live.endpoint).found
    assert (found.marks, found.tables, found.locked) == ((MIGRATION,), TABLES, False)


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("a lock and a mark without tables", psycopg.errors.UniqueViolation),
        (
            "a mark without tables, the lock cleared by hand",
            psycopg.errors.UndefinedTable,
        ),
    ],
)
def test_what_a_killed_zep_leaves_does_keep_the_next_from_working(
    live: Live, state: str, error: type[psycopg.Error]
) -> None:
    left(live, state)
    with pytest.raises(error, match=r"bun_migration_locks_table_name_key|\"users\" does not exist"):
        starts(live)


def test_data_survive_a_repair(live: Live) -> None:
    left(live, "a lock beside the tables")
    with zep.session(live) as db:
        db.execute(zep.USE)
    assert cut(repair(live.endpoint).done) == [UNLOCK]
    starts(live)
    with zep.session(live) as db:
        assert db.execute("SELECT user_id FROM users").fetchall() == [("u",)]


def test_a_mark_that_somebody_deleted_is_set_again(live: Live) -> None:
    """The recipe that empties both of bun's tables, tried where only the lock was left."""
    left(live, "a lock beside the tables")
    with zep.session(live) as db:
        db.execute("DELETE FROM bun_migration_locks; DELETE FROM bun_migrations")
        with pytest.raises(psycopg.errors.DuplicateObject, match="role_type_enum"):
            db.execute(zep.MIGRATE)
    assert cut(repair(live.endpoint).done) == [MARK]
    starts(live)


def test_what_no_killed_migration_leaves_is_a_persons_to_decide(live: Live) -> None:
    left(live, "a lock beside the tables")
    with zep.session(live) as db:
        db.execute("DROP TABLE messages")
    with pytest.raises(
        NotRepairable, match=r"only users, sessions are there; .*restore the database"
    ):
        repair(live.endpoint)
    assert status(live.endpoint).found.locked, "a repair is all or nothing"


def test_nothing_is_repaired_while_zep_is_connected(live: Live) -> None:
    left(live, "a lock and a mark without tables")
    before = status(live.endpoint)
    with zep.session(live) as db:
        pid = db.info.backend_pid
        with pytest.raises(ZepIsAwake, match=rf"process {pid} \(idle, .*kubectl scale .* -n zep"):
            repair(live.endpoint)
        assert [session.pid for session in status(live.endpoint).found.sessions] == [pid]
    assert status(live.endpoint).problems == before.problems
    assert repair(live.endpoint).ok


def test_a_zep_in_the_middle_of_its_migration_is_not_disturbed(live: Live) -> None:
    """Its rows look exactly like a dead Zep's: only its session tells them apart."""
    left(live, "a lock and a mark without tables")
    with zep.session(live) as db, db.transaction():
        db.execute(zep.MIGRATE)
        with pytest.raises(ZepIsAwake, match=f"process {db.info.backend_pid} "):
            repair(live.endpoint)
    assert cut(repair(live.endpoint).done) == [UNLOCK]
    starts(live)


def test_locked_books_are_waited_for_briefly(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.operations.migration_lock.LOCK_TIMEOUT_MS", 50)
    left(live, "a lock")
    with zep.session(live) as db, db.transaction():
        db.execute(zep.UNLOCK)
        with pytest.raises(
            ZepIsAwake, match=rf"in use: process {db.info.backend_pid} \(idle in tr"
        ):
            repair(live.endpoint)


def test_a_zep_that_starts_during_the_repair_waits_and_finds_order(live: Live) -> None:
    left(live, "a lock and a mark without tables")
    done: list[str] = []
    zeps: list[threading.Thread] = []

    def said(statement: str) -> None:
        done.append(statement)
        if not zeps:
            zeps.append(threading.Thread(target=starts, args=[live]))
            zeps[0].start()
            waits(live)

    assert repair(live.endpoint, said=said).ok
    zeps[0].join(20)
    assert not zeps[0].is_alive()
    found = status(live.endpoint).found
    assert (found.marks, found.tables, found.locked) == ((MIGRATION,), TABLES, False)


def waits(live: Live) -> None:
    """Return when a session of Zep's login waits for a lock."""
    query = (
        "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE NOT l.granted AND a.usename = current_database() || '_zep'"
    )
    deadline = time.monotonic() + 20
    while live.sql(query) == [(0,)]:
        assert time.monotonic() < deadline, "no Zep waits"
        time.sleep(0.02)


@pytest.mark.parametrize("statement", [1, 2])
def test_a_killed_repair_has_changed_nothing(live: Live, statement: int) -> None:
    left(live, "a lock and a mark without tables")
    before = status(live.endpoint).problems
    killed = subprocess.run(
        [sys.executable, "-m", "tests.memory.operations.killed", str(statement)],
        env={**os.environ, **live.server.environment(live.endpoint.database)},
        text=True,
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert status(live.endpoint).problems == before
    assert repair(live.endpoint).ok
    starts(live)


def test_zeps_own_login_may_repair(live: Live) -> None:
    left(live, "a lock")
    own = replace(
        live.endpoint, user=f"{live.endpoint.database}_zep", password=zep.PASSWORDS["owner"]
    )
    assert cut(repair(own).done) == [UNLOCK]


def test_another_database_or_a_stranger_is_told_so(live: Live) -> None:
    with pytest.raises(NotZepsDatabase, match="has no schema zep: set PGDATABASE"):
        status(live.endpoint)
    desired = zep.prepared(live)
    live.sql(f"REVOKE {desired.owner} FROM CURRENT_USER GRANTED BY CURRENT_USER")
    with pytest.raises(NotZepsDatabase, match=f"may not act as it: .*run GRANT {desired.owner} TO"):
        status(live.endpoint)


def test_command_line(
    live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left(live, "a lock and a mark without tables")
    for key, value in live.server.environment(live.endpoint.database).items():
        monkeypatch.setenv(key, value)
    assert main(["zep", "repair"]) == 1
    text = capsys.readouterr().out
    assert f"a repair would run: {UNLOCK} WHERE" in text
    assert "kubectl scale statefulset zep-api --replicas=0 -n zep\nThen: python -m memory" in text
    assert main(["zep", "status", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["found"]["locked"] is True
    with zep.session(live):
        assert main(["zep", "repair", "--yes"]) == 2
        assert "is connected" in capsys.readouterr().err
    assert main(["zep", "repair", "--yes", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["ok"], cut(tuple(answer["done"]))) == (True, [UNLOCK, UNMARK])
    assert main(["zep", "status"]) == 0
    assert "schema zep: Zep can start\n" in capsys.readouterr().out
