"""What is sensitive is encrypted wherever it lies, and refused where it cannot be."""

import json
from typing import Any
from uuid import UUID

import pytest

from memory.encryption import paths
from memory.encryption.cipher import FieldCipher
from memory.encryption.errors import FieldsRefused, NoKeys, Undecryptable
from memory.encryption.fields import Policy, RowCipher
from memory.encryption.ring import Ring
from tests.memory.encryption.test_cipher import BLIND, NEW, OLD, OTHER_ROW, ROW, key

SECRET = "canary-4711"
RING = Ring([OLD, NEW, BLIND])


def rows(*fields: str, blind: tuple[str, ...] = (), ring: Ring | None = RING) -> RowCipher:
    """The cipher of rows under these settings; without a ring, with encryption off."""
    return RowCipher(
        policy=Policy.of(fields, blind), cipher=FieldCipher(ring) if ring is not None else None
    )


METADATA: list[tuple[str, str, Any]] = [
    ("a name", "pii", {"pii": SECRET, "kept": 1}),
    ("a whole object", "pii", {"pii": {"name": SECRET, "born": 1815}}),
    ("depth", "a.b.c", {"a": {"b": {"c": SECRET, "d": "kept"}}}),
    ("every element of a list", "contacts.phone", {"contacts": [{"phone": SECRET}, {"x": "kept"}]}),
    ("a list in a list", "a.b", {"a": [[{"b": SECRET}]]}),
    ("a list itself", "pii", {"pii": [SECRET, SECRET]}),
    ("dots in a name", "a.b.c", {"a.b": {"c": SECRET}, "a": {"b.c": SECRET}}),
    ("a path within another", "pii.name", {"pii": {"name": SECRET}}),
    ("slashes in a name", "a/b", {"a/b": SECRET, "a~1b": "kept"}),
    ("no text", "pii", {"pii": 4711}),
    ("nothing", "pii", {"pii": None}),
]


@pytest.mark.parametrize(
    ("path", "metadata"), [c[1:] for c in METADATA], ids=[c[0] for c in METADATA]
)
def test_encrypts_what_lies_at_a_path(path: str, metadata: Any) -> None:
    cipher = rows(path)
    sealed = cipher.seal(row=ROW, content="clear", metadata=metadata)
    stored = json.dumps(sealed.metadata)
    assert SECRET not in stored
    assert ("kept" in json.dumps(metadata)) == ("kept" in stored)
    assert sealed.key_id == NEW.id
    assert cipher.unseal(row=ROW, content=sealed.content, metadata=sealed.metadata) == (
        "clear",
        metadata,
    )


@pytest.mark.parametrize(
    "metadata",
    [None, {}, {"other": SECRET}, {"a": "pii"}, {"pi": 1}, {"PII": SECRET}],
)
def test_leaves_alone_what_no_path_names(metadata: Any) -> None:
    sealed = rows("pii", "a.b").seal(row=ROW, content=SECRET, metadata=metadata)
    assert (sealed.content, sealed.metadata, sealed.key_id) == (SECRET, metadata, None)
    assert sealed.blind_index is None


@pytest.mark.parametrize(
    ("fields", "tags", "encrypted"),
    [
        (("pii", "content"), ("pii",), True),
        (("content",), ("phi", "own"), True),
        (("content",), ("own",), False),
        (("content",), (), False),
        (("pii",), ("pii",), False),
    ],
)
def test_content_is_encrypted_where_it_is_tagged(
    fields: tuple[str, ...], tags: tuple[str, ...], *, encrypted: bool
) -> None:
    cipher = rows(*fields)
    sealed = cipher.seal(row=ROW, content=SECRET, metadata=None, sensitivity=tags)
    assert (SECRET not in sealed.content) == encrypted
    assert (sealed.key_id is not None) == encrypted
    assert cipher.unseal(row=ROW, content=sealed.content, metadata=None) == (SECRET, None)


def test_two_fields_of_a_row_cannot_change_places() -> None:
    cipher = rows("pii", "phi")
    sealed = cipher.seal(row=ROW, content="c", metadata={"pii": "a", "phi": "b"})
    assert sealed.metadata is not None
    swapped = {"pii": sealed.metadata["phi"], "phi": sealed.metadata["pii"]}
    with pytest.raises(Undecryptable, match="another place"):
        cipher.unseal(row=ROW, content="c", metadata=swapped)


@pytest.mark.parametrize("place", [{"row": OTHER_ROW}, {"row": ROW, "tenant": "north"}])
def test_a_row_cannot_be_copied(place: dict[str, Any]) -> None:
    cipher = rows("pii", "content")
    sealed = cipher.seal(row=ROW, content="c", metadata={"pii": "a"}, sensitivity=["pii"])
    for copied in (
        {"content": sealed.content, "metadata": None},
        {"content": "c", "metadata": sealed.metadata},
    ):
        with pytest.raises(Undecryptable, match="another place"):
            cipher.unseal(**place, **copied)


def test_what_an_older_policy_encrypted_is_still_read() -> None:
    sealed = rows("pii", "old").seal(row=ROW, content="c", metadata={"old": SECRET})
    back = rows("pii").unseal(row=ROW, content="c", metadata=sealed.metadata)
    assert back == ("c", {"old": SECRET})


