"""One control plane for all tests, and a namespace for each test."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud.cluster.cluster import Cluster
from local.cloud.kubernetes.client import Apply, Client
from local.cloud.kubernetes.kubeconfig import Settings
from local.cloud.kubernetes.objects import Kind
from tests.kubernetes_cluster import cluster, pytest_collection_modifyitems
from tests.local.cloud.kubernetes.stack import Stack

__all__ = ["cluster", "pytest_collection_modifyitems"]

GIVEN = "ENGRAM_TEST_KUBECONFIG"
"""A cluster to test against instead of one of our own, such as one that stands already."""
NAMESPACE = Kind("", "v1", "Namespace")


@pytest.fixture(scope="session")
def kubeconfig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the way to an API server."""
    if GIVEN in os.environ:
        return Path(os.environ[GIVEN])
    own: Cluster = request.getfixturevalue("cluster")
    file = tmp_path_factory.mktemp("cluster") / "kubeconfig"
    file.write_text(own.access.kubeconfig)
    return file


@pytest.fixture
def client(kubeconfig: Path) -> Client:
    return Client(Settings.read({"kubeconfig": kubeconfig.read_text()}))


@pytest.fixture
def namespace(client: Client) -> Iterator[str]:
    """A namespace in which only the strictest pods may run."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    obj = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    }
    client.apply(obj, Apply("test"), lambda _: None)
    yield name
    client.delete(NAMESPACE, "", name, "Background")


@pytest.fixture
def stack(kubeconfig: Path, tmp_path: Path) -> Stack:
    """A program that declares nothing yet."""
    return Stack(tmp_path / "program", kubeconfig)
