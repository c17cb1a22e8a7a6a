"""memory/operations/rotate_cmk: a new version of the key, and a server that follows it, or not"""

import json
from typing import Any

import pytest

from local.cloud.postgres.custody import Custody
from memory.__main__ import main
from memory.operations.records import append
from memory.operations.tenants import open_base
from memory.operations.vault_key import VaultKey
from tests.local.cloud import declared
from tests.memory.operations.azure_cloud import Deployed, deployed

__all__ = ["deployed"]
pytestmark = pytest.mark.slow


def rotate(deployed: Deployed, *words: str) -> list[str]:
    given = ["rotate-cmk", "--server", deployed.server_id, "--json", "--poll-seconds", "0.2"]
    return [*given, "--prove-minutes", "0.03", *words]


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def versions() -> list[str]:
    return [version.version for version in VaultKey(declared.KEY_URI).versions()]


def held_by(deployed: Deployed) -> str:
    """The version that the server's data key is really wrapped with."""
    uri = Custody(deployed.world, deployed.server_id).key_uri
    return str(uri).rsplit("/", 1)[-1]


def test_a_plan_changes_nothing(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    before = versions()
    assert main(rotate(deployed)) == 1
    assert told(capsys)["follows"] is True
    assert versions() == before


def test_a_rotation_is_followed_and_proven(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    before = versions()[0]
    assert main(rotate(deployed, "--yes", "--wait-minutes", "0.02")) == 0
    made = told(capsys)
    assert (made["from"], made["to"]) == (before, versions()[0])
    assert (made["states"].keys(), made["refused"], made["key_status"]) == ({"Ready"}, 0, "Valid")
    assert made["waited_seconds"] >= 1.2
    assert held_by(deployed) == made["to"]
    assert main(rotate(deployed, "--prove", "--yes", "--after-hours", "0")) == 0
    proof = told(capsys)
    assert (proof["ok"], proof["disabled"]) == (True, versions()[1:])
    assert all(version.enabled for version in VaultKey(declared.KEY_URI).versions())


def test_a_server_that_does_not_follow_is_noticed_and_gets_its_version_back(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Custody, "follow", lambda *_: None)
    assert main(rotate(deployed, "--yes")) == 0
    made = told(capsys)["to"]
    assert held_by(deployed) != made
    assert main(rotate(deployed, "--prove", "--yes", "--after-hours", "0")) == 1
    proof = told(capsys)
    assert (proof["ok"], list(proof["states"])) == (False, ["Inaccessible"])
    assert deployed.state() == "Ready"


def test_a_proof_too_early_is_refused(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    VaultKey(declared.KEY_URI).rotate()
    assert main(rotate(deployed, "--prove", "--yes")) == 1
    assert "Azure follows within 24" in capsys.readouterr().err


def test_a_run_goes_on_with_the_version_that_a_killed_one_made(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    before = versions()[0]
    with open_base() as base:
        told_of = {"server": deployed.server_id, "from": before, "state": "begun"}
        append(base, "rotate-cmk", told_of)
    made = VaultKey(declared.KEY_URI).rotate()
    count = len(versions())
    assert main(rotate(deployed, "--yes")) == 0
    assert told(capsys)["to"] == made
    assert len(versions()) == count


def test_a_killed_proof_is_healed_by_restore(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    key = VaultKey(declared.KEY_URI)
    key.rotate()
    key.disable(key.versions()[1], "rotate-cmk-proof")
    assert main(rotate(deployed, "--restore")) == 0
    assert len(told(capsys)["restored"]) == 1
    assert all(version.enabled for version in key.versions())
