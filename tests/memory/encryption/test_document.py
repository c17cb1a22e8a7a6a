"""The ring's document: read strictly, written whole, and quoted by no error."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memory.encryption.document import Document, Entry, new_id
from memory.encryption.errors import NoKeys, RingUnreadable, UnknownKey, VaultRefused
from memory.encryption.ring import Key, Ring
from tests.memory.encryption.folder_vault import FolderVault, ensure_ring, new_entry, replace_state

CANARY = "Y2FuYXJ5LTQ3MTE"


def entry(**changed: Any) -> dict[str, Any]:
    return {
        "id": "fields-20261123-aaaa",
        "purpose": "fields",
        "state": "primary",
        "created_at": "2026-11-23T18:00:00Z",
        "retired_at": None,
        "wrapped": CANARY,
        "algorithm": "RSA-OAEP-256",
        "wrapped_by": "https://kv.vault.azure.net/keys/fields/1",
        **changed,
    }


def text(*entries: dict[str, Any], **changed: Any) -> str:
    return json.dumps({"format": 1, "keys": list(entries), **changed})


def test_reads_what_the_program_makes() -> None:
    assert Document.parse('{"format":1,"keys":[]}').keys == ()


def test_is_written_as_it_was_read() -> None:
    whole = Document.parse(text(entry()))
    assert json.loads(whole.dump())["keys"] == [entry(promoted_at=None)]
    assert Document.parse(whole.dump()) == whole


@pytest.mark.parametrize(
    ("document", "match"),
    [
        ("", "document: Invalid JSON"),
        ("[]", "document"),
        (text(format=2), "format"),
        (text(keys=None), "keys"),
        (text(entry(id="short")), r"keys\.0\.id"),
        (text(entry(id="Upper-Case-Id")), r"keys\.0\.id"),
        (text(entry(purpose="other")), "purpose"),
        (text(entry(state="lost")), "state"),
        (text(entry(state="retired")), "retired_at says otherwise"),
        (text(entry(retired_at="2026-11-23T18:00:00Z")), "retired_at says otherwise"),
        (text(entry(created_at="2026-11-23T18:00:00")), "without a time zone"),
        (text(entry(wrapped="no base64!")), "no base64url"),
        (text(entry(extra=CANARY)), "extra"),
        (text(entry(), entry()), "same id"),
        (text(entry(), entry(id="fields-20261123-bbbb")), "both primary for fields"),
    ],
)
def test_refuses_what_is_no_ring_and_quotes_none_of_it(document: str, match: str) -> None:
    with pytest.raises(RingUnreadable, match=match) as refused:
        Document.parse(document)
    assert CANARY not in str(refused.value)
    assert refused.value.__cause__ is None


def test_every_truncation_is_refused() -> None:
    whole = text(entry())
    for length in range(len(whole)):
        with pytest.raises(RingUnreadable):
            Document.parse(whole[:length])


def test_replaces_keys_and_keeps_their_order() -> None:
    one, two = (
        Entry.model_validate(entry()),
        Entry.model_validate(entry(id="fields-20261123-bbbb", state="accepted")),
    )
    three = two.model_copy(update={"id": "fields-20261123-cccc"})
    changed = Document(keys=(one, two)).replacing([three, replace_state(one, "accepted")])
    assert [(e.id[-4:], e.state) for e in changed.keys] == [
        ("aaaa", "accepted"), ("bbbb", "accepted"), ("cccc", "accepted"),
    ]  # fmt: skip
    with pytest.raises(RingUnreadable, match="both primary"):
        Document(keys=(one, two)).replacing([replace_state(two, "primary")])


def test_ids_are_new_and_say_what_for() -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    ids = {new_id("fields", now) for _ in range(100)}
    assert len(ids) == 100
    assert all(one.startswith("fields-20261123-") for one in ids)


def test_a_ring_holds_what_the_vault_unwraps(tmp_path: Path) -> None:
    vault = FolderVault(tmp_path / "vault")
    document = ensure_ring(vault)
    ring = Ring.open(document, vault)
    again = Ring.open(document, FolderVault(tmp_path / "vault"))
    primary = document.primary("fields")
    assert primary is not None
    assert ring.primary("fields").material == again.primary("fields").material
    assert ring.primary("fields").id == primary.id
    assert ring.primary("blind").material != ring.primary("fields").material


def test_a_key_is_unwrapped_once(tmp_path: Path) -> None:
    vault = FolderVault(tmp_path / "vault")
    document = ensure_ring(vault)
    first = Ring.open(document, vault)
    asked = vault.asked
    grown = document.replacing([new_entry(vault, state="accepted")])
    Ring.open(grown, vault, known=first)
    assert vault.asked == asked + 2, "one wrap for the new key, one unwrap of it"


def test_an_older_version_of_the_wrapping_key_unwraps_what_it_wrapped(tmp_path: Path) -> None:
    vault = FolderVault(tmp_path / "vault")
    document = ensure_ring(vault)
    vault.rotate_key()
    grown = document.replacing([new_entry(vault, state="accepted")])
    assert len({e.wrapped_by for e in grown.keys}) == 2
    assert len(list(Ring.open(grown, vault))) == 3


def test_only_a_retired_key_may_be_missing(tmp_path: Path) -> None:
    vault = FolderVault(tmp_path / "vault")
    document = ensure_ring(vault)
    lost = new_entry(vault, state="accepted").model_copy(update={"wrapped_by": "https://gone/1"})
    with pytest.raises(VaultRefused, match="KeyNotFound"):
        Ring.open(document.replacing([lost]), vault)
    ring = Ring.open(document.replacing([replace_state(lost, "retired")]), vault)
    with pytest.raises(UnknownKey, match=lost.id):
        ring.key(lost.id)


def test_a_key_of_another_length_is_refused() -> None:
    with pytest.raises(RingUnreadable, match="31 bytes instead of 32"):
        Key(id="fields-20261123-aaaa", purpose="fields", state="primary", material=b"x" * 31)


def test_a_ring_without_a_primary_key_says_what_to_do() -> None:
    with pytest.raises(NoKeys, match="--ensure"):
        Ring([]).primary("blind")
