"""The book of operations: every entry is sealed with the one before it, whoever writes when."""

import hashlib
import json
import threading
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest

from memory.__main__ import main
from memory.operations.errors import Decision, LedgerMissing, RecordsUnusable
from memory.operations.records import GENESIS, append, recorded, records, seal, unfinished, verify
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.prepared import prepared, session_of, standing_as

__all__ = ["database", "fleet", "live", "postgres_server"]


def test_a_seal_is_what_anybody_can_compute() -> None:
    """Written down once: evidence recomputes it from the same words."""
    at = datetime(2026, 11, 23, 19, 5, 1, 42, tzinfo=timezone(timedelta(hours=1)))
    text = (
        '{"actor":"memory_app","at":"2026-11-23T18:05:01.000042Z","detail":{"a":"é","b":1},'
        f'"operation":"resize","position":1,"previous":"{"0" * 64}"}}'
    )
    sealed = seal(1, at, "resize", "memory_app", {"b": 1, "a": "é"}, GENESIS)
    assert sealed == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "changed",
    [{"position": 2}, {"operation": "forget"}, {"actor": "x"}, {"detail": {}}, {"previous": "1"}],
)
def test_a_seal_covers_every_column(changed: dict[str, Any]) -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    entry = {"position": 1, "operation": "o", "actor": "a", "detail": {"n": 1}, "previous": "0"}
    assert seal(at=at, **entry) != seal(at=at, **{**entry, **changed})  # type: ignore[arg-type]
    assert seal(at=at, **entry) != seal(at=at + timedelta(microseconds=1), **entry)  # type: ignore[arg-type]


def test_entries_follow_each_other(live: Live) -> None:
    prepared(live)
    with session_of(live) as session:
        assert verify(session).rows == 0
        first = append(session, "resize", {"from": "B1ms", "rate": 1e30, "share": 0.1})
        second = append(session, "forget", {"rows": 3})
        assert (first.position, first.previous) == (1, GENESIS)
        assert (second.position, second.previous) == (2, first.digest)
        assert first.actor == f"{live.endpoint.database}_app"
        assert list(records(session)) == [first, second]
        assert list(records(session, "forget")) == [second]
        chain = verify(session)
        assert (chain.ok, chain.rows, chain.head) == (True, 2, second.digest)


def test_an_entry_is_of_its_callers_transaction(live: Live) -> None:
    prepared(live)
    with session_of(live) as session:
        with session.transaction(force_rollback=True):
            append(session, "forget", {})
        assert append(session, "forget", {}).position == 1


