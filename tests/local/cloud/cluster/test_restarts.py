"""A cluster changes in place, and is the same one after every restart."""

import json
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from local.cloud.cluster import fleet
from local.cloud.cluster.api import Object
from local.cloud.cluster.cluster import ORDER, Cluster
from local.cloud.cluster.errors import ClusterError
from local.cloud.cluster.nodes import NODES
from local.cloud.postgres.ports import bind
from local.paths import OVERRIDE, Paths
from tests.kubernetes_cluster import (
    CLUSTER_ID,
    CONTAINER,
    MEMORY_POOL,
    SPEC,
    SYSTEM_POOL,
    deployment,
    eventually,
)

pytestmark = pytest.mark.slow


def _kill_everything(cluster: Cluster) -> None:
    for name in ORDER:
        number = int((cluster.folder / "processes" / f"{name}.pid").read_text())
        os.kill(number, signal.SIGKILL)
    eventually(lambda: not any(_living(cluster)))


def _living(cluster: Cluster) -> Iterator[str]:
    for name in ORDER:
        file = cluster.folder / "processes" / f"{name}.pid"
        if Path(f"/proc/{file.read_text().strip()}").exists():
            yield name


def test_pools_grow_shrink_and_change_their_labels(cluster: Cluster, namespace: str) -> None:
    core = f"/api/v1/namespaces/{namespace}"
    larger = replace(MEMORY_POOL, count=4, labels={"engram.io/pool": "memory"})
    cluster.update(replace(SPEC, pools=(SYSTEM_POOL, larger)))
    fourth = "aks-memory-00000000-vmss000003"
    selector = {"kubernetes.io/hostname": fourth}
    collection = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    cluster.api.create(collection, deployment("pinned", CONTAINER, nodeSelector=selector))
    eventually(lambda: any(_running(cluster, core)))

    cluster.update(SPEC)
    names = {node["metadata"]["name"]: node for node in cluster.api.items(NODES)}
    assert fourth not in names
    assert len(names) == 4
    first = names["aks-memory-00000000-vmss000000"]["metadata"]["labels"]
    assert "engram.io/pool" not in first
    eventually(lambda: not any(_running(cluster, core)))  # it was drained, and has no place now


def _running(cluster: Cluster, core: str) -> Iterator[Object]:
    for pod in cluster.api.items(f"{core}/pods"):
        if pod["status"].get("phase") == "Running":
            yield pod


def test_the_same_cluster_comes_back_after_everything_was_killed(
    cluster: Cluster, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    noted = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "noted"}}
    cluster.api.create(path, noted)
    before = (cluster.access, cluster.certificates.certificate("ca").read_bytes())
    uid = (cluster.api.get(f"{path}/noted") or {})["metadata"]["uid"]
    _kill_everything(cluster)
    assert not cluster.running

    again = Cluster(cluster.cluster_id, cluster.folder)
    again.start()
    assert (again.access, again.certificates.certificate("ca").read_bytes()) == before
    assert (again.api.get(f"{path}/noted") or {})["metadata"]["uid"] == uid
    # All act at once, the nodes too, though the lease of who played them before has not ended.
    collection = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    again.api.create(collection, deployment("later", CONTAINER))
    eventually(
        lambda: (again.api.get(f"{collection}/later") or {})["status"].get("readyReplicas") == 1,
        seconds=15,
    )


def test_a_start_that_was_killed_is_gone_on_with(cluster: Cluster) -> None:
    mark = cluster.folder / "processes" / "ready"
    mark.unlink()  # as after `kill -9` of whoever started it
    assert not cluster.running
    cluster.start()
    assert mark.exists()
    assert cluster.running


def test_whoever_only_wants_it_to_run_does_not_wait_for_its_changes(cluster: Cluster) -> None:
    with cluster.control(), ThreadPoolExecutor() as pool:
        pool.submit(cluster.start).result(timeout=10)


def test_a_single_killed_process_comes_back_alone(cluster: Cluster) -> None:
    def numbers() -> dict[str, str]:
        files = (cluster.folder / "processes").glob("*.pid")
        return {file.stem: file.read_text() for file in files}

    before = numbers()
    os.kill(int(before["kube-scheduler"]), signal.SIGKILL)
    eventually(lambda: not cluster.running)
    cluster.start()
    changed = {name for name, number in numbers().items() if number != before[name]}
    assert changed == {"kube-scheduler"}


def test_what_nobody_outside_knows_of_moves_where_its_port_is_taken(cluster: Cluster) -> None:
    file = cluster.folder / "ports.json"
    before = json.loads(file.read_text())
    cluster.stop()
    with ExitStack() as others:
        for door in ("etcd", "peer", "kubelet"):
            others.enter_context(bind(before[door])).listen()
        cluster.start()
    after = json.loads(file.read_text())
    assert [door for door in before if before[door] == after[door]] == ["api"]
    assert len(cluster.api.items(NODES)) == 4


def test_a_taken_port_is_named_and_nothing_else_takes_its_place(cluster: Cluster) -> None:
    cluster.stop()
    port = json.loads((cluster.folder / "ports.json").read_text())["api"]
    with bind(port) as listener:
        listener.listen()
        with pytest.raises(ClusterError, match=rf"port {port} of kube-apiserver of cluster aks-"):
            cluster.start()
    cluster.start()
    assert cluster.url.endswith(f":{port}")


@pytest.mark.usefixtures("cluster")
def test_a_fleet_starts_stops_and_forgets_clusters_beside_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="engram-test-"))
    folder.chmod(0o755)
    monkeypatch.setenv(OVERRIDE, str(folder / "local"))
    other = CLUSTER_ID.replace("unit", "other")
    small = replace(SPEC, pools=(replace(SYSTEM_POOL, taints=()),))
    try:
        access = fleet.create(other, small)
        assert fleet.create(other.upper(), small) == access
        [status] = fleet.status()
        assert (status.name, status.running, status.nodes) == ("aks-other", True, 1)
        fleet.stop_all()
        assert not fleet.status()[0].running
        assert fleet.start([other]) == {}
        assert fleet.access(other) == access
    finally:
        fleet.delete(other)
    assert fleet.status() == []
    assert list((Paths.current().services / "kubernetes" / "clusters").iterdir()) == []
    with pytest.raises(ClusterError, match="cluster aks-other was removed, or never completely"):
        fleet.access(other)
    shutil.rmtree(folder)
