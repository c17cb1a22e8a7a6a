"""``python -m memory rotate-field-keys``: what it asks for, says and returns."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from memory.__main__ import main
from memory.encryption.document import Document
from memory.operations.records import records
from memory.operations.rotate_field_keys import setup
from memory.operations.rotate_field_keys.alone import alone
from memory.operations.rotate_field_keys.errors import EncryptionIsOff, RingChanged, RotationError
from memory.operations.rotate_field_keys.keys import KeyStore
from memory.operations.rotate_field_keys.setup import from_environment
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.encryption.folder_vault import KEY_URI, SECRET_URI, FolderVault
from tests.memory.operations.prepared import prepared, session_of, standing_as
from tests.memory.operations.rotating import prepared_rows, primary

__all__ = ["database", "fleet", "live", "postgres_server"]

ROWS = 20
Command = Callable[..., tuple[int, Any]]


@pytest.fixture
def vault(tmp_path: Path) -> FolderVault:
    return FolderVault(tmp_path / "vault")


@pytest.fixture
def command(
    live: Live,
    vault: FolderVault,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Command:
    """The command with a vault in a folder, as the app's login; returns status and answer."""
    prepared(live)
    standing_as(live, monkeypatch)
    monkeypatch.setenv("ENGRAM_FIELD_KEY_URI", KEY_URI)
    monkeypatch.setenv("ENGRAM_FIELD_KEYS_SECRET_URI", SECRET_URI)
    monkeypatch.setenv("ENGRAM_FIELD_KEYS_GRACE_SECONDS", "0")
    monkeypatch.setattr(setup, "AzureVault", lambda: vault)

    def run(*words: str) -> tuple[int, Any]:
        status = main(["rotate-field-keys", *words, "--json"])
        told = capsys.readouterr()
        return status, json.loads(told.out) if told.out else told.err

    return run


def test_makes_the_first_keys_once(command: Command, live: Live, vault: FolderVault) -> None:
    assert command("--ensure") == (1, {"missing": ["fields", "blind"]})
    assert vault.document() == Document()
    status, answer = command("--ensure", "--yes")
    assert status == 0
    document = vault.document()
    assert answer["made"] == [entry.id for entry in document.keys]
    assert [(e.purpose, e.state) for e in document.keys] == [
        ("fields", "primary"), ("blind", "primary"),
    ]  # fmt: skip
    assert command("--ensure", "--yes") == (0, {"made": []})
    assert vault.document() == document
    with session_of(live) as session:
        states = [r.detail["state"] for r in records(session, "rotate-field-keys")]
    assert states == ["begun", "done"], "what was there already is no operation"