def test_all_entries_of_many_writers_are_one_chain(live: Live) -> None:
    prepared(live)
    writers, each = 8, 12

    def write(name: int) -> None:
        with session_of(live) as session:
            for number in range(each):
                append(session, "retention", {"writer": name, "number": number})

    threads = [threading.Thread(target=write, args=(name,)) for name in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with session_of(live) as session:
        assert (verify(session).ok, verify(session).rows) == (True, writers * each)
        told = [(r.detail["writer"], r.detail["number"]) for r in records(session)]
    assert sorted(told) == [(name, number) for name in range(writers) for number in range(each)]


@pytest.mark.parametrize(
    ("statement", "broken", "why"),
    [
        (
            "UPDATE memory.memory_operations SET detail = '{}' WHERE position = 2",
            2,
            "was sealed with",
        ),
        (
            "UPDATE memory.memory_operations SET actor = 'me' WHERE position = 1",
            1,
            "was sealed with",
        ),
        (
            "DELETE FROM memory.memory_operations WHERE position = 2",
            3,
            "an entry is lost: 2 was to follow",
        ),
        (
            "DELETE FROM memory.memory_operations WHERE position = 1",
            2,
            "an entry is lost: 1 was to follow",
        ),
        (
            "UPDATE memory.memory_operations SET previous = 'x' WHERE position = 3",
            3,
            "does not name the entry before",
        ),
    ],
)
def test_whoever_changes_an_entry_is_seen(
    live: Live, statement: str, broken: int, why: str
) -> None:
    prepared(live)
    with session_of(live) as session:
        for number in range(3):
            append(session, "forget", {"rows": number})
        live.owner(statement)
        chain = verify(session)
    assert chain.broken == broken
    assert why in chain.why


def test_a_cut_off_end_is_seen_with_a_note(live: Live) -> None:
    prepared(live)
    with session_of(live) as session:
        entries = [append(session, "forget", {"rows": number}) for number in range(3)]
        noted = (3, entries[2].digest)
        assert verify(session, expected=noted).ok
        live.owner("DELETE FROM memory.memory_operations WHERE position = 3")
        assert verify(session).ok, "the chain alone cannot know"
        assert verify(session, expected=noted).broken == 3
        append(session, "forget", {"rows": 2})
        assert "noted elsewhere" in verify(session, expected=noted).why


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE memory.memory_operations SET actor = 'me'",
        "DELETE FROM memory.memory_operations",
        "TRUNCATE memory.memory_operations",
    ],
)
def test_its_logins_only_add(live: Live, statement: str) -> None:
    prepared(live)
    with session_of(live) as session:
        append(session, "forget", {})
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
            session.execute(statement)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (None, "done"),
        (Decision("too many rows"), "stopped"),
        (ValueError("secret"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_an_operation_says_how_it_ended(
    live: Live, error: BaseException | None, state: str
) -> None:
    prepared(live)
    with session_of(live) as session:
        try:
            with recorded(session, "retention", {"batch": 5}) as result:
                result["rows"] = 7
                assert [r.position for r in unfinished(session)] == [1]
                if error:
                    raise error
        except BaseException as caught:  # noqa: BLE001 - an interrupt is none
            assert caught is error  # noqa: PT017 - of any kind
        assert unfinished(session) == []
        begun, ended = records(session)
    assert begun.detail == {"batch": 5, "state": "begun"}
    told = {} if error is None else {"error": type(error).__name__}
    assert ended.detail == {"rows": 7, "state": state, "begun": 1, **told}


def test_what_cannot_be_entered_is_refused(live: Live) -> None:
    with session_of_admin(live) as session:
        with pytest.raises(LedgerMissing, match="bring the database to its schema first"):
            append(session, "forget", {})
        with pytest.raises(LedgerMissing, match="is not there"):
            list(records(session))
    prepared(live)
    with session_of(live) as session:
        with pytest.raises(RecordsUnusable, match="plain JSON"):
            append(session, "forget", {"at": datetime.now(UTC)})
        with pytest.raises(RecordsUnusable, match="plain JSON"):
            append(session, "forget", {"rate": float("nan")})
    with (
        session_of(live, "reader") as session,
        pytest.raises(LedgerMissing, match="memory_app and memory_migrator may"),
    ):
        append(session, "forget", {})


def session_of_admin(live: Live) -> psycopg.Connection[Any]:
    return psycopg.connect(live.server.dsn(live.endpoint.database), autocommit=True)


def test_the_command(
    live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    prepared(live)
    standing_as(live, monkeypatch)
    with session_of(live) as session:
        append(session, "resize", {"state": "begun"})
        append(session, "forget", {"rows": 4})
        head = append(session, "forget", {"rows": 5}).digest
    assert main(["records", "list", "--json", "--operation", "forget", "--last", "1"]) == 0
    told = json.loads(capsys.readouterr().out)["records"]
    assert [(entry["position"], entry["detail"]) for entry in told] == [(3, {"rows": 5})]
    assert main(["records", "list"]) == 0
    assert f"forget  by {live.endpoint.database}_app: rows 4" in capsys.readouterr().out
    assert main(["records", "verify"]) == 0
    out = capsys.readouterr().out
    assert f"note elsewhere 3:{head}" in out
    assert "begun and not ended: 1 " in out
    assert main(["records", "verify", "--expect", f"3:{head}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    live.owner("UPDATE memory.memory_operations SET operation = 'verify' WHERE position = 2")
    assert main(["records", "verify", "--json"]) == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["broken"] == 2
    assert "entry 2: it does not say what it was sealed with" in captured.err


@pytest.mark.parametrize("text", ["3", "x:00", "3:abc"])
def test_a_note_of_another_form_is_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["records", "verify", "--expect", text])
    assert "is no POSITION:DIGEST" in capsys.readouterr().err
