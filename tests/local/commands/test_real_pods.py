"""local/commands/real_pods.py, memory.py and status: the inside of a pod, from outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.cloud.arm import Record
from local.cloud.cluster import fleet
from local.cloud.door import directory
from local.cloud.keyring import SECRET
from local.cloud.resources import TYPES
from local.cloud.resources.managed_cluster import ManagedCluster
from local.cloud.store import Store
from local.cloud.workloads import pods
from local.cloud.workloads.pods import Pods
from local.cloud.world import World
from local.commands import memory, real_pods
from local.errors import LocalError
from local.paths import Paths

GROUP = "/subscriptions/s/resourceGroups/rg/providers"
CLUSTER_ID = f"{GROUP}/Microsoft.ContainerService/managedClusters/aks"
SECRET_ID = f"{GROUP}/Microsoft.KeyVault/vaults/kv/secrets"
TOLD = {
    "AZURE_CLIENT_ID": "the job's",
    "AZURE_TENANT_ID": "tenant",
    "AZURE_FEDERATED_TOKEN_FILE": "/token",
    "PGUSER": "memory_app",
}


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A clone whose local cloud has a cluster of dev, and a password in each stack's vault."""
    found = Paths(project=tmp_path, local=tmp_path / ".local")
    store = Store(found.cloud)
    world = World(store, TYPES)
    urn = "urn:pulumi:{}::engram::azure-native:x:Y::it"
    world.put(Record(CLUSTER_ID, ManagedCluster.type, {}, {}, urn.format("dev")))
    for stack in ("dev", "test"):
        arm_id = f"{SECRET_ID}/{stack}-memory-migrator"
        says = {"properties": {"contentType": "PostgreSQL password of memory_migrator"}}
        world.put(Record(arm_id, SECRET, {}, says, urn.format(stack)))
        versions = [{"value": "old"}, {"value": f"password-of-{stack}"}]
        world.set_private(arm_id, {"versions": versions})
    store.close()
    monkeypatch.setattr(fleet, "exists", lambda _: True)
    return found


def test_a_stack_without_a_cluster_of_ours_runs_nothing(paths: Paths) -> None:
    assert real_pods.of_stack(paths, "dev") == Pods(paths, CLUSTER_ID)
    assert real_pods.of_stack(paths, "test") is None
    assert list(real_pods.verify(paths, "test")) == []
    with pytest.raises(LocalError, match="stack test has no cluster here"):
        real_pods.ready(paths, "test")


def test_another_login_has_the_password_of_its_own_stack(paths: Paths) -> None:
    assert real_pods.as_login(paths, "dev", "memory_migrator") == {
        "PGUSER": "memory_migrator",
        "PGPASSWORD": "password-of-dev",
    }
    with pytest.raises(LocalError, match="stack dev has no password of nobody"):
        real_pods.as_login(paths, "dev", "nobody")


def test_the_owner_is_the_same_person_each_time(paths: Paths) -> None:
    store = Store(paths.cloud)
    owner = directory.owner(World(store, TYPES))
    store.close()
    wanted = {"AZURE_CLIENT_ID": owner.client_id, "AZURE_CLIENT_SECRET": owner.secret}
    assert real_pods.as_owner(paths) == wanted == real_pods.as_owner(paths)


@pytest.mark.parametrize(
    ("more", "wanted", "gone"),
    [
        ({}, {**TOLD, "PGPASSWORD": "of-the-file"}, "ENGRAM_DATABASE_PASSWORD_FILE"),
        (
            {"PGUSER": "memory_reader", "PGPASSWORD": "of-the-vault"},
            {"PGUSER": "memory_reader", "PGPASSWORD": "of-the-vault"},
            "ENGRAM_DATABASE_PASSWORD_FILE",
        ),
        (
            {"AZURE_CLIENT_ID": "owner", "AZURE_CLIENT_SECRET": "secret"},
            {"AZURE_CLIENT_ID": "owner", "AZURE_CLIENT_SECRET": "secret"},
            "AZURE_FEDERATED_TOKEN_FILE",
        ),
    ],
)
def test_an_operation_gets_the_jobs_environment_and_who_it_shall_be(
    paths: Paths,
    more: dict[str, str],
    wanted: dict[str, str],
    gone: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = run(paths, more, monkeypatch)
    assert wanted.items() <= seen["env"].items()
    assert gone not in seen["env"]
    assert seen["words"][1:] == ["-m", "memory", "verify", "--json"]
    assert not [word for word in seen["words"] if "password" in word or "secret" in word]


def run(paths: Paths, more: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    file = paths.local / "password"
    file.write_text("of-the-file\n", encoding="utf-8")

    @contextmanager
    def told(_: Pods) -> Iterator[dict[str, str]]:
        yield {**TOLD, "ENGRAM_DATABASE_PASSWORD_FILE": str(file)}

    def note(words: list[str], **how: Any) -> Any:
        seen.update(words=words, env=how["env"])
        return type("Done", (), {"returncode": 0})

    monkeypatch.setattr(real_pods, "operations_environment", told)
    monkeypatch.setattr("local.commands.memory.subprocess.run", note)
    assert memory.operate(paths, Pods(paths, CLUSTER_ID), ["verify", "--json"], more) == 0
    return seen


def test_what_was_started_is_shown_and_what_was_not_is_said(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Pods(paths, CLUSTER_ID)
    assert pods.status(paths) == []
    found.service.folder.mkdir(parents=True)
    (found.folder / "id").write_text(CLUSTER_ID, encoding="utf-8")
    (found.folder / pods.PROBLEMS).write_text('{"memory-service": "no grant"}', encoding="utf-8")
    assert [(one.name, one.running, one.address) for one in pods.status(paths)] == [
        ("memory-service", False, None)
    ]
    with pytest.raises(LocalError, match="the memory service does not serve: no grant"):
        found.wait(seconds=0)
    monkeypatch.setattr(Pods, "wait", lambda _: "http://127.0.0.1:1")
    monkeypatch.setattr(real_pods, "_named", lambda *_: [])
    (check,) = real_pods.verify(paths, "dev")
    assert (check.ok, check.name) == (True, "memory service")


def test_stopping_what_was_never_started_is_nothing(paths: Paths) -> None:
    pods.stop_all(paths)
    assert not (paths.local / "workloads").exists()
    assert [one.name for one in paths.local.iterdir()] == ["cloud"]
