"""What is remembered of somebody goes, everywhere and of nobody else, and the paper says what."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory.__main__ import main
from memory.operations.forget import cli
from memory.operations.forget.http import Service
from memory.operations.records import append, records, unfinished, verify
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.prepared import as_login, fill, prepared, session_of, standing_as
from tests.memory.operations.remembering import KEY, Remembered, remembering

__all__ = ["database", "fleet", "live", "postgres_server"]

ADA = hashlib.sha256(b"user\ndefault\nada").hexdigest()
ROWS = (
    {"content": "ada 1", "session_id": "a1", "user_id": "ada"},
    {"content": "ada 2", "session_id": "a1"},
    {"content": "ada 3", "session_id": "a2", "user_id": "ada"},
    {"content": "ada 4", "session_id": "lone", "user_id": "ada"},
    {"content": "ada 5", "session_id": "lone"},
    {"content": "ada 6", "session_id": "room", "user_id": "ada"},
    {"content": "bob 1", "session_id": "room", "user_id": "bob"},
    {"content": "nobody's", "session_id": "room"},
    {"content": "bob 2", "session_id": "b1", "user_id": "bob"},
    {"content": "ada 7", "session_id": "only-zep"},
)
BOBS = {"bob 1", "bob 2", "nobody's"}


@pytest.fixture
def services() -> Iterator[Remembered]:
    with remembering() as held:
        yield held


@pytest.fixture
def held(
    live: Live, services: Remembered, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Remembered:
    """Memories of two people in all three systems."""
    prepared(live)
    fill(live, ROWS)
    for user, session, messages in (
        ("ada", "a1", ["m1", "m2"]),
        ("ada", "a2", ["m3"]),
        ("ada", "only-zep", ["m4"]),
        (None, "lone", ["m5"]),
        ("bob", "b1", ["m6"]),
        ("bob", "room", ["m7"]),
    ):
        services.remember(user, session, messages)
    standing_as(live, monkeypatch)
    monkeypatch.setattr("memory.operations.forget.http.PAUSES_SECONDS", (0.01, 0.02))
    file = tmp_path / "key"
    file.write_text(f"{KEY}\nk-other\n")
    for name, value in {
        "ENGRAM_ZEP_URL": services.url,
        "ENGRAM_ZEP_API_KEY_FILE": str(file),
        "ENGRAM_GRAPHITI_URL": services.url,
        "ENGRAM_BACKUP_RETENTION_DAYS": "35",
        "ENGRAM_GRAPH_BACKUP_RETENTION_DAYS": "14",
    }.items():
        monkeypatch.setenv(name, value)
    return services


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["forget", "--json", *arguments]) == code, capsys.readouterr().err
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def contents(live: Live) -> set[str]:
    return {row[0] for row in live.owner("SELECT content FROM memory.zep_memory_vectors")}


def bobs_alone(live: Live, held: Remembered) -> None:
    assert contents(live) == BOBS
    assert held.users == {"bob"}
    assert held.sessions == {"b1": "bob", "room": "bob"}
    assert {group for group, episodes in held.groups.items() if episodes} == {"b1", "room", "bob"}


def test_a_plan_counts_and_deletes_nothing(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = told(capsys, "--user", "ada", code=1)
    assert plan["subject"] == ADA
    assert plan["found"] == {
        "rows": 7, "sessions": 4, "apart": 1, "shared": 1, "in_zep": 5, "in_graph": 5,
        "members": 0}  # fmt: skip
    assert not [one for one in held.asked if not one.startswith("GET ")]
    assert len(contents(live)) == len(ROWS)
    with session_of(live) as session:
        assert list(records(session)) == []


def test_a_person_is_forgotten_and_nobody_else(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "certificate.json"
    paper = told(
        capsys, "--user", "ada", "--yes", "--reference", "T-17", "--certificate", str(file)
    )
    bobs_alone(live, held)
    assert json.loads(file.read_text(encoding="utf-8")) == paper
    assert paper["subject"]["sha256"] == ADA
    assert paper["reference"] == "T-17"
    ids = live.owner("SELECT jsonb_array_elements_text(ids) FROM memory.memory_audit ORDER BY 1")
    text = "".join(f"{one}\n" for (one,) in ids)
    assert paper["deleted"] == {
        "memories": {"rows": 7, "ids_sha256": hashlib.sha256(text.encode()).hexdigest()},
        "zep": {"users": 1, "sessions": 4},
        "graph": {"groups": 5, "episodes": 0},
    }
    assert paper["found_afterwards"] == {"memories": 0, "zep": 0, "graph": 0}
    assert paper["remains"][0].startswith("1 sessions that others have memories in")
    until = [datetime.fromisoformat(one["until"]) for one in paper["backups"]]
    ended = datetime.fromisoformat(paper["ended_at"])
    assert [each - ended for each in until] == [timedelta(days=35), timedelta(days=14)]
    assert datetime.now(UTC) - ended < timedelta(minutes=1)


def test_no_name_and_no_content_is_in_any_book(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = told(capsys, "--user", "ada", "--yes")
    with session_of(live) as session:
        told_in_book = json.dumps([record.as_data() for record in records(session)])
        assert verify(session).ok
        assert unfinished(session) == []
        (end,) = [r for r in records(session) if r.detail["state"] == "done"]
    assert paper["sealed"] == {"position": end.position, "digest": end.digest}
    for word in ("ada", "a1", "lone", "private", "m1", KEY):
        assert f'"{word}' not in told_in_book + json.dumps(paper)
    audit = live.owner("SELECT session_id, operation, request_id FROM memory.memory_audit")
    assert set(audit) == {(None, "forget", "forget-1")}
    assert held.asked


def test_a_conversation_is_forgotten_and_the_person_is_not(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = told(capsys, "--session", "a1", "--yes")
    assert contents(live) == {str(row["content"]) for row in ROWS if row["session_id"] != "a1"}
    assert held.users == {"ada", "bob"}
    assert "a1" not in held.sessions
    assert "a1" not in held.groups
    assert held.groups["ada"] == ["ada-m3", "ada-m4"], "what was said there is out of the person's"
    assert paper["deleted"]["zep"] == {"users": 0, "sessions": 1}
    assert paper["deleted"]["graph"] == {"groups": 1, "episodes": 2}
    assert any("facts that the graphs of its users drew" in one for one in paper["remains"])


def test_a_second_time_shows_the_same_paper(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = told(capsys, "--user", "ada", "--yes")
    assert told(capsys, "--user", "ada")["found"]["rows"] == 0
    assert told(capsys, "--user", "ada", "--yes") == paper
    fill(live, ROWS[:1])
    held.remember("ada", "a9", ["m9"])
    again = told(capsys, "--user", "ada", "--yes")
    assert again["deleted"]["memories"]["rows"] == 1
    bobs_alone(live, held)


def test_of_somebody_unknown_the_paper_says_nothing_was_there(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = told(capsys, "--user", "eve", "--yes")
    assert paper["deleted"]["memories"]["rows"] == 0
    assert len(contents(live)) == len(ROWS)
    assert held.users == {"ada", "bob"}


# Events of a run: 0 to 4 groups of the graph, 5 the session that Zep has without a user, 6 to 12
# rows, 13 Zep's user, 14 to 18 the groups once more; with 19 it gets to its end.
SOME = (4, 8, 13)
EVENTS = [
    event if event in SOME else pytest.param(event, marks=pytest.mark.slow) for event in range(20)
]


@pytest.mark.parametrize("event", EVENTS)
def test_a_kill_leaves_nothing_half_forgotten(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str], event: int
) -> None:
    """After each deletion of a service, and after each row."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.memory.operations.killed_forget", str(event), "forget",
         "--user", "ada", "--yes"],
        env={**os.environ, **as_login(live)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    killed = done.returncode != 0
    assert killed == (event < 19)
    with session_of(live) as session:
        assert len(unfinished(session)) == int(killed)
    if killed:
        assert told(capsys, "--user", "ada", code=1)["under_way"] is True
    paper = told(capsys, "--user", "ada", "--yes")
    bobs_alone(live, held)
    assert paper["begun"]["position"] == 1
    assert paper["deleted"]["memories"]["rows"] == 7, "of both runs"
    with session_of(live) as session:
        assert unfinished(session) == []
        assert verify(session).ok


def test_zep_that_cannot_reach_its_graph_leaves_no_graph_behind(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its rows are gone, it answers 500, and nobody could name the groups any more."""

    def fall(request: str) -> None:
        if request.startswith("DELETE /group/") and not {"ada", "a1", "a2"} & {*held.groups}:
            held.graph_down = True

    held.meanwhile = fall
    assert main(["forget", "--user", "ada", "--yes"]) == 2
    err = capsys.readouterr().err
    assert "Graphiti answered 500" in err or "Zep answered 500" in err
    with session_of(live) as session:
        assert len(unfinished(session)) == 1
    held.meanwhile = lambda _: None
    held.graph_down = False
    told(capsys, "--user", "ada", "--yes")
    bobs_alone(live, held)


def test_what_is_written_meanwhile_is_forgotten_too(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str]
) -> None:
    late = [True]

    def write(request: str) -> None:
        if request.startswith("DELETE /api/v2/users/") and late.pop():
            late.append(False)
            fill(live, [{"content": "late", "user_id": "ada", "session_id": "a3"}])
            held.groups["a1"] = ["a1-late"]

    held.meanwhile = write
    paper = told(capsys, "--user", "ada", "--yes")
    bobs_alone(live, held)
    assert paper["deleted"]["memories"]["rows"] == 8


def test_who_goes_on_writing_is_told_of(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str]
) -> None:
    def write(request: str) -> None:
        if request.startswith("DELETE /api/v2/users/"):
            fill(live, [{"content": "late", "user_id": "ada"}])

    held.meanwhile = write
    assert main(["forget", "--user", "ada", "--yes"]) == 1
    assert "1 memories" in (err := capsys.readouterr().err)
    assert "somebody writes for this subject" in err
    with session_of(live) as session:
        assert len(unfinished(session)) == 1


@pytest.mark.parametrize("faults", [[503], [500, 429], [502, 500]])
def test_a_service_that_is_busy_is_asked_again(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str], faults: list[int]
) -> None:
    held.faults = faults
    told(capsys, "--user", "ada", "--yes")
    bobs_alone(live, held)


@pytest.mark.parametrize(
    ("variables", "arguments", "text"),
    [
        ({"ENGRAM_ZEP_URL": ""}, (), "or say --without zep"),
        ({"ENGRAM_ZEP_API_KEY_FILE": "/nowhere"}, (), "cannot be read, or is empty"),
        ({"ENGRAM_GRAPHITI_URL": ""}, (), "or say --without graph"),
        ({"ENGRAM_GRAPHITI_URL": "graphiti:8003"}, (), "is no http"),
        ({"ENGRAM_BACKUP_RETENTION_DAYS": ""}, (), "until when backups hold"),
        ({"ENGRAM_BACKUP_RETENTION_DAYS": "a month"}, (), "give whole days"),
        ({"ENGRAM_ISOLATION": "row"}, (), "say whose by --tenant"),
        ({"ENGRAM_ISOLATION": "row"}, ("--tenant", "acme"), "no tenant acme"),
        ({}, ("--tenant", "acme"), "no tenant acme"),
    ],
)
def test_what_cannot_be_complete_is_refused(  # noqa: PLR0913, PLR0917 - one row of the table
    live: Live,
    held: Remembered,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variables: dict[str, str],
    arguments: tuple[str, ...],
    text: str,
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert main(["forget", "--user", "ada", "--yes", *arguments]) == 2
    assert text in capsys.readouterr().err
    assert len(contents(live)) == len(ROWS)
    assert not [one for one in held.asked if one.startswith("DELETE")]


@pytest.mark.parametrize("variable", ["ENGRAM_ZEP_URL", "ENGRAM_GRAPHITI_URL"])
def test_a_wrong_address_is_not_an_empty_one(
    live: Live,
    held: Remembered,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
) -> None:
    """It answers 404 to everything, as if nothing were remembered."""
    monkeypatch.setenv(variable, f"{held.url}/elsewhere")
    assert main(["forget", "--user", "ada", "--yes"]) == 2
    assert "is its address right? Nothing was deleted" in capsys.readouterr().err
    assert len(contents(live)) == len(ROWS)


def test_a_wrong_key_deletes_nothing(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("k-wrong")
    assert main(["forget", "--user", "ada", "--yes"]) == 2
    err = capsys.readouterr().err
    assert "Zep answered 401 to GET: are its address and key right?" in err
    assert "k-wrong" not in err
    assert len(contents(live)) == len(ROWS)
    assert held.users == {"ada", "bob"}


def test_a_system_may_be_left_out_and_the_paper_says_so(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str]
) -> None:
    paper = told(capsys, "--user", "ada", "--yes", "--without", "zep", "--without", "graph")
    assert contents(live) == {*BOBS, "ada 7"}, "whose it is, only Zep knows"
    assert paper["found_afterwards"]["zep"] == "not looked at"
    assert "whatever Zep holds: it was left out on request" in paper["remains"]
    assert held.asked == []


def test_only_the_named_tenants_person_is_meant(
    live: Live, services: Remembered, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    prepared(live, by_tenant=True)
    fill(live, [{"content": t, "user_id": "ada", "tenant_id": t} for t in ("default", "acme")])
    standing_as(live, monkeypatch)
    monkeypatch.setenv("ENGRAM_ISOLATION", "row")
    monkeypatch.setenv("ENGRAM_TENANTS", "acme")
    arguments = ("--user", "ada", "--without", "zep", "--without", "graph", "--backup-days", "7")
    told(capsys, *arguments, "--tenant", "acme", "--yes")
    with session_of(live, "migrator") as session:
        session.execute("SET engram.tenant = '*'")
        left = session.execute("SELECT content FROM memory.zep_memory_vectors").fetchall()
    assert left == [("default",)]
    assert services.asked == []


def test_one_erasure_at_a_time(
    live: Live, held: Remembered, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(cli, "LOCK_SECONDS", 0.3)
    with session_of(live) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", cli.LOCK_KEY)
        assert main(["forget", "--user", "ada", "--yes"]) == 2
    assert "another erasure is under way" in capsys.readouterr().err
    assert held.users == {"ada", "bob"}


def test_a_name_need_not_be_in_the_list_of_processes(
    live: Live, held: Remembered, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], tmp_path: Path,
) -> None:  # fmt: skip
    file = tmp_path / "name"
    file.write_text("ada\n")
    with file.open(encoding="utf-8") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        told(capsys, "--user", "-", "--yes")
    bobs_alone(live, held)


def test_an_earlier_book_of_somebody_else_does_not_count(
    live: Live, held: Remembered, capsys: pytest.CaptureFixture[str]
) -> None:
    with session_of(live) as session:
        append(session, "forget", {"state": "begun", "subject": "0" * 64})
    assert told(capsys, "--user", "ada", "--yes")["begun"]["position"] == 2
    with session_of(live) as session:
        assert [one.position for one in unfinished(session)] == [1]
    assert held.asked


@pytest.mark.parametrize("name", ["a/../b", "ü?x=1#y", "a b%2F"])
def test_a_name_is_one_part_of_an_address(services: Remembered, name: str) -> None:
    services.remember(name, "s", [])
    zep = Service(name="Zep", url=services.url, headers={"Authorization": f"Api-Key {KEY}"})
    assert zep.get("api", "v2", "users", name) == {"user_id": name}
