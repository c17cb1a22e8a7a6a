"""The machines of a cluster: named and labelled as AKS does, played by kwok."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.cloud.cluster.api import Api, Object
from local.cloud.cluster.errors import ClusterError
from local.cloud.cluster.machines import machine
from local.cloud.cluster.spec import ClusterSpec, PoolSpec

NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
"""Who plays a node holds its lease; a stopped one would keep the next from playing for 40 s."""
POOL_LABEL = "kubernetes.azure.com/agentpool"
SIZE_LABEL = "node.kubernetes.io/instance-type"
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
INSTANCE_DIGITS = 6
NOT_READY = "node.kubernetes.io/not-ready"
WITHOUT_ZONE = "0"
"""What AKS says of a machine in no zone: its fault domain."""
DISK_GIB = 128
READY_SECONDS = 120.0
DRAIN_SECONDS = 60.0
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Node:
    """One machine that shall be."""

    pool: PoolSpec
    number: int
    region: str
    version: str

    @property
    def name(self) -> str:
        """As a virtual machine scale set counts: six digits to the base of 36."""
        rest, digits = self.number, ""
        for _ in range(INSTANCE_DIGITS):
            rest, digit = divmod(rest, len(DIGITS))
            digits = DIGITS[digit] + digits
        return f"aks-{self.pool.name}-00000000-vmss{digits}"

    @property
    def zone(self) -> str:
        """``<region>-<n>``, or the fault domain of a machine in no zone."""
        zones = self.pool.zones
        return f"{self.region}-{zones[self.number % len(zones)]}" if zones else WITHOUT_ZONE

    @property
    def labels(self) -> Mapping[str, str]:
        """AKS' own labels; the pool's come first, as it may not replace those."""
        return {
            **self.pool.labels,
            "agentpool": self.pool.name,
            POOL_LABEL: self.pool.name,
            "kubernetes.azure.com/mode": self.pool.mode.lower(),
            "kubernetes.azure.com/role": "agent",
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": "linux",
            SIZE_LABEL: self.pool.vm_size,
            "topology.disk.csi.azure.com/zone": self.zone if self.pool.zones else "",
            "topology.kubernetes.io/region": self.region,
            "topology.kubernetes.io/zone": self.zone,
        }

    @property
    def taints(self) -> list[dict[str, str]]:
        """The pool's taints in Kubernetes' shape; ``ClusterError`` where one cannot be read."""
        return [_taint(text) for text in self.pool.taints]

    @property
    def document(self) -> Object:
        """Return the object as it is created, with what a kubelet would report."""
        size = machine(self.pool.vm_size)
        common = {"pods": str(self.pool.max_pods), "ephemeral-storage": f"{DISK_GIB}Gi"}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": self.name,
                "labels": dict(self.labels),
                "annotations": {"kwok.x-k8s.io/node": "fake"},
            },
            "spec": {"taints": self.taints},
            "status": {
                "capacity": {**common, **size.capacity},
                "allocatable": {**common, **size.allocatable(self.pool.max_pods)},
                "nodeInfo": {"kubeletVersion": f"v{self.version}"},
            },
        }


def nodes_of(spec: ClusterSpec, version: str) -> Mapping[str, Node]:
    """Return all machines of a cluster by name."""
    found = (
        Node(pool, number, spec.region, version)
        for pool in spec.pools
        for number in range(pool.count)
    )
    return {node.name: node for node in found}


def check(spec: ClusterSpec) -> None:
    """Raise ``ClusterError`` where a size is unknown or a taint cannot be read."""
    for pool in spec.pools:
        machine(pool.vm_size)
        for taint in pool.taints:
            _taint(taint)


def bring_in_line(api: Api, old: Mapping[str, Node], new: Mapping[str, Node]) -> None:
    """Add, change, drain and remove machines, and wait until those that stay are ready."""
    found = api.items(NODES, labelSelector=POOL_LABEL)
    there = {node["metadata"]["name"]: node["metadata"]["labels"] for node in found}
    for name, node in new.items():
        if name in there and there[name].get(SIZE_LABEL) != node.pool.vm_size:
            _remove(api, name)
            del there[name]
        if name not in there:
            api.create(NODES, node.document)
        else:
            _change(api, old.get(name, node), node)
    # Last, so that there is room for the pods that must leave.
    for name in sorted(set(there) - set(new), reverse=True):
        _remove(api, name)
    wait_until_ready(api, set(new))


def wait_until_ready(api: Api, names: set[str]) -> None:
    """Wait until machines are ready; ``ClusterError`` where they take too long."""
    deadline = time.monotonic() + READY_SECONDS
    while waiting := names - {node["metadata"]["name"] for node in _ready(api)}:
        if time.monotonic() > deadline:
            raise ClusterError(f"nodes are not ready: {', '.join(sorted(waiting))}")
        time.sleep(POLL_SECONDS)


def _ready(api: Api) -> Iterator[Object]:
    leased = {lease["metadata"]["name"] for lease in api.items(LEASES)}
    for node in api.items(NODES):
        conditions = {c["type"]: c["status"] for c in node["status"].get("conditions", ())}
        taints = {taint["key"] for taint in node["spec"].get("taints", ())}
        played = node["metadata"]["name"] in leased
        if played and conditions.get("Ready") == "True" and NOT_READY not in taints:
            yield node


def _change(api: Api, old: Node, new: Node) -> None:
    gone = dict.fromkeys(set(old.labels) - set(new.labels))
    change: dict[str, Any] = {"metadata": {"labels": {**gone, **new.labels}}}
    if old.taints != new.taints:
        change["spec"] = {"taints": new.taints}
    api.merge(f"{NODES}/{new.name}", change)


def _remove(api: Api, name: str) -> None:
    """Let a machine go as a scale-down does: nothing new on it, its pods leave, then it does."""
    api.merge(f"{NODES}/{name}", {"spec": {"unschedulable": True}})
    deadline = time.monotonic() + DRAIN_SECONDS
    while pods := _to_leave(api, name):
        for pod in pods:
            meta = pod["metadata"]
            api.delete(f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}")
        if time.monotonic() > deadline:
            raise ClusterError(f"node {name} cannot be drained: {len(pods)} pods do not leave")
        time.sleep(POLL_SECONDS)
    api.delete(f"{NODES}/{name}")


def _to_leave(api: Api, name: str) -> list[Object]:
    """Return the pods of a machine but those that would come back: a DaemonSet tolerates it all."""
    pods = api.items(PODS, fieldSelector=f"spec.nodeName={name}")
    return [pod for pod in pods if not _belongs_to_machine(pod)]


def _belongs_to_machine(pod: Object) -> bool:
    owners = pod["metadata"].get("ownerReferences") or ()
    return any(owner["kind"] == "DaemonSet" for owner in owners)


def _taint(text: str) -> dict[str, str]:
    pair, colon, effect = text.rpartition(":")
    key, _, value = pair.partition("=")
    if not (colon and key and effect in {"NoSchedule", "PreferNoSchedule", "NoExecute"}):
        raise ClusterError(
            f"taint {text!r} cannot be read: key=value:Effect is expected, with an effect of"
            " NoSchedule, PreferNoSchedule or NoExecute"
        )
    return {"key": key, "value": value, "effect": effect}
