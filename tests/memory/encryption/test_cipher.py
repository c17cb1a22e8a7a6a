"""Fields come back as they were, in their own place alone, and nowhere else."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from cryptography.fernet import Fernet

from memory.encryption.cipher import Binding, FieldCipher, is_ciphertext, key_id_of
from memory.encryption.document import Purpose, State
from memory.encryption.errors import FieldsRefused, NoKeys, Undecryptable, UnknownKey
from memory.encryption.ring import Key, Ring

ROW = UUID("6f1f0c5e-7d1a-4a57-9a35-0d1cf7c0c0de")
OTHER_ROW = UUID("6f1f0c5e-7d1a-4a57-9a35-0d1cf7c0c0df")
HERE = Binding(row=ROW, field="metadata/pii")


def key(name: str, purpose: Purpose = "fields", state: State = "primary") -> Key:
    """A key whose material is its name's digest: the same in every run."""
    material = hashlib.sha256(f"test key {name}".encode()).digest()
    return Key(id=name, purpose=purpose, state=state, material=material)


OLD, NEW = key("key-of-spring", state="accepted"), key("key-of-summer")
BLIND = key("blind-of-spring", "blind")
RING = Ring([OLD, NEW, BLIND])
CIPHER = FieldCipher(RING)

VECTORS: list[tuple[str, Binding, Any, str]] = [
    # Made once by the same bytes in another way: see test_vectors_are_fernet_over_the_binding.
    (
        "a text",
        HERE,
        "Ada Lovelace",
        "engram:v1:key-of-summer:gAAAAABrBH51Xz8BnCVhEkVKbtnbwVHay6pohN2DICQpEfsRt1Ntnt3cLfA_EGJBmQalDhERySWzy9Z1zj4tdyHrP0CNwNCh06xcwkbq-1rn5jxfjcxVoagsa0Qv_Fs0b4cuH7q_QMp1",
    ),
    (
        "an object",
        replace(HERE, field="metadata/phi"),
        {"code": "E11", "year": 1843},
        "engram:v1:key-of-summer:gAAAAABrBH51E6pqVpmSB0LzyF-QXWcpFeExVpMjSezwOlxsjCleCg3t8alY9zTPBMj_A793gJ0Sm-nMwtKVFBv6HMi66a0FTY70nZKYjgmxW7reIQuNilK0_A0cuwgh9CrQPQzQnSwx5mfEM4QQUY2zWmndrMt5ng==",
    ),
    (
        "of a tenant",
        replace(HERE, tenant="north"),
        "grün",
        "engram:v1:key-of-summer:gAAAAABrBH51q0lDN65EUMEi17FAUTjzJLU9kKrwnhsF5fG8sK7ktqqksejxCSV2jDiOHptWA13-8ZQMzw5wgii2tl6Y5sSwQZrRgRzZ7qrIVHvPEk5AItLJ3pwgnyOXwVYdm-1lOiiC",
    ),
]


@pytest.mark.parametrize(("_name", "binding", "value", "text"), VECTORS, ids=lambda v: str(v)[:12])
def test_reads_what_was_written_long_ago(
    _name: str, binding: Binding, value: Any, text: str
) -> None:
    assert CIPHER.decrypt(text, binding) == value


@pytest.mark.parametrize(("_name", "binding", "value", "text"), VECTORS, ids=lambda v: str(v)[:12])
def test_vectors_are_fernet_over_the_binding(
    _name: str, binding: Binding, value: Any, text: str
) -> None:
    """The form, from the outside: what another program needs to read a backup in ten years."""
    prefix, version, key_id, token = text.split(":")
    assert (prefix, version, key_id) == ("engram", "v1", "key-of-summer")
    plain = Fernet(base64.urlsafe_b64encode(NEW.material)).decrypt(token)
    place = [binding.table, binding.tenant, str(binding.row), binding.field]
    digest = hashlib.sha256(json.dumps(place, separators=(",", ":")).encode()).digest()
    payload = (
        value.encode()
        if isinstance(value, str)
        else json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    )
    assert plain == digest + (b"t" if isinstance(value, str) else b"j") + payload


@pytest.mark.parametrize(
    "value",
    ["", "Ada", "naïve ☕ 𝄞", "null", "x" * 100_000, 0, -1.5, True, None, [], {}, [1, "a", None],
     {"deep": {"deeper": ["x"]}}, "engram:v1:no-such-key:token", "\x00"],
)  # fmt: skip
def test_gives_back_every_kind_of_value(value: Any) -> None:
    text = CIPHER.encrypt(value, HERE)
    assert is_ciphertext(text)
    assert key_id_of(text) == NEW.id
    back = CIPHER.decrypt(text, HERE)
    assert back == value
    assert type(back) is type(value)


def test_equal_values_differ_when_encrypted() -> None:
    assert CIPHER.encrypt("Ada", HERE) != CIPHER.encrypt("Ada", HERE)