@pytest.mark.parametrize(
    ("content", "metadata"),
    [("engram:v1:x:y", None), ("c", {"a": "engram:v1:"}), ("c", {"a": [{"b": "engram:v1:k:t"}]})],
)
def test_a_clear_text_that_looks_like_a_ciphertext_is_refused(content: str, metadata: Any) -> None:
    with pytest.raises(FieldsRefused, match="as encrypted fields alone do"):
        rows("pii").seal(row=ROW, content=content, metadata=metadata)


@pytest.mark.parametrize(
    ("metadata", "tags", "named"),
    [
        ({"pii": SECRET}, (), r"metadata\.pii"),
        ({"a": [{"b": SECRET}]}, (), r"metadata\.a\.b"),
        ({}, ("pii",), "content"),
    ],
)
def test_without_keys_nothing_sensitive_is_stored(
    metadata: Any, tags: tuple[str, ...], named: str
) -> None:
    cipher = rows("pii", "a.b", "content", ring=None)
    with pytest.raises(FieldsRefused, match=named) as refused:
        cipher.seal(row=ROW, content="c", metadata=metadata, sensitivity=tags)
    assert SECRET not in str(refused.value)
    sealed = cipher.seal(row=ROW, content="c", metadata={"x": 1})
    assert sealed.key_id is None


def test_without_keys_an_encrypted_row_is_not_passed_on() -> None:
    sealed = rows("pii").seal(row=ROW, content="c", metadata={"pii": SECRET})
    with pytest.raises(NoKeys, match="the row is encrypted"):
        rows("pii", ring=None).unseal(row=ROW, content="c", metadata=sealed.metadata)


def test_a_ring_without_keys_refuses_the_write() -> None:
    with pytest.raises(NoKeys, match="no primary key for fields"):
        rows("pii", ring=Ring([])).seal(row=ROW, content="c", metadata={"pii": SECRET})


def test_a_blind_index_is_of_the_plain_value() -> None:
    cipher = rows("pii", blind=("pii.email",))
    metadata = {"pii": {"email": "ada@example.org", "name": "Ada"}}
    sealed = cipher.seal(row=ROW, content="c", metadata=metadata, tenant="north")
    assert cipher.cipher is not None
    value = cipher.cipher.blind("pii.email", "ada@example.org", "north")
    assert sealed.blind_index == {"pii.email": value}


def test_a_blind_path_has_one_value() -> None:
    cipher = rows("a.b", blind=("a.b",))
    with pytest.raises(FieldsRefused, match="has 2 values"):
        cipher.seal(row=ROW, content="c", metadata={"a": [{"b": 1}, {"b": 2}]})


@pytest.mark.parametrize(
    ("path", "refused"),
    [("pii", True), ("pii.name", True), ("pii.email", False), ("a", True), ("a.b", True),
     ("a.c", False), ("kept", False)],
)  # fmt: skip
def test_a_search_that_no_index_answers_is_refused(path: str, *, refused: bool) -> None:
    policy = Policy.of(("pii", "a.b"), ("pii.email",))
    if refused:
        with pytest.raises(FieldsRefused, match=r"is encrypted, so it cannot be searched"):
            policy.refuse_search(paths.parsed(path))
    else:
        policy.refuse_search(paths.parsed(path))


@pytest.mark.parametrize(
    ("environment", "fields", "content", "blind"),
    [
        ({}, ["pii", "phi", "secret"], False, []),
        ({"ENGRAM_ENCRYPTED_FIELDS": " a.b , content,"}, ["a.b"], True, []),
        ({"ENGRAM_ENCRYPTED_FIELDS": ""}, [], False, []),
        ({"ENGRAM_BLIND_INDEXES": "pii.email"}, ["pii", "phi", "secret"], False, ["pii.email"]),
    ],
)
def test_reads_its_settings(
    environment: dict[str, str], fields: list[str], *, content: bool, blind: list[str]
) -> None:
    policy = Policy.from_environment(environment)
    assert [".".join(path) for path in policy.fields] == fields
    assert policy.content == content
    assert [".".join(path) for path in policy.blind] == blind


@pytest.mark.parametrize(
    ("fields", "blind", "match"),
    [
        (["a..b"], [], "no path"),
        ([".a"], [], "no path"),
        (["pii"], ["x"], "not among the encrypted"),
    ],
)
def test_refuses_settings_that_mean_nothing(
    fields: list[str], blind: list[str], match: str
) -> None:
    with pytest.raises(FieldsRefused, match=match):
        Policy.of(fields, blind)


def test_one_row_is_written_with_one_key_although_the_ring_changes_meanwhile() -> None:
    """A reload between two fields must not leave a row under two keys."""

    class Changing:
        asked = 0

        @property
        def current(self) -> Ring:
            self.asked += 1
            return Ring([key(f"key-number-{self.asked}"), BLIND])

    cipher = RowCipher(policy=Policy.of(["pii", "content"]), cipher=FieldCipher(Changing()))
    sealed = cipher.seal(row=ROW, content="c", metadata={"pii": [1]}, sensitivity=["pii"])
    texts = [sealed.content, *paths.texts(sealed.metadata)]
    assert {text.split(":")[2] for text in texts} == {sealed.key_id}


def test_an_id_is_the_same_as_text_and_as_uuid() -> None:
    sealed = rows("pii").seal(row=UUID(str(ROW)), content="c", metadata={"pii": 1})
    assert rows("pii").unseal(row=ROW, content="c", metadata=sealed.metadata)[1] == {"pii": 1}
