"""Commands start clusters with the cloud, stop them with it, and lead kubectl to the stack's."""

import io
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from local.__main__ import main, parser
from local.cloud.arm import Record
from local.cloud.cluster import fleet
from local.cloud.cluster.errors import ClusterError
from local.cloud.cluster.spec import Status
from local.cloud.store import Store
from local.commands import clean, clusters, down, kubectl, status, workloads
from local.commands.session import Session
from local.errors import LocalError
from local.paths import Paths

ARM_ID = "/subscriptions/s/resourceGroups/rg/providers/P/managedClusters/aks"


class Endpoint:
    environment: dict[str, str] = {}  # noqa: RUF012 - a stand-in that nobody changes


def _session(tmp_path: Path, words: io.StringIO | None = None) -> Session:
    paths = Paths(project=tmp_path, local=tmp_path / "local")
    console = Console(file=words or io.StringIO(), soft_wrap=True)
    return Session(paths=paths, stack="dev", console=console, as_json=False)


def test_a_cluster_that_does_not_start_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "start", lambda *_: {ARM_ID: "port 20000 is taken [see log]"})
    monkeypatch.setattr("local.cloud.postgres.supervisor.start", Endpoint)
    words = io.StringIO()
    assert _session(tmp_path, words).cloud() == {}
    assert words.getvalue() == "warning: port 20000 is taken [see log]\n"


def test_only_the_clusters_of_the_stack_are_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def start(cluster_ids: Iterable[str]) -> dict[str, str]:
        started.extend(cluster_ids)
        return {}

    monkeypatch.setattr(fleet, "start", start)
    store = Store(tmp_path)
    for stack in ("dev", "uat"):
        urn = f"urn:pulumi:{stack}::engram::azure-native:containerservice:ManagedCluster::aks"
        type_ = "Microsoft.ContainerService/managedClusters"
        store.put(Record(ARM_ID.replace("rg", stack), type_, {}, {}, urn))
    store.close()
    assert clusters.start(tmp_path, "uat") == {}
    assert started == [ARM_ID.replace("rg", "uat")]


@pytest.mark.parametrize("command", [down, clean])
def test_clusters_stop_with_the_cloud(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []
    monkeypatch.setattr(fleet, "stop_all", lambda: stopped.append("clusters"))
    monkeypatch.setattr("local.cloud.postgres.supervisor.stop", lambda: stopped.append("servers"))
    assert command.run(_session(tmp_path), parser().parse_args(["down"])) == 0
    assert stopped == ["clusters", "servers"]


@pytest.mark.parametrize("command", [down, clean])
def test_a_cluster_that_does_not_stop_keeps_no_server_running_and_no_file_is_removed(
    command: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []

    def fail() -> None:
        raise ClusterError("cluster aks: etcd does not stop")

    monkeypatch.setattr(fleet, "stop_all", fail)
    monkeypatch.setattr("local.cloud.postgres.supervisor.stop", lambda: stopped.append("servers"))
    session = _session(tmp_path)
    with pytest.raises(ClusterError, match="etcd does not stop"):
        command.run(session, parser().parse_args(["down"]))
    assert stopped == ["servers"]
    assert session.paths.local.exists()


def test_status_shows_where_a_cluster_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Status(name="aks", cluster_id=ARM_ID, server="https://x:1", running=True, nodes=4)
    monkeypatch.setattr(fleet, "status", lambda: [one])
    shown = {"name": "aks", "server": "https://x:1", "running": True, "nodes": 4}
    assert status.clusters() == [shown]


def test_the_kubeconfig_is_ours_alone(tmp_path: Path) -> None:
    paths = Paths(project=tmp_path, local=tmp_path)
    outputs = {"cluster": {"namespace": "zep"}, "kubeconfig": "apiVersion: v1"}
    file = workloads.kubeconfig(paths, "uat", outputs)
    assert (file.read_text(), file.stat().st_mode & 0o777) == ("apiVersion: v1", 0o600)
    assert file.name == "uat.yaml"


def test_a_stack_without_a_cluster_says_what_to_do(tmp_path: Path) -> None:
    paths = Paths(project=tmp_path, local=tmp_path)
    with pytest.raises(LocalError, match=r"run `make up STACK=uat` first"):
        workloads.kubeconfig(paths, "uat", {})


def test_what_follows_is_kubectls_own(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def run(_session: Session, arguments: Any) -> int:
        given.append((arguments.stack, arguments.words))
        return 0

    monkeypatch.setattr(kubectl, "run", run)
    monkeypatch.setattr(Paths, "claim", lambda _paths: None)
    assert main(["kubectl", "--stack", "uat", "get", "pods", "-n", "zep", "-o", "json"]) == 0
    assert given == [("uat", ["get", "pods", "-n", "zep", "-o", "json"])]


class Became(Exception):  # noqa: N818 - what happened, and the end of this process
    """The program that ours turned into."""


@pytest.mark.parametrize("dashes", [[], ["--"]])
def test_kubectl_gets_its_words_and_nothing_of_the_users_own(
    dashes: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def become(program: Path, words: list[str], environment: dict[str, str]) -> None:
        raise Became(program, words, {k: v for k, v in environment.items() if "KUBE" in k})

    outputs = {"cluster": {"namespace": "zep"}, "kubeconfig": "apiVersion: v1"}
    monkeypatch.setattr("os.execve", become)
    monkeypatch.setattr(Session, "engine", lambda _: SimpleNamespace(outputs=lambda: outputs))
    monkeypatch.setenv("KUBERC", "/home/me/kuberc")
    monkeypatch.setenv("KUBECTL_EXTERNAL_DIFF", "editor")
    session = _session(tmp_path)
    session.paths.local.mkdir()
    arguments = parser().parse_args(["kubectl", *dashes, "get", "pods", "-n", "zep"])
    with pytest.raises(Became) as became:
        kubectl.run(session, arguments)
    program, words, environment = became.value.args
    assert words == [str(program), "get", "pods", "-n", "zep"]
    assert environment.pop("KUBERC") == "off"
    assert set(environment) == {"KUBECONFIG", "KUBECACHEDIR"}
    assert all(value.startswith(str(session.paths.local)) for value in environment.values())
