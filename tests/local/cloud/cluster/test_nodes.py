"""Nodes are named, labelled, placed and tainted as AKS does it."""

from dataclasses import replace

import pytest

from local.cloud.cluster import nodes
from local.cloud.cluster.api import Object
from local.cloud.cluster.errors import ClusterError
from local.cloud.cluster.nodes import Node, check, nodes_of
from tests.kubernetes_cluster import MEMORY_POOL, SPEC, SYSTEM_POOL

VERSION = "1.36.3"


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0, "aks-memory-00000000-vmss000000"),
        (10, "aks-memory-00000000-vmss00000a"),
        (36, "aks-memory-00000000-vmss000010"),
    ],
)
def test_names_count_to_the_base_of_36(number: int, name: str) -> None:
    assert Node(MEMORY_POOL, number, "westeurope", VERSION).name == name


def test_machines_take_turns_over_the_zones() -> None:
    spec = replace(SPEC, pools=(replace(MEMORY_POOL, count=4),))
    zones = [node.zone for node in nodes_of(spec, VERSION).values()]
    assert zones == ["westeurope-1", "westeurope-2", "westeurope-3", "westeurope-1"]


def test_a_machine_in_no_zone_has_its_fault_domain_and_no_disk_zone() -> None:
    labels = Node(SYSTEM_POOL, 0, "westeurope", VERSION).labels
    assert labels["topology.kubernetes.io/zone"] == "0"
    assert labels["topology.disk.csi.azure.com/zone"] == ""


def test_labels_are_those_of_aks_and_the_pool_cannot_replace_them() -> None:
    mine = {"engram.io/pool": "memory", "kubernetes.azure.com/mode": "mine"}
    labels = Node(replace(MEMORY_POOL, labels=mine), 0, "westeurope", VERSION).labels
    assert labels["engram.io/pool"] == "memory"
    assert labels["kubernetes.azure.com/mode"] == "user"
    assert labels["agentpool"] == labels["kubernetes.azure.com/agentpool"] == "memory"
    assert labels["node.kubernetes.io/instance-type"] == "Standard_D8s_v5"
    assert labels["topology.kubernetes.io/region"] == "westeurope"


def test_taints_are_read_as_azure_writes_them() -> None:
    document = Node(SYSTEM_POOL, 0, "westeurope", VERSION).document
    expected = {"key": "CriticalAddonsOnly", "value": "true", "effect": "NoSchedule"}
    assert document["spec"]["taints"] == [expected]


@pytest.mark.parametrize("taint", ["key=value", "key=value:Sometimes", "=value:NoSchedule", ""])
def test_a_taint_that_cannot_be_read_is_refused(taint: str) -> None:
    spec = replace(SPEC, pools=(replace(MEMORY_POOL, taints=(taint,)),))
    with pytest.raises(ClusterError, match=r"cannot be read: key=value:Effect is expected"):
        check(spec)


class Draining:
    """An API server whose machine has a pod that leaves, and one that comes back each time."""

    def __init__(self) -> None:
        self.pods = {"web": "ReplicaSet", "agent": "DaemonSet"}
        self.deleted: list[str] = []

    def items(self, path: str, **_query: str) -> list[Object]:
        assert path == nodes.PODS
        return [
            {"metadata": {"name": name, "namespace": "zep", "ownerReferences": [{"kind": kind}]}}
            for name, kind in self.pods.items()
        ]

    def merge(self, _path: str, _change: Object) -> None:
        """Nothing depends on it here."""

    def delete(self, path: str) -> None:
        name = path.rpartition("/")[2]
        self.deleted.append(name)
        if name != "agent":
            self.pods.pop(name, None)


def test_a_machine_goes_though_a_daemon_would_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "DRAIN_SECONDS", 0.3)
    api = Draining()
    nodes._remove(api, "aks-gone")  # type: ignore[arg-type]
    assert api.deleted == ["web", "aks-gone"]


def test_a_node_offers_what_its_size_leaves_to_pods() -> None:
    status = Node(replace(MEMORY_POOL, max_pods=30), 0, "westeurope", VERSION).document["status"]
    assert status["capacity"]["cpu"] == "8"
    assert status["allocatable"]["cpu"] == "7820m"
    assert status["allocatable"]["pods"] == "30"
    assert status["nodeInfo"]["kubeletVersion"] == "v1.36.3"
