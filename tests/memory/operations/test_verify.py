"""What the mission promises is proven, and each promise that is broken is seen as itself."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from memory.__main__ import main
from memory.encryption.document import Document
from memory.operations.records import append, records
from memory.operations.verify.facts import key_facts
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.encryption.folder_vault import KEY_URI, SECRET_URI, FolderVault, ensure_ring
from tests.memory.operations.prepared import fill, prepared, session_of, standing_as
from tests.memory.operations.rotating import prepared_rows

__all__ = ["database", "fleet", "live", "postgres_server"]

PLACE = "memory.zep_memory_vectors"


@pytest.fixture
def vault(tmp_path: Path) -> FolderVault:
    return FolderVault(tmp_path / "vault")


@pytest.fixture
def proven(live: Live, vault: FolderVault, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Live:
    """A memory with encrypted fields, and the environment of an operation on it."""
    desired = prepared(live)
    prepared_rows(live, vault, 40)
    standing_as(live, monkeypatch)
    file = tmp_path / "desired.json"
    file.write_text(desired.model_dump_json())
    monkeypatch.setattr("memory.operations.rotate_field_keys.setup.AzureVault", lambda: vault)
    monkeypatch.setenv("DESIRED", str(file))
    monkeypatch.setenv("ENGRAM_FIELD_KEY_URI", KEY_URI)
    monkeypatch.setenv("ENGRAM_FIELD_KEYS_SECRET_URI", SECRET_URI)
    monkeypatch.setenv("ENGRAM_ENCRYPTED_FIELDS", "pii,phi,content")
    monkeypatch.setenv("ENGRAM_BLIND_INDEXES", "pii.email")
    monkeypatch.setenv("ENGRAM_RETENTION_EPISODIC_DAYS", "365")
    return live


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["verify", "--json", *arguments]) == code, capsys.readouterr()
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def failing(document: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: one["found"] for one in document["checks"] if not one["ok"]}


def test_a_memory_in_order_is_proven_and_the_proof_entered(
    proven: Live, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seen = told(capsys, "--desired", str(tmp_path / "desired.json"))
    assert seen["ok"] is True
    names = {one["name"] for one in seen["checks"]}
    assert {"tls", f"table {PLACE}", "records of operations", f"encryption in {PLACE}"} <= names
    (figures,) = seen["figures"]["encryption"]
    assert (figures["rows"], figures["rows_encrypted"], figures["coverage"]) == (40, 30, 1.0)
    with session_of(proven) as session:
        (entry,) = records(session, "verify")
    assert entry.position == seen["record"]
    assert entry.detail["ok"] is True
    assert entry.detail["figures"] == seen["figures"]
    assert "person" not in json.dumps(entry.detail)


BREAKS = {
    "in the clear": (
        'UPDATE memory.zep_memory_vectors SET metadata = \'{"pii": "eve"}\', key_id = NULL'
        " WHERE metadata IS NULL AND tenant_id = 'default'",
        f"encryption in {PLACE}",
        "hold something sensitive in the clear",
    ),
    "content in the clear": (
        "UPDATE memory.zep_memory_vectors SET content = 'eve'"
        " WHERE starts_with(content, 'engram:v1:')",
        f"encryption in {PLACE}",
        "coverage",
    ),
    "at another place": (
        'UPDATE memory.zep_memory_vectors SET metadata = \'{"a": [{"phi": {"x": 1}}]}\''
        ' WHERE metadata @> \'{"topic": "nothing sensitive"}\'',
        f"names of sensitive fields in {PLACE}",
        "in the clear: phi in 10 rows",
    ),
    "swapped": (
        "UPDATE memory.zep_memory_vectors a SET metadata = b.metadata, key_id = b.key_id"
        " FROM memory.zep_memory_vectors b WHERE a.metadata IS NULL AND b.metadata ? 'pii'",
        f"decryption in {PLACE}",
        "rows cannot be read",
    ),
    "of an unknown key": (
        "UPDATE memory.zep_memory_vectors SET key_id = 'fields-lost' WHERE key_id IS NOT NULL",
        f"keys in {PLACE}",
        "30 under fields-lost",
    ),
    "over": (
        "UPDATE memory.zep_memory_vectors SET created_at = now() - '368 days'::interval"
        " WHERE metadata IS NULL",
        f"retention in {PLACE}",
        "10 of 40 memories are over for more than 2 days",
    ),
    "entry changed": (
        "UPDATE memory.memory_operations SET detail = '{}'",
        "records of operations",
        "entry 1: it does not say what it was sealed with",
    ),
    "index gone": (
        "DROP INDEX memory.zep_memory_vectors_session_id_idx",
        "index zep_memory_vectors_session_id_idx",
        "absent",
    ),
}


@pytest.mark.parametrize("broken", BREAKS)
def test_each_broken_promise_is_seen_as_itself(
    proven: Live, capsys: pytest.CaptureFixture[str], tmp_path: Path, broken: str
) -> None:
    statement, check, found = BREAKS[broken]
    with session_of(proven) as session:
        append(session, "resize", {"state": "done"})
    proven.owner(statement)
    seen = told(capsys, "--desired", str(tmp_path / "desired.json"), code=1)
    assert found in failing(seen)[check]
    with session_of(proven) as session:
        *_, entry = records(session)
    assert entry.detail["ok"] is False
    assert check in entry.detail["failing"]


def test_an_erasure_that_was_killed_is_seen(
    proven: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    with session_of(proven) as session:
        append(session, "resize", {"state": "begun"})
        append(session, "forget", {"state": "begun"})
    seen = told(capsys, "--without", "schema", code=1)
    assert failing(seen) == {
        "erasures": "begun and not over: entries 2; give the same command again"
    }


def test_older_keys_are_in_order_while_a_rotation_runs(
    proven: Live, capsys: pytest.CaptureFixture[str]
) -> None:
    proven.owner("UPDATE memory.zep_memory_vectors SET key_id = 'fields-old' WHERE key_id = ("
                 "SELECT min(key_id) FROM memory.zep_memory_vectors)")  # fmt: skip
    with session_of(proven) as session:
        append(session, "rotate-field-keys", {"state": "begun"})
    seen = told(capsys, "--without", "schema", code=1)
    assert f"keys in {PLACE}" not in failing(seen)


@pytest.mark.parametrize(("clear", "code"), [(False, 0), (True, 1)])
def test_without_keys_nothing_sensitive_may_be_there(
    live: Live,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    clear: bool,
    code: int,
) -> None:
    prepared(live)
    standing_as(live, monkeypatch)
    fill(live, [{"metadata": {"pii": "eve"} if clear else {"topic": "x"}}])
    seen = told(capsys, "--without", "schema", code=code)
    (figures,) = seen["figures"]["encryption"]
    assert figures == {"rows": 1, "rows_in_the_clear": int(clear), "coverage": 1.0 - clear}
    assert (f"encryption in {PLACE}" in failing(seen)) is clear


@pytest.mark.parametrize(("age_days", "ok"), [(10, True), (100, True), (101, False)])
def test_a_key_grows_old(vault: FolderVault, age_days: int, ok: bool) -> None:
    ensure_ring(vault)
    document = vault.document()
    now = max(entry.created_at for entry in document.keys) + timedelta(days=age_days, hours=1)
    assert key_facts(document, now).ok is ok


def test_no_key_is_no_key_in_time() -> None:
    assert not key_facts(Document(), datetime.now(UTC)).ok


def test_who_may_only_look_proves_without_an_entry(
    proven: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {name: value for name, value in __import__("os").environ.items()
                if name.startswith("ENGRAM_")}  # fmt: skip
    standing_as(proven, monkeypatch, "reader")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    seen = told(capsys, "--without", "schema")
    assert (seen["ok"], seen["record"]) == (True, None)


def test_what_a_person_reads(proven: Live, capsys: pytest.CaptureFixture[str]) -> None:
    proven.owner("UPDATE memory.zep_memory_vectors SET content = 'private words'"
                 " WHERE starts_with(content, 'engram:v1:')")  # fmt: skip
    assert main(["verify", "--without", "schema"]) == 1
    out = "".join(capsys.readouterr())
    assert f"NO  encryption in {PLACE}" in out
    assert "wanted coverage 100%, by rotate-field-keys" in out
    assert "ok  records of operations" in out
    assert "private" not in out