@pytest.mark.parametrize(
    "place",
    [
        replace(HERE, row=OTHER_ROW),
        replace(HERE, field="metadata/phi"),
        replace(HERE, field="content"),
        replace(HERE, tenant="north"),
        replace(HERE, table="another_table"),
        # The parts of a place do not run into each other.
        replace(HERE, table="zep_memory_vectors,default", tenant=""),
    ],
)
def test_refuses_what_was_moved(place: Binding) -> None:
    text = CIPHER.encrypt("Ada", HERE)
    with pytest.raises(Undecryptable, match="belongs to another place"):
        CIPHER.decrypt(text, place)


def test_refuses_every_changed_character() -> None:
    text = CIPHER.encrypt("Ada", HERE)
    start = len("engram:v1:key-of-summer:")
    for position in range(start, len(text)):
        other = "A" if text[position] != "A" else "B"
        changed = text[:position] + other + text[position + 1 :]
        if position >= len(text.rstrip("=")) - 1 and _same_bytes(text[start:], changed[start:]):
            continue  # base64's last letter has bits that say nothing
        with pytest.raises(Undecryptable, match=r"changed or cut short"):
            CIPHER.decrypt(changed, HERE)


def _same_bytes(one: str, other: str) -> bool:
    try:
        return base64.urlsafe_b64decode(one) == base64.urlsafe_b64decode(other)
    except ValueError:
        return False


def test_refuses_every_truncation() -> None:
    text = CIPHER.encrypt("Ada", HERE)
    for length in range(len(text)):
        with pytest.raises((Undecryptable, UnknownKey)):
            CIPHER.decrypt(text[:length], HERE)


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("", Undecryptable, "cut short, or is none"),
        ("Ada", Undecryptable, "cut short, or is none"),
        ("engram:v1:", Undecryptable, "cut short, or is none"),
        ("engram:v2:key-of-summer:gAAAA", Undecryptable, "cut short, or is none"),
        ("engram:v1:key-of-summer:", Undecryptable, "changed or cut short"),
        ("engram:v1:key-of-summer:ä", Undecryptable, "cut short, or is none"),
        ("engram:v1:key-of-winter:gAAAA", UnknownKey, "no key key-of-winter"),
        ("engram:v1:blind-of-spring:gAAAA", Undecryptable, "encrypts no fields"),
    ],
)
def test_refuses_what_is_no_ciphertext(text: str, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        CIPHER.decrypt(text, HERE)


def test_refuses_the_name_of_another_key() -> None:
    text = CIPHER.encrypt("Ada", HERE).replace(NEW.id, OLD.id)
    with pytest.raises(Undecryptable, match="changed or cut short"):
        CIPHER.decrypt(text, HERE)


@pytest.mark.parametrize("state", ["accepted", "retired"])
def test_reads_under_a_key_that_is_no_longer_primary(state: State) -> None:
    text = FieldCipher(Ring([key("key-of-spring")])).encrypt("Ada", HERE)
    later = FieldCipher(Ring([key("key-of-spring", state=state), NEW]))
    assert later.decrypt(text, HERE) == "Ada"
    assert later.key_id == NEW.id


def test_no_primary_key_means_no_write() -> None:
    with pytest.raises(NoKeys, match="rotate-field-keys --ensure"):
        FieldCipher(Ring([OLD])).encrypt("Ada", HERE)


def test_half_a_surrogate_pair_is_refused_in_words() -> None:
    for value in ("\ud800", {"a": "\ud800"}):
        with pytest.raises(FieldsRefused, match="surrogate"):
            CIPHER.encrypt(value, HERE)


def test_a_blind_index_is_an_hmac_of_tenant_path_and_value() -> None:
    message = b'["zep_memory_vectors","default","pii.email","ada@example.org"]'
    expected = hmac.new(BLIND.material, message, hashlib.sha256).hexdigest()
    assert CIPHER.blind("pii.email", "ada@example.org") == f"blind-of-spring:{expected}"


def test_a_blind_index_tells_places_and_kinds_apart() -> None:
    seen = {
        CIPHER.blind("pii.email", "1"),
        CIPHER.blind("pii.email", 1),
        CIPHER.blind("pii.name", "1"),
        CIPHER.blind("pii.email", "1", "north"),
    }
    assert len(seen) == 4
    assert CIPHER.blind("p", {"a": 1, "b": 2}) == CIPHER.blind("p", {"b": 2, "a": 1})


def test_a_search_asks_under_every_key_that_rows_may_be_under() -> None:
    ring = Ring(
        [
            key("blind-0", "blind", "retired"),
            key("blind-1", "blind", "accepted"),
            key("blind-2", "blind", "primary"),
        ]
    )
    asked = FieldCipher(ring).blinds("p", "v")
    assert [one.partition(":")[0] for one in asked] == ["blind-2", "blind-1"]
    assert asked[0] == FieldCipher(ring).blind("p", "v")


def test_no_repr_shows_a_key() -> None:
    shown = f"{NEW!r} {RING!r} {CIPHER!r} {vars(CIPHER)!r}"
    for secret in (NEW.material, BLIND.material):
        assert repr(secret) not in shown
        assert secret.hex() not in shown
