"""The memory's own books, read by a second witness: it agrees with who wrote them."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assurance.compliance import books, sql
from assurance.compliance.checks import CHECKS
from assurance.compliance.checks.books import fields, variables
from assurance.compliance.model import Outcome
from assurance.compliance.records import audit, rotation, tde
from assurance.compliance.truths import Truths
from assurance.errors import AssuranceError
from assurance.policies.model import Resource, Stack
from memory.operations.records import append, recorded
from tests.assurance.compliance import truths
from tests.assurance.compliance.truths import AT, clean
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.operations.prepared import as_login, fill, prepared, session_of

__all__ = ["database", "fleet", "live", "postgres_server"]


def entry(position: int, previous: str, **detail: Any) -> dict[str, Any]:
    at = datetime(2026, 11, 23, position, tzinfo=UTC)
    told = {"position": position, "at": at, "operation": "forget", "actor": "a",
            "detail": detail, "previous": previous}  # fmt: skip
    return {**told, "digest": books.seal(told)}


def book(*details: dict[str, Any]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for number, detail in enumerate(details, 1):
        entries.append(entry(number, entries[-1]["digest"] if entries else "0" * 64, **detail))
    return entries


THREE = book({"state": "begun"}, {"state": "deleted", "begun": 1}, {"state": "done", "begun": 1})


@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (lambda _: None, None),
        (lambda b: b[1].update(actor="me"), 2),
        (lambda b: b[2]["detail"].update(state="failed"), 3),
        (lambda b: b.pop(1), 3),
        (lambda b: b.pop(0), 2),
        (lambda b: b[0].update(digest="0" * 64), 1),
        (lambda b: b.insert(1, dict(b[0])), 1),
    ],
)
def test_a_book_that_was_touched_is_broken_there(
    spoil: Callable[[list[dict[str, Any]]], Any], broken: int | None
) -> None:
    touched = [{**one, "detail": {**one["detail"]}} for one in THREE]
    spoil(touched)
    assert books.chain(touched)["broken"] == broken


def test_an_operation_is_over_when_it_says_so() -> None:
    (over,) = books.operations(THREE)
    assert (over["state"], over["begun"][:13], over["ended"][:13]) == (
        "done", "2026-11-23T01", "2026-11-23T03")  # fmt: skip
    (still,) = books.operations(THREE[:2])
    assert (still["state"], still["ended"]) == (None, None)


@pytest.fixture
def place(live: Live, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Where the memory is; the environment leads there, as the administrator."""
    for name, value in live.server.environment(live.endpoint.database).items():
        monkeypatch.setenv(name, value)
    return [(live.endpoint.database, "memory")]


@pytest.fixture
def read(
    live: Live, place: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., dict[str, Any]]:
    """Look at the live memory as the administrator, and at its books as one of its logins."""

    def look(purpose: Any = "reader", **choices: Any) -> dict[str, Any]:
        given, file = as_login(live, purpose), tmp_path / "password"
        file.write_text(given["PGPASSWORD"])
        monkeypatch.setenv("ENGRAM_EVIDENCE_LOGIN", given["PGUSER"])
        monkeypatch.setenv("ENGRAM_EVIDENCE_PASSWORD_FILE", str(file))
        (schema,) = sql.read(place, **choices)["schemas"]
        found: dict[str, Any] = schema["books"]
        return found

    return look


def test_both_witnesses_agree(live: Live, read: Callable[..., dict[str, Any]]) -> None:
    prepared(live)
    proof = {"ok": True, "rows": 5, "rows_encrypted": 2, "coverage": 1.0, "faulty": []}
    with session_of(live) as session:
        with recorded(session, "rotate-field-keys", {"order": "rotate"}) as end:
            end["proof"] = proof
        head = append(session, "forget", {"state": "begun", "rate": 1e30, "é": [0.1, None]})
    found = read()
    assert found["chain"] == {"entries": 3, "broken": None, "head": head.digest}
    rotated, forgotten = found["operations"]
    assert (rotated["order"], rotated["state"]) == ("rotate", "done")
    assert rotated["proof"] == {**{k: proof.get(k) for k in proof if k != "faulty"},
                                "rows_left": None, "rows_faulty": None}  # fmt: skip
    assert (forgotten["operation"], forgotten["state"]) == ("forget", None)
    live.owner("UPDATE memory.memory_operations SET actor = 'me' WHERE position = 2")
    assert read()["chain"]["broken"] == 2


