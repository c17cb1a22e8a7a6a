"""memory/operations/revoke_drill: a key taken away and given back, by Azure's own clients"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from memory.__main__ import main
from memory.operations.vault_key import MARK, KeyRefused, VaultKey, heal
from tests.local.cloud import declared
from tests.memory.operations.azure_cloud import Deployed, deployed

__all__ = ["deployed"]
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]


def drill(deployed: Deployed, *words: str) -> list[str]:
    given = ["revoke-drill", "--server", deployed.server_id, "--json", "--poll-seconds", "0.2"]
    return [*given, "--wait-minutes", "1", *words]


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def marks() -> list[str | None]:
    return [version.mark for version in VaultKey(declared.KEY_URI).versions()]


def tagged(deployed: Deployed, environment: str) -> None:
    """Change the server's tag, as a deployment would."""
    record = deployed.world.require(deployed.server_id)
    record.outputs["tags"]["environment"] = environment
    deployed.world.put(record)


@pytest.fixture(autouse=True)
def _healed(deployed: Deployed) -> Iterator[None]:
    yield
    heal(VaultKey(declared.KEY_URI), print)
    assert deployed.state() == "Ready"


def test_a_plan_changes_nothing(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(drill(deployed)) == 1
    plan = told(capsys)
    assert (plan["state"], plan["left_disabled"]) == ("Ready", [])
    assert len(plan["would_disable"]) == len(marks())
    assert not any(marks())


def test_the_key_decides_both_ways(deployed: Deployed, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(drill(deployed, "--yes")) == 0
    seen = told(capsys)
    assert (seen["ok"], seen["refused"], seen["back"]) == (True, True, True)
    assert {"gone", "back"} == seen["seconds"].keys()
    assert not any(marks())
    states = "SELECT detail->>'state' FROM memory.memory_operations ORDER BY position DESC LIMIT 2"
    assert [state for (state,) in deployed.sql(states)] == ["done", "begun"]


@pytest.mark.parametrize("environment", ["prod", "live"])
def test_prod_takes_a_flag_of_its_own(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], environment: str
) -> None:
    tagged(deployed, environment)
    assert main(drill(deployed, "--yes")) == 1
    assert f"environment={environment}" in capsys.readouterr().err
    assert not any(marks())
    assert main(drill(deployed, "--yes", "--even-in-prod")) == 0
    tagged(deployed, "test")


def killed(deployed: Deployed) -> None:
    """Start a drill, and kill it when the key is disabled."""
    words = [sys.executable, "-m", "memory", *drill(deployed, "--yes")]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    heard = next((line for line in process.stderr if line.startswith("disabled:")), None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert heard is not None


@pytest.mark.parametrize("way", ["--restore", "--yes"])
def test_a_killed_drill_is_healed(
    deployed: Deployed, capsys: pytest.CaptureFixture[str], way: str
) -> None:
    killed(deployed)
    assert deployed.state() == "Inaccessible"
    assert "revoke-drill" in (marks()[0] or "")
    assert main(drill(deployed)) == 1
    assert told(capsys)["left_disabled"]
    assert main(drill(deployed, way)) == 0
    assert len(told(capsys)["restored"]) == len(marks())
    assert deployed.state() == "Ready"
    assert not any(marks())


def test_a_drill_that_is_told_to_stop_gives_the_key_back(deployed: Deployed) -> None:
    words = [sys.executable, "-m", "memory", *drill(deployed, "--yes")]
    process = subprocess.Popen(
        words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert any(line.startswith("disabled:") for line in process.stderr)
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    process.stderr.close()
    assert process.wait() in {0, 130}
    assert "enabled:" in rest
    assert not any(marks())


def test_what_somebody_disabled_on_purpose_stays_disabled(
    deployed: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    key = VaultKey(declared.KEY_URI)
    old = key.versions()[0]
    key.rotate()
    key._client.update_key_properties(key.name, old.version, enabled=False)
    assert main(drill(deployed, "--yes")) == 0
    assert old.version not in told(capsys)["disabled"]
    assert [v.version for v in key.versions() if not v.enabled] == [old.version]
    assert all(MARK not in version.tags for version in key.versions())
    key._client.update_key_properties(key.name, old.version, enabled=True)


def test_a_server_with_microsofts_key_has_nothing_to_revoke() -> None:
    from memory.operations.azure import FlexibleServer  # noqa: PLC0415 - only here
    from memory.operations.errors import OperationError  # noqa: PLC0415 - only here
    from memory.operations.servers import key_of  # noqa: PLC0415 - only here

    with pytest.raises(OperationError, match="encrypted with Microsoft's key"):
        key_of(FlexibleServer(id="/a/b", properties={}))


def test_a_vault_that_refuses_is_asked_again_and_then_named() -> None:
    said: list[str] = []
    with pytest.raises(KeyRefused, match="no such vault"):
        heal(Refusing("https://kv.vault.azure.net/keys/cmk"), said.append, pause_seconds=0)
    assert len(said) == 5


class Refusing(VaultKey):
    """A key whose vault says no."""

    def heal(self) -> list[str]:
        raise KeyRefused("no such vault")
