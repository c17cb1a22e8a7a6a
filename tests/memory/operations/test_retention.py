"""Memories that are over are deleted, those alone, and whoever works meanwhile is not kept up."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from memory.__main__ import main
from memory.operations.records import records
from memory.operations.retention import deletion
from memory.operations.retention.policy import Policy
from memory.operations.tenants import Place
from memory.schema.events import silent
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.prepared import (
    as_login,
    fill,
    many,
    prepared,
    session_of,
    standing_as,
)

__all__ = ["database", "fleet", "live", "postgres_server"]

NOW = datetime.now(UTC)


def days(number: float) -> datetime:
    return NOW - timedelta(days=number)


ROWS = (
    {"content": "old event", "created_at": days(400)},
    {"content": "young event", "created_at": days(20)},
    {"content": "old fact", "created_at": days(400), "memory_type": "semantic"},
    {"content": "very old fact", "created_at": days(900), "memory_type": "semantic"},
    {"content": "young diagnosis", "created_at": days(40), "sensitivity": ["pii", "phi"]},
    {"content": "younger diagnosis", "created_at": days(20), "sensitivity": ["phi"]},
)


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["retention", "--json", *arguments]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def contents(live: Live) -> set[str]:
    return {row[0] for row in live.owner("SELECT content FROM memory.zep_memory_vectors")}


@pytest.fixture
def governed(live: Live, monkeypatch: pytest.MonkeyPatch) -> Live:
    """A small memory, and a policy for it."""
    prepared(live)
    standing_as(live, monkeypatch)
    monkeypatch.setenv("ENGRAM_RETENTION_EPISODIC_DAYS", "365")
    monkeypatch.setenv("ENGRAM_RETENTION_SEMANTIC_DAYS", "730")
    monkeypatch.setenv("ENGRAM_RETENTION_SENSITIVITY_DAYS", "phi=30")
    return live


def test_what_is_over_ends_and_nothing_else(
    governed: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(governed, ROWS)
    plan = told(capsys, "--dry-run", code=1)
    place = plan["places"]["memory.zep_memory_vectors"]
    assert (plan["due"], place["of"], place["by_rule"]) == (3, 6, [1, 1, 1])
    assert place["oldest"][:10] == f"{days(900):%Y-%m-%d}"
    assert len(contents(governed)) == 6, "a plan deletes nothing"
    assert told(capsys, "--yes")["deleted"] == {"memory.zep_memory_vectors": 3}
    assert contents(governed) == {"young event", "old fact", "younger diagnosis"}
    assert told(capsys)["due"] == 0


def test_every_end_is_in_both_books(governed: Live, capsys: pytest.CaptureFixture[str]) -> None:
    fill(governed, ROWS)
    told(capsys, "--yes", "--batch-rows", "2")
    login = f"{governed.endpoint.database}_app"
    audit = governed.owner(
        "SELECT actor, operation, tenant_id, rows, jsonb_array_length(ids), request_id"
        " FROM memory.memory_audit ORDER BY at"
    )
    assert audit == [
        (login, "retention", "default", 2, 2, "retention-1"),
        (login, "retention", "default", 1, 1, "retention-1"),
    ]
    with session_of(governed) as session:
        begun, ended = records(session)
    assert begun.detail["due"] == 3
    assert begun.detail["rules"][0] == {"memory_type": "episodic", "days": 365}
    assert ended.detail == {
        "state": "done",
        "begun": 1,
        "deleted": {"memory.zep_memory_vectors": 3},
    }


def test_without_a_rule_everything_is_kept(
    live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(live)
    standing_as(live, monkeypatch)
    fill(live, ROWS)
    assert told(capsys, "--yes") == {"rules": [], "due": 0}
    assert len(contents(live)) == 6


def test_too_much_at_once_is_a_persons_decision(
    governed: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    many(governed, 1200, age_days=400)
    assert main(["retention", "--yes"]) == 1
    assert "1200 of 1200 memories are due, more than 50%" in capsys.readouterr().err
    assert len(contents(governed)) == 1200
    assert told(capsys, "--yes", "--max-share", "1")["deleted"] == {
        "memory.zep_memory_vectors": 1200
    }


def test_a_row_that_others_hold_is_left_and_the_rest_ends(
    governed: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(deletion, "LOCK_MS", 100)
    monkeypatch.setattr(deletion, "PASSES", 1)
    fill(governed, ROWS)
    with session_of(governed) as other, other.transaction():
        other.execute(
            "UPDATE memory.zep_memory_vectors SET content = 'held' WHERE content = 'old event'"
        )
        assert main(["retention", "--yes", "--batch-rows", "1"]) == 1
        assert "2 rows were deleted; others that are due are held" in capsys.readouterr().err
    assert told(capsys, "--yes")["deleted"] == {"memory.zep_memory_vectors": 1}


def test_a_row_that_is_no_longer_due_is_kept(governed: Live) -> None:
    """Another type, given between the look and the deletion."""
    fill(governed, ROWS[:1])
    with session_of(governed) as session:
        ending = deletion.Ending(
            session=session,
            place=Place(tenant="*"),
            policy=Policy.from_environment(),
            now=deletion.server_time(session),
            report=silent,
        )
        (key,) = ending._next(None)
        governed.owner("UPDATE memory.zep_memory_vectors SET memory_type = 'semantic'")
        assert ending._delete([key[1]]) == 0
    assert contents(governed) == {"old event"}


@pytest.mark.parametrize("batches", [0, 3])
def test_a_run_that_was_killed_only_leaves_less_to_do(
    governed: Live, capsys: pytest.CaptureFixture[str], batches: int
) -> None:
    many(governed, 300, age_days=400)
    command = [sys.executable, "-m", "memory", "retention", "--yes", "--batch-rows", "20",
               "--pause-seconds", "0.2"]  # fmt: skip
    process = subprocess.Popen(
        command, env={**os.environ, **as_login(governed)}, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL)  # fmt: skip
    deadline = time.monotonic() + 30
    while len(contents(governed)) > 300 - 20 * batches and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    left = len(contents(governed))
    assert left % 20 == 0, "a batch is gone with its audit, or is there"
    audited = governed.owner("SELECT coalesce(sum(rows), 0) FROM memory.memory_audit")
    assert audited == [(300 - left,)]
    told(capsys, "--yes")
    assert contents(governed) == set()
    assert governed.owner("SELECT sum(rows) FROM memory.memory_audit") == [(300,)]


def test_writers_and_readers_go_on_meanwhile(governed: Live) -> None:
    many(governed, 600, age_days=400)
    many(governed, 100, age_days=1)
    over = threading.Event()
    slowest = [0.0]

    def work() -> None:
        with session_of(governed) as session:
            while not over.is_set():
                began = time.monotonic()
                session.execute("INSERT INTO memory.zep_memory_vectors (session_id, content)"
                                " VALUES ('s', 'new')")  # fmt: skip
                session.execute("SELECT count(*) FROM memory.zep_memory_vectors")
                slowest[0] = max(slowest[0], time.monotonic() - began)

    worker = threading.Thread(target=work)
    worker.start()
    assert main(["retention", "--yes", "--batch-rows", "50"]) == 0
    over.set()
    worker.join()
    assert slowest[0] < 1
    assert not {content for content in contents(governed) if content.startswith("of 400 days")}


@pytest.mark.parametrize(
    ("isolation", "tenants", "names", "gone"),
    [
        ("shared", "", (), {"default", "acme"}),
        ("row", "acme", (), {"default", "acme"}),
        ("row", "acme", ("acme",), {"acme"}),
    ],
)
def test_each_tenants_rows_are_reached(  # noqa: PLR0913, PLR0917 - one row of the table
    live: Live,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    isolation: str,
    tenants: str,
    names: tuple[str, ...],
    gone: set[str],
) -> None:
    prepared(live, by_tenant=isolation == "row")
    standing_as(live, monkeypatch)
    monkeypatch.setenv("ENGRAM_ISOLATION", isolation)
    monkeypatch.setenv("ENGRAM_TENANTS", tenants)
    monkeypatch.setenv("ENGRAM_RETENTION_EPISODIC_DAYS", "365")
    fill(live, [{"tenant_id": t, "created_at": days(400)} for t in ("default", "acme")])
    arguments = [word for name in names for word in ("--tenant", name)]
    deleted = told(capsys, "--yes", *arguments)["deleted"]
    assert sum(deleted.values()) == len(gone)
    audit = live.owner("SELECT tenant_id FROM memory.memory_audit")
    assert {tenant for (tenant,) in audit} == gone


@pytest.mark.parametrize(
    ("variables", "arguments", "text"),
    [
        ({"ENGRAM_ISOLATION": "shared"}, (), "only the tables' owner sees all of them"),
        ({"ENGRAM_ISOLATION": "row"}, ("--tenant", "*"), "only the tables' owner sees all"),
        ({"ENGRAM_ISOLATION": "row"}, ("--tenant", "acme"), "no tenant acme"),
        ({"ENGRAM_ISOLATION": "rows"}, (), "allowed are shared, row, schema, database"),
        ({"ENGRAM_ISOLATION": "schema", "ENGRAM_TENANTS": "acme"}, (), "no such table"),
        ({"ENGRAM_TENANTS": "Acme;"}, (), "Acme; is no name of a tenant"),
    ],
)
def test_rows_that_cannot_be_seen_are_never_called_clean(  # noqa: PLR0913, PLR0917 - one row of the table
    live: Live,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    arguments: tuple[str, ...],
    text: str,
) -> None:
    prepared(live, by_tenant=True)
    standing_as(live, monkeypatch)
    monkeypatch.setenv("ENGRAM_RETENTION_EPISODIC_DAYS", "365")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["retention", *arguments]) == 2
    assert text in capsys.readouterr().err


def test_the_owner_sees_every_tenant(
    live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(live, by_tenant=True)
    standing_as(live, monkeypatch, "migrator")
    monkeypatch.setenv("ENGRAM_ISOLATION", "row")
    monkeypatch.setenv("ENGRAM_RETENTION_EPISODIC_DAYS", "365")
    fill(live, [{"tenant_id": t, "created_at": days(400)} for t in ("default", "acme", "gone")])
    assert told(capsys, "--tenant", "*", code=1)["due"] == 3


def test_a_password_may_be_a_file(
    governed: Live,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Any,
) -> None:
    file = tmp_path / "password"
    file.write_text(f"{os.environ['PGPASSWORD']}\n")
    monkeypatch.delenv("PGPASSWORD")
    monkeypatch.setenv("ENGRAM_DATABASE_PASSWORD_FILE", str(file))
    fill(governed, ROWS)
    assert told(capsys, code=1)["due"] == 3
    file.unlink()
    assert main(["retention"]) == 2
    assert "ENGRAM_DATABASE_PASSWORD_FILE cannot be read" in capsys.readouterr().err


def test_no_content_is_shown(governed: Live, capsys: pytest.CaptureFixture[str]) -> None:
    fill(governed, ROWS)
    main(["retention"])
    main(["retention", "--yes"])
    main(["records", "list", "--json"])
    shown = "".join(capsys.readouterr())
    assert "all memories tagged phi after 30 days: 1" in shown
    assert "diagnosis" not in shown