ROWS: tuple[dict[str, Any], ...] = (
    {"metadata": {"pii": "engram:v1:fields-1:t"}, "key_id": "fields-1"},
    {"metadata": {"pii": "clear"}},
    {"metadata": {"phi": {"deep": "clear"}}},
    {"metadata": {"a": {"b": "clear"}}},
    {"metadata": {"topic": "x"}},
    {"content": "clear", "sensitivity": ["pii"]},
    {"content": "engram:v1:fields-1:t", "sensitivity": ["secret"], "key_id": "fields-1"},
    {},
)


@pytest.mark.parametrize(
    ("wanted", "sensitive", "clear"),
    [
        (None, 3, 2),
        (("pii",), 2, 1),
        (("pii", "phi", "a.b"), 4, 3),
        (("content",), 2, 1),
        (("pii", "phi", "content"), 5, 3),
        (("topic",), 1, 1),
    ],
)
def test_what_is_in_the_clear_is_counted(
    live: Live,
    read: Callable[..., dict[str, Any]],
    wanted: tuple[str, ...] | None,
    sensitive: int,
    clear: int,
) -> None:
    prepared(live)
    fill(live, ROWS)
    assert read(fields=wanted)["memories"] == {
        "rows": 8, "sensitive": sensitive, "clear": clear, "by_key": {"fields-1": 2}}  # fmt: skip


@pytest.mark.parametrize(
    ("purpose", "by_tenant", "sees"),
    [("reader", False, True), ("reader", True, False), ("migrator", True, True)],
)
def test_rows_that_are_hidden_are_not_called_encrypted(
    live: Live,
    read: Callable[..., dict[str, Any]],
    purpose: str,
    by_tenant: bool,
    sees: bool,
) -> None:
    prepared(live, by_tenant=by_tenant)
    fill(live, [{"metadata": {"pii": "clear"}, "tenant_id": "acme"}])
    found = read(purpose)
    assert (found["memories"] is not None) is sees
    if found["memories"]:
        assert found["memories"]["clear"] == 1