def test_plans_by_default(command: Command, live: Live, vault: FolderVault) -> None:
    prepared_rows(live, vault, ROWS)
    before = vault.document()
    status, plan = command()
    assert status == 1
    assert plan["rows_by_key"] == {primary(before): ROWS - ROWS // 4}
    assert plan["steps"][0] == "publish a new key as accepted"
    assert "wrapped" not in plan["keys"][0]
    assert vault.document() == before


def test_rotates_and_tells_what_it_proved(command: Command, live: Live, vault: FolderVault) -> None:
    prepared_rows(live, vault, ROWS)
    status, answer = command("--yes", "--not-within-days", "0")
    assert status == 0
    new = primary(vault.document())
    assert answer["proof"]["ok"]
    assert answer["proof"]["coverage"] == 1
    assert answer["proof"]["rows_by_key"] == {new: ROWS - ROWS // 4}
    assert [key["state"] for key in answer["keys"]] == ["retired", "primary", "primary"]
    with session_of(live) as session:
        last = [r.detail for r in records(session, "rotate-field-keys")][-1]
    assert last["state"] == "done"
    assert last["proof"] == answer["proof"]
    again, answer = command("--yes")
    assert (again, primary(vault.document())) == (0, new), "the job was started twice"


def test_a_proof_that_fails_is_the_operators_turn(
    command: Command, live: Live, vault: FolderVault
) -> None:
    prepared_rows(live, vault, ROWS)
    live.owner("UPDATE memory.zep_memory_vectors SET tenant_id = 'another'")
    status, told = command("--yes", "--not-within-days", "0")
    assert status == 1
    assert "cannot be decrypted" in told
    assert "example.org" not in told
    with session_of(live) as session:
        assert [r.detail["state"] for r in records(session)][-1] == "stopped"


def test_refuses_beside_another(command: Command, live: Live, vault: FolderVault) -> None:
    prepared_rows(live, vault, 1)
    with session_of(live) as other, alone(other):
        status, told = command("--yes")
    assert status == 2
    assert "another process rotates the field keys" in told


def test_purges_what_no_backup_needs(
    command: Command, live: Live, vault: FolderVault, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared_rows(live, vault, ROWS)
    old = primary(vault.document())
    command("--yes", "--not-within-days", "0")
    status, told = command("--purge")
    assert status == 2
    assert "ENGRAM_BACKUP_RETENTION_DAYS" in told
    monkeypatch.setenv("ENGRAM_BACKUP_RETENTION_DAYS", "7")
    assert command("--purge", "--yes") == (0, {"purged": []})
    entry = vault.document().entry(old)
    assert entry is not None
    assert entry.retired_at is not None
    long_ago = entry.model_copy(update={"retired_at": entry.retired_at - timedelta(days=8)})
    vault.write_secret(SECRET_URI, vault.document().replacing([long_ago]).dump())
    assert command("--purge") == (1, {"purgeable": [old]})
    assert command("--purge", "--yes") == (0, {"purged": [old]})
    assert vault.document().entry(old) is None


def test_says_that_encryption_is_off(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGRAM_FIELD_KEY_URI")
    status, told = command("--yes")
    assert status == 2
    assert "field encryption is off here" in told


def test_says_what_the_vault_refuses(command: Command, vault: FolderVault) -> None:
    vault.refusal = "cannot read the secret: 403 Forbidden; the identity needs a role"
    status, told = command("--yes")
    assert (status, told.strip()) == (2, vault.refusal)


@pytest.mark.parametrize(
    ("environment", "match"),
    [
        ({}, "ENGRAM_FIELD_KEY_URI, ENGRAM_FIELD_KEYS_SECRET_URI not set"),
        ({"ENGRAM_FIELD_KEY_URI": "k"}, "^ENGRAM_FIELD_KEYS_SECRET_URI not set"),
    ],
)
def test_needs_to_know_where_the_keys_are(environment: dict[str, str], match: str) -> None:
    with pytest.raises(EncryptionIsOff, match=match):
        from_environment(environment)


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf"])
def test_a_grace_is_a_number(text: str, vault: FolderVault) -> None:
    environment = {"ENGRAM_FIELD_KEY_URI": KEY_URI, "ENGRAM_FIELD_KEYS_SECRET_URI": SECRET_URI,
                   "ENGRAM_FIELD_KEYS_GRACE_SECONDS": text}  # fmt: skip
    with pytest.raises(RotationError, match=r"a number of 0 or more"):
        from_environment(environment, vault)


def store_of(vault: FolderVault) -> KeyStore:
    return KeyStore(vault=vault, secret_uri=SECRET_URI, key_uri=KEY_URI)


def test_a_key_may_be_given_a_name_and_is_made_once(vault: FolderVault) -> None:
    store = store_of(vault)
    store.ensure()
    assert store.add(key_id="fields-of-winter") == store.add(key_id="fields-of-winter")
    assert [e.id for e in store.read().of("fields")][1:] == ["fields-of-winter"]
    with pytest.raises(RingChanged, match="fields-of-winter was published and waits"):
        store.add(key_id="fields-of-spring")
    assert primary(store.promote()) == "fields-of-winter"
    assert store.promote() == store.read(), "a second time there is nothing to do"
    with pytest.raises(RingChanged, match="is no name of a key"):
        store.add(key_id="Winter!")


def test_a_document_that_somebody_else_writes_is_not_overwritten(vault: FolderVault) -> None:
    store = store_of(vault)
    store.ensure()
    wrap = vault.wrap

    def meanwhile(key_uri: str, material: bytes) -> Any:
        vault.write_secret(SECRET_URI, vault.document().dump())
        return wrap(key_uri, material)

    vault.wrap = meanwhile  # type: ignore[method-assign]  # somebody else, in between
    with pytest.raises(RingChanged, match="nothing was written"):
        store.add()
    assert len(vault.document().of("fields")) == 1


def test_only_a_retired_key_is_purged(vault: FolderVault) -> None:
    store = store_of(vault)
    made = store.ensure()
    with pytest.raises(RingChanged, match="is primary; only a retired key"):
        store.purge([made[0].id])
