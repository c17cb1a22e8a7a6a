"""What is done about a run that was interrupted."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.commands.recovery import recover, refuse_living, settled
from local.engine import Engine
from local.errors import LocalError
from local.paths import OVERRIDE, Paths

URN = "urn:pulumi:dev::engram::azure-native:keyvault:Vault::{}"
CLUSTER_TYPE = "azure-native:containerservice:ManagedCluster"
CLUSTER_URN = f"urn:pulumi:dev::engram::{CLUSTER_TYPE}::aks-dev"
NOTED = """#!/bin/sh
echo "$@" >> "{log}"
echo "$PULUMI_K8S_DELETE_UNREACHABLE" > "$(dirname "{log}")/without-cluster"
case "$*" in *{failing}*) exit 1;; esac
if [ "$2" = export ]; then echo '{{"version": 3, "deployment": {deployment}}}'; fi
"""


def _pending(kind: str, name: str) -> dict[str, Any]:
    return {"type": kind, "resource": {"urn": URN.format(name), "type": "t"}}


VAULT = {"urn": URN.format("a"), "inputs": {"vaultName": "a"}}


@pytest.mark.parametrize(
    ("kind", "standing", "found", "resources", "word"),
    [
        ("creating", [], None, [], "was not created, will be"),
        ("creating", [], "/a", [{**VAULT, "id": "/a"}], "was created, adopted"),
        (
            "creating",
            [{"urn": URN.format("b"), "id": "/b"}],
            "/a",
            [{"urn": URN.format("b"), "id": "/b"}, {**VAULT, "id": "/a"}],
            "was created, adopted",
        ),
        (
            "creating",
            [{"urn": VAULT["urn"], "id": "/old"}],
            "/a",
            [{"urn": VAULT["urn"], "id": "/old", "delete": True}, {**VAULT, "id": "/a"}],
            "was created, adopted",
        ),
        (
            "creating",
            [{"urn": VAULT["urn"], "id": "/a"}],
            "/a",
            [{"urn": VAULT["urn"], "id": "/a"}],
            "was not created, will be",
        ),
        ("updating", [VAULT], "/a", [VAULT], "read what updating it came to"),
        ("deleting", [VAULT], None, [VAULT], "read what deleting it came to"),
    ],
)
def test_every_kind_of_interruption_has_an_answer(
    kind: str,
    standing: list[dict[str, Any]],
    found: str | None,
    resources: list[dict[str, Any]],
    word: str,
) -> None:
    pending = [{"type": kind, "resource": VAULT}]
    deployment = {"resources": standing, "pending_operations": pending, "manifest": 1}
    after, words = settled(deployment, lambda _urn: found)
    assert after == {"resources": resources, "pending_operations": [], "manifest": 1}
    assert words == [f"a: {word}"]


@pytest.mark.parametrize(
    "note",
    [
        {"pid": 0},
        {"pid": 2**22 + 1, "hostname": "this machine"},
        {"pid": 2**22 + 1, "hostname": "its name before it was renamed"},
        {"pid": os.getpid(), "hostname": "this machine"},
    ],
)
def test_an_engine_that_is_gone_is_not_waited_for(note: dict[str, Any]) -> None:
    """Our own number belongs to Python, hence to a stranger with an engine's old number."""
    assert refuse_living("dev", note) is None  # type: ignore[func-returns-value]


def test_a_living_engine_is_named_with_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.commands.recovery.command_of", lambda _pid: "pulumi")
    note = {"pid": os.getpid(), "hostname": "this machine", "timestamp": "2026-11-01T10:00:00Z"}
    with pytest.raises(LocalError, match=rf"since 2026-11-01.*`kill {os.getpid()}`"):
        refuse_living("dev", note)


Interrupted = Callable[..., Engine]


@pytest.fixture
def interrupted(tmp_path: Path) -> Interrupted:
    """A stack whose engine only notes what it is asked, and answers with one exit code."""

    def make(
        pending: list[dict[str, Any]],
        *,
        locked: bool,
        failing: str = "nothing",
        resources: Sequence[dict[str, Any]] = (),
    ) -> Engine:
        (tmp_path / "Pulumi.yaml").write_text("name: engram\n")
        executable = tmp_path / "pulumi"
        latest = {"pending_operations": pending, "resources": list(resources)}
        script = {"log": tmp_path / "asked", "failing": failing, "deployment": json.dumps(latest)}
        executable.write_text(NOTED.format(**script))
        executable.chmod(0o755)
        paths = Paths(project=tmp_path, local=tmp_path / "local")
        engine = Engine(executable=executable, paths=paths, stack="dev")
        engine.state_file.parent.mkdir(parents=True)
        engine.state_file.write_text(json.dumps({"checkpoint": {"latest": latest}}))
        if locked:
            engine.lock_folder.mkdir(parents=True)
            note = json.dumps({"pid": 2**22 + 1, "hostname": "this machine"})
            (engine.lock_folder / "one.json").write_text(note)
        return engine

    return make


def _asked(tmp_path: Path) -> list[str]:
    log = tmp_path / "asked"
    return log.read_text().splitlines() if log.exists() else []


def test_a_clean_stack_costs_nothing(interrupted: Interrupted, tmp_path: Path) -> None:
    assert recover(interrupted([], locked=False), Console(quiet=True)) == []
    assert _asked(tmp_path) == []


def test_a_stale_lock_is_released_and_pending_work_settled(
    interrupted: Interrupted, tmp_path: Path
) -> None:
    engine = interrupted([_pending("creating", "a")], locked=True)
    done = recover(engine, Console(quiet=True))
    assert done == ["released the lock of a run that was killed", "a: was not created, will be"]
    verbs = [line.split(" --")[0] for line in _asked(tmp_path)]
    assert verbs == ["cancel", "stack export", "stack import", "refresh"]


def test_a_lost_cluster_is_forgotten_with_the_objects_that_were_in_it(
    interrupted: Interrupted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OVERRIDE, str(tmp_path / "local"))
    arm_id = "/subscriptions/s/resourceGroups/rg/providers/P/managedClusters/aks-dev"
    lost = {"urn": CLUSTER_URN, "type": CLUSTER_TYPE, "id": arm_id}
    engine = interrupted([], locked=False, resources=[lost])
    assert recover(engine, Console(quiet=True)) == [
        "aks-dev: its control plane is gone; what it held is forgotten"
    ]
    assert [line.split(" --")[0] for line in _asked(tmp_path)] == ["refresh"]
    assert (tmp_path / "without-cluster").read_text() == "true\n"


def test_an_interrupted_run_lets_no_object_be_forgotten(
    interrupted: Interrupted, tmp_path: Path
) -> None:
    recover(interrupted([_pending("updating", "a")], locked=False), Console(quiet=True))
    assert (tmp_path / "without-cluster").read_text() == "\n"


@pytest.mark.parametrize(
    ("verb", "refusal"),
    [
        ("export", "the state of dev cannot be read"),
        ("import", "the state of dev cannot be repaired"),
        ("refresh", "dev was interrupted and cannot be repaired"),
    ],
)
def test_a_repair_that_fails_stops_the_command(
    interrupted: Interrupted, verb: str, refusal: str
) -> None:
    engine = interrupted([_pending("updating", "a")], locked=False, failing=verb)
    with pytest.raises(LocalError, match=refusal):
        recover(engine, Console(quiet=True))