def test_a_login_that_may_not_see_the_books_says_so(
    live: Live, place: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(live)
    (schema,) = sql.read(place)["schemas"]
    assert schema["books"] == dict.fromkeys(("chain", "operations", "audit", "memories"))
    monkeypatch.setenv("ENGRAM_EVIDENCE_LOGIN", "memory_reader")
    monkeypatch.setenv("ENGRAM_EVIDENCE_PASSWORD_FILE", "/nowhere")
    with pytest.raises(AssuranceError, match="ENGRAM_EVIDENCE_PASSWORD_FILE cannot be read"):
        sql.read(place)


@pytest.mark.usefixtures("place")
def test_a_schema_without_books_has_none(live: Live) -> None:
    (schema,) = sql.read([(live.endpoint.database, "public")])["schemas"]
    assert schema["books"] is None


def with_books(**changed: Any) -> Truths:
    given = clean()
    assert given.database is not None
    schemas = [
        {**schema, "books": {**schema["books"], **changed}} if schema["books"] else schema
        for schema in given.database["schemas"]
    ]
    return replace(given, database={**given.database, "schemas": schemas})


def runs(*listed: dict[str, Any]) -> Truths:
    return with_books(operations=list(listed))


ENSURED = truths.run("rotate-field-keys", "2026-08-20", order="ensure")
FAILED = truths.run("rotate-field-keys", "2026-11-01", order="rotate", state="failed", position=3)
PROVEN = truths.run("rotate-field-keys", "2026-11-02", order="rotate", proof=truths.PROOF)


@pytest.mark.parametrize(
    ("check", "given", "outcome", "words"),
    [
        ("sql-field-encryption", clean(), Outcome.HOLDS, "30 memories with sensitive fields, all"),
        ("sql-field-encryption", with_books(memories=None), Outcome.UNASSESSED, "may not see"),
        ("sql-operations-sealed", clean(), Outcome.HOLDS, "9 entries; every digest was computed"),
        ("sql-operations-sealed", with_books(chain=None), Outcome.UNASSESSED, "memory_reader"),
        ("sql-field-key-rotations", clean(), Outcome.HOLDS, "1 rotations, each proven; the last"),
        ("sql-field-key-rotations", runs(), Outcome.UNASSESSED, "no field key was made"),
        ("sql-field-key-rotations", runs(ENSURED, FAILED), Outcome.FAILS, "entry 3: begun and f"),
        ("sql-field-key-rotations", runs(ENSURED, FAILED, PROVEN), Outcome.HOLDS, "1 rotations"),
        (
            "sql-field-key-rotations",
            runs(truths.run("rotate-field-keys", "2026-07-01", order="ensure")),
            Outcome.FAILS,
            "the last of 2026-07-01 is older than a quarter",
        ),
        (
            "sql-field-key-rotations",
            runs({**PROVEN, "proof": {**truths.PROOF, "ok": False}}),
            Outcome.FAILS,
            "its own proof failed",
        ),
        ("sql-erasures", runs(), Outcome.HOLDS, "none was asked for yet"),
        ("sql-memory-audit", clean(), Outcome.HOLDS, "120 operations on memories, the last"),
    ],
)  # fmt: skip
def test_what_the_books_say(check: str, given: Truths, outcome: Outcome, words: str) -> None:
    seen = CHECKS[check].observe(given, AT)
    assert (seen.outcome, words in seen.found) == (outcome, True), seen.found


def job(**environment: str) -> Stack:
    variables = [{"name": name, "value": value} for name, value in environment.items()]
    container = {"name": "c", "image": "i", "env": variables}
    spec = {"jobTemplate": {"spec": {"template": {"spec": {"containers": [container]}}}}}
    resource = Resource(
        type="kubernetes:batch/v1:CronJob", name="retention", urn="urn:x", raw={"spec": spec}
    )
    return Stack(resources=(resource,), environment="dev")


def test_the_program_says_what_is_to_be_encrypted_and_to_end() -> None:
    assert fields(job(ENGRAM_ENCRYPTED_FIELDS="pii, phi,content")) == ("pii", "phi", "content")
    assert fields(job(OTHER="x")) is None
    assert variables(job(ENGRAM_RETENTION_EPISODIC_DAYS="365"), "ENGRAM_RETENTION_") == {
        "ENGRAM_RETENTION_EPISODIC_DAYS": "365"
    }


@pytest.mark.parametrize(
    ("listed", "outcome", "words"),
    [
        ((), Outcome.UNASSESSED, "has not run yet"),
        (("2026-11-23",), Outcome.HOLDS, "1 runs, the last of 2026-11-23"),
        (("2026-11-19",), Outcome.FAILS, "older than two days"),
    ],
)
def test_a_policy_is_carried_out_daily(
    listed: tuple[str, ...], outcome: Outcome, words: str
) -> None:
    declared = clean().declared
    more = job(ENGRAM_RETENTION_EPISODIC_DAYS="365").resources
    given = runs(*(truths.run("retention", day) for day in listed))
    given = replace(given, declared=replace(declared, resources=(*declared.resources, *more)))
    seen = CHECKS["sql-retention"].observe(given, AT)
    assert (seen.outcome, words in seen.found) == (outcome, True), seen.found


def test_the_folder_holds_what_the_books_say() -> None:
    (field_keys,) = rotation(clean())["operations"]
    assert [one["operation"] for one in field_keys["operations"]][:2] == ["rotate-field-keys"] * 2
    assert tde(clean())["fields"][0]["memories"]["clear"] == 0
    told = audit(clean())
    assert told["book of operations"][0]["chain"]["head"] == "f" * 64
    assert told["operations on memories"][0]["audit"]["entries"] == 120
    assert json.dumps([told, field_keys])
    without = replace(clean(), database=None)
    assert rotation(without)["operations"] == "nobody looked"
