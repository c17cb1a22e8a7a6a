"""The copy of a stack file keeps the secrets that were encrypted on this machine."""

import json
from pathlib import Path

import pytest

from local.engine import Engine, localised, secrets_of
from local.paths import Paths

TRACKED = """config:
  engram:a: 1 # why
  engram:kubeconfig:
    secure: v1:theirs:theirs
  engram:b: 2
"""
OURS = {"engram:kubeconfig": "v1:ours:ours"}


@pytest.mark.parametrize(
    ("kept", "secrets"),
    [({}, ""), (OURS, "  engram:kubeconfig:\n    secure: v1:ours:ours\n")],
)
def test_a_secret_of_this_machine_takes_the_place_of_the_files(
    kept: dict[str, str], secrets: str
) -> None:
    copy = localised(TRACKED, "v1:salt", kept)
    rest = "  engram:a: 1 # why\n  engram:b: 2\nencryptionsalt: v1:salt\n"
    assert copy == f"config:\n{secrets}{rest}"
    assert secrets_of(copy) == kept


@pytest.mark.parametrize("text", ["", "config: {}\n", "config:\n  engram:a: {secure: x, b: 1}\n"])
def test_a_copy_without_secrets_has_none(text: str) -> None:
    assert secrets_of(text) == {}


@pytest.mark.parametrize(("salt", "kept"), [("v1:salt", OURS), ("v1:other", {})])
def test_a_secret_outlives_an_edit_but_not_its_salt(
    tmp_path: Path, salt: str, kept: dict[str, str]
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: engram\n")
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  engram:edited: 1\n")
    paths = Paths(project=tmp_path, local=tmp_path / "local")
    engine = Engine(executable=tmp_path / "none", paths=paths, stack="dev")
    engine.config_file.parent.mkdir(parents=True)
    engine.config_file.write_text(localised(TRACKED, "v1:salt", OURS))
    engine.state_file.parent.mkdir(parents=True)
    latest = {"secrets_providers": {"state": {"salt": salt}}}
    engine.state_file.write_text(json.dumps({"checkpoint": {"latest": latest}}))
    engine.prepare()
    copy = engine.config_file.read_text()
    assert "engram:edited: 1" in copy
    assert secrets_of(copy) == kept
