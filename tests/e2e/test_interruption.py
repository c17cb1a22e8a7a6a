"""``kill -9`` at many moments of a stack's life: the next command goes on, and nothing is lost."""

import os
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from local.cloud.cluster.cluster import Cluster
from local.cloud.cluster.errors import ClusterError
from local.cloud.store import Store
from tests.e2e.installation import Installation

pytestmark = pytest.mark.e2e

SERVER = "Microsoft.DBforPostgreSQL/flexibleServers"
Moment = Callable[[Installation], bool]


def standing(installation: Installation) -> dict[str, str]:
    """Return the type of everything that stands in the local cloud, by id."""
    if not installation.paths.cloud.exists():
        return {}  # to look would be to make it
    store = Store(installation.paths.cloud)
    try:
        return {record.arm_id: record.type for record in store.children("/subscriptions")}
    finally:
        store.close()


def stands(arm_type: str, number: int = 1) -> Moment:
    """Say when so many resources of a type stand."""
    return lambda installation: list(standing(installation).values()).count(arm_type) >= number


def exists(pattern: str) -> Moment:
    """Say when a file or folder of a service is there."""
    return lambda installation: any(installation.paths.services.glob(pattern))


def workloads(installation: Installation) -> set[str]:
    """Return the workloads that the cluster has, ready or not; none where nothing answers."""
    found = set()
    for file in installation.paths.services.glob("kubernetes/clusters/*/created"):
        cluster = Cluster((file.parent / "id").read_text(encoding="utf-8"), file.parent)
        for kind in ("deployments", "statefulsets"):
            path = f"/apis/apps/v1/namespaces/zep/{kind}"
            try:
                listed = cluster.api.get(path) or {"items": []}
            except (ClusterError, OSError):
                continue
            found |= {item["metadata"]["name"] for item in listed["items"]}
    return found


MOMENTS_OF_UP: Mapping[str, Moment] = {
    "the first resource stands": stands("Microsoft.Resources/resourceGroups"),
    "the vault stands": stands("Microsoft.KeyVault/vaults"),
    "the server is in the making": exists("postgres/servers/*/data"),
    "the cluster is in the making": exists("kubernetes/clusters/*/data/etcd"),
    "the server stands": stands(SERVER),
    "the cluster stands": stands("Microsoft.ContainerService/managedClusters"),
    "half of the server's parameters are set": stands(f"{SERVER}/configurations", 8),
    "the first workload is on its way": lambda installation: len(workloads(installation)) >= 1,
    "all workloads but the last are": lambda installation: len(workloads(installation)) >= 4,
}
MOMENTS_OF_DESTROY: Mapping[str, Moment] = {
    "the first workload is gone": lambda installation: len(workloads(installation)) < 5,
    "the cluster is gone": lambda installation: not exists("kubernetes/clusters/*")(installation),
    "the server is gone": lambda installation: SERVER not in standing(installation).values(),
}


def kill_at_next(moments: Mapping[str, Moment], installation: Installation, *command: str) -> None:
    """Run a command, and kill it with its engine and plugins when any of the moments comes."""
    process = installation.start(*command)
    deadline = time.monotonic() + 150
    while not any(moment(installation) for moment in moments.values()):
        assert process.poll() is None, f"it ended before any of {[*moments]} came"
        assert time.monotonic() < deadline, f"none of {[*moments]} came"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def kill_at_each(moments: Mapping[str, Moment], installation: Installation, command: str) -> None:
    """Run a command again and again, each time killed at a moment that is yet to come."""
    coming = moments
    while coming:
        before = set(standing(installation))
        kill_at_next(coming, installation, command, "--json")
        if command == "up":
            assert before <= set(standing(installation)), "what stood was made again or lost"
        coming = {name: come for name, come in coming.items() if not come(installation)}


def unknown(installation: Installation) -> list[str]:
    """Return what stands and no state knows, but for what Azure itself puts beside a cluster."""
    resources = installation.engine().deployment()["resources"]
    known = {entry.get("id") for entry in resources}
    azures = [f"/resourceGroups/{name}" for name in map(_node_group, resources) if name]
    return [
        arm_id
        for arm_id in standing(installation)
        if arm_id not in known and not any(group in arm_id for group in azures)
    ]


def _node_group(resource: Mapping[str, Any]) -> str | None:
    name: str | None = (resource.get("outputs") or {}).get("nodeResourceGroup")
    return name


@pytest.mark.timeout(1200)
def test_whatever_was_killed_is_finished_by_the_next_command(fresh: Installation) -> None:
    kill_at_each(MOMENTS_OF_UP, fresh, "up")
    report = fresh.succeed("up")
    assert [check for check in report["checks"] if not check["ok"]] == []
    assert set(fresh.succeed("up")["changes"]) == {"same"}
    assert unknown(fresh) == []

    kill_at_each(MOMENTS_OF_DESTROY, fresh, "destroy")
    fresh.succeed("destroy")
    assert standing(fresh) == {}
    assert fresh.wait_until_quiet() == []
