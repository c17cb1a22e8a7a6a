"""assurance/review/recording.py"""

import json
from pathlib import Path

import pytest

from assurance.errors import AssuranceError
from assurance.review.recording import read_recording, read_request, short_name
from tests.assurance.review.states import step, written

VAULT = "azure-native:keyvault:Vault"
SUFFIX = step("same", "random:index/randomString:RandomString", "suffix", {}, {},
              outputs={"result": "knj8j"})  # fmt: skip


def test_a_replacement_is_one_change(tmp_path: Path) -> None:
    ops = ("create-replacement", "replace", "delete-replaced")
    steps = [step(op, VAULT, "vault", {"a": 1}, {"a": 2}) for op in ops]
    recording = read_recording(written(tmp_path, steps), "dev")
    assert [change.op for change in recording.changes] == ["replace"]


def test_providers_are_nobodys_business(tmp_path: Path) -> None:
    steps = [step("update", "pulumi:providers:pulumi-python", "default", {"a": 1}, {"a": 2})]
    assert read_recording(written(tmp_path, steps), "dev").changes == ()


def test_a_suffix_that_every_run_makes_anew_is_not_shown(tmp_path: Path) -> None:
    vault = step("update", VAULT, "vault", {"a": "kv-engram-dev-knj8j/keys"}, {"a": "kv-knj8jx"})
    recording = read_recording(written(tmp_path, [SUFFIX, vault]), "dev")
    (difference,) = recording.changes[0].differences
    assert (difference.before, difference.after) == ("kv-engram-dev-(suffix)/keys", "kv-knj8jx")


def test_a_changed_secret_is_named_and_not_told(tmp_path: Path) -> None:
    secret = step("update", VAULT, "vault", {"a": "[secret]"}, {"a": "[secret]"},
                  detailedDiff={"a": {"kind": "update"}})  # fmt: skip
    recording = read_recording(written(tmp_path, [secret]), "dev")
    (difference,) = recording.changes[0].differences
    assert (difference.path, difference.before) == ("a", "[secret]")


def test_what_was_a_secret_is_not_told_when_it_is_none_any_more(tmp_path: Path) -> None:
    secret = step("update", VAULT, "vault", {"a": "[secret]"}, {"a": "tell nobody"})
    recording = read_recording(written(tmp_path, [secret]), "dev")
    assert recording.changes[0].differences[0].after == "[another secret]"


def test_a_stack_that_failed_early_has_a_failure_and_nothing_else(tmp_path: Path) -> None:
    folder = written(tmp_path, [])
    for name in ("preview.json", "policies.json"):
        (folder / "dev" / name).unlink()
    (folder / "dev" / "failure.txt").write_text("no such SKU\n", encoding="utf-8")
    recording = read_recording(folder, "dev")
    assert (recording.failure, recording.changes, recording.after) == ("no such SKU", (), None)


def test_stacks_come_in_the_order_of_promotion(tmp_path: Path) -> None:
    folder = written(tmp_path, [], stacks=["prod", "dev", "uat"])
    assert read_request(folder).stacks == ("dev", "uat", "prod")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "request.json is missing; `make review` writes it"),
        ("{", "request.json is not JSON"),
        (json.dumps({"base": "main"}), "not what `make review` writes"),
        (json.dumps({"base": 1, "base_commit": 2, "files": None}), "not what `make review` writes"),
    ],
)
def test_a_folder_that_is_none_says_so(text: str | None, words: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "request.json").write_text(text, encoding="utf-8")
    with pytest.raises(AssuranceError, match=words):
        read_request(tmp_path)


@pytest.mark.parametrize(
    ("urn", "name"),
    [
        ("urn:pulumi:dev::engram::a:b:C::engram-dev-server", "server"),
        ("urn:pulumi:dev::engram::a:b:C::engram-dev", ""),
        ("urn:pulumi:dev::engram::a:b:C::another", "another"),
        ("urn:pulumi:dev::memory::a:b:C::memory-dev-server", "server"),
    ],
)
def test_a_resource_has_one_name_in_all_environments(urn: str, name: str) -> None:
    assert short_name("dev", urn) == name
