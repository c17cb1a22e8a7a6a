"""A real control plane for tests of any room: one per run, a fresh namespace per test.

Import the fixtures and the hook in the ``conftest.py`` that wants them. It is a local cloud's
own: a system node, three memory nodes over three zones, AKS' storage classes, and the types
of the secrets store. Whoever stops or scales it puts it back.
"""

import itertools
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local.cloud.cluster.api import Object
from local.cloud.cluster.cluster import Cluster
from local.cloud.cluster.spec import SECRETS_STORE, ClusterSpec, PoolSpec
from local.paths import Paths
from local.toolchain import build
from local.toolchain.installer import KUBERNETES
from local.toolchain.report import Report

CLUSTER_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-unit"
    "/providers/Microsoft.ContainerService/managedClusters/aks-unit"
)
TENANT_ID = "11111111-1111-4111-8111-111111111111"
SYSTEM_POOL = PoolSpec(
    name="system",
    mode="System",
    count=1,
    vm_size="Standard_D2s_v5",
    taints=("CriticalAddonsOnly=true:NoSchedule",),
)
MEMORY_POOL = PoolSpec(
    name="memory", mode="User", count=3, vm_size="Standard_D8s_v5", zones=("1", "2", "3")
)
SPEC = ClusterSpec(
    kubernetes_version="1.36",
    region="westeurope",
    tenant_id=TENANT_ID,
    pools=(SYSTEM_POOL, MEMORY_POOL),
    addons=frozenset({SECRETS_STORE}),
)
CONTAINER: Object = {
    "name": "main",
    "image": "registry.example/none:1",
    "securityContext": {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
}
"""What Pod Security's strictest level lets in."""
NUMBERS = itertools.count(1)
SECONDS = 120.0


# First, as pytest-xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker run all tests of the cluster (``--dist loadgroup``): it takes 600 MiB."""
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running cluster in a folder of its own, removed afterwards."""
    build.ensure([KUBERNETES], Paths.current(), Report(Console(quiet=True)))
    folder = Path(tempfile.mkdtemp(prefix="engram-test-"))
    folder.chmod(0o755)
    own = Cluster(CLUSTER_ID, folder / "it's a $clone" / "clusters" / "unit", folder / "cloud")
    try:
        own.create(SPEC)
        yield own
    finally:
        own.remove()
        shutil.rmtree(folder)


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """The name of an empty namespace that only this test uses, with Pod Security restricted."""
    name = f"test-{os.getpid()}-{next(NUMBERS)}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": name, "labels": labels}
    given = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    cluster.api.create("/api/v1/namespaces", given)
    eventually(lambda: cluster.api.get(f"/api/v1/namespaces/{name}/serviceaccounts/default"))
    yield name
    cluster.api.delete(f"/api/v1/namespaces/{name}")


def deployment(name: str, container: Object, **spec: Any) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container], **spec}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def eventually(look: Callable[[], Object | bool | None], seconds: float = SECONDS) -> Object | bool:
    """Return what is seen as soon as it is something; fail where it takes too long."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"nothing to be seen after {seconds:.0f} s"
        time.sleep(0.05)
    return seen
