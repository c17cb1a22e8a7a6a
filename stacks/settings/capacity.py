"""Whether all pods find a node: plain arithmetic over the settings and the sizes' figures.

Pods are never split, so the sums alone would promise too much: they are packed, the largest first,
as the scheduler would find it hardest.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stacks.settings.budget import SURGE_PODS
from stacks.settings.model import StackSettings
from stacks.settings.vm_sizes import VmSize
from stacks.settings.workloads import ContainerSettings, ManagedGraphStore

KUBELET_MILLICORES = {2: 100, 4: 140, 8: 180, 16: 260, 32: 420}
"""What AKS keeps of a node, by its vCPUs.

https://learn.microsoft.com/azure/aks/node-resource-reservations
"""

PODS_PER_NODE = 110
"""The bound of the pools, for which AKS keeps memory."""

KUBELET_MIB = round((20 * PODS_PER_NODE + 50) * 1e6 / 2**20)
"""What AKS keeps at most: 20 MB for each pod that a node may have, and 50 MB."""

KUBELET_SHARE = 0.25
"""Of a small node's memory, where that is less."""

JOB_PODS = 2
"""Of the memory's jobs at once: the keys' rotation, and retention."""

EVICTION_MIB = 100
AGENTS_MILLICORES, AGENTS_MIB = 500, 1024
"""Our own allowance for what runs on every node: network, disks, secrets, logs."""


@dataclass(frozen=True)
class Load:
    """What a pod asks for, or a node has."""

    millicores: int
    mib: int

    def __add__(self, other: "Load") -> "Load":
        """Return both together."""
        return Load(self.millicores + other.millicores, self.mib + other.mib)

    def __sub__(self, other: "Load") -> "Load":
        """Return what is left."""
        return Load(self.millicores - other.millicores, self.mib - other.mib)

    def holds(self, other: "Load") -> bool:
        """Tell whether the other fits in."""
        return other.millicores <= self.millicores and other.mib <= self.mib

    def __str__(self) -> str:
        """As the figures of a message: ``7.3 CPU and 26.2 GiB``."""
        return f"{self.millicores / 1000:.4g} CPU and {self.mib / 1024:.4g} GiB"


def allocatable(size: VmSize) -> Load:
    """Return what a node of this size has left for our pods."""
    kept_mib = min(KUBELET_MIB, round(size.memory_gib * 1024 * KUBELET_SHARE))
    node = Load(size.vcpus * 1000, size.memory_gib * 1024)
    kubelet = Load(KUBELET_MILLICORES[size.vcpus], kept_mib + EVICTION_MIB)
    return node - kubelet - Load(AGENTS_MILLICORES, AGENTS_MIB)


def _load(*containers: ContainerSettings) -> Load:
    return Load(
        round(sum(c.cpu for c in containers) * 1000),
        round(sum(c.memory_gib for c in containers) * 1024),
    )


def pods(s: StackSettings, *, at_maximum: bool) -> Iterator[tuple[int, Load]]:
    """Yield how many pods of which size there are: at the autoscalers' bounds, or at rest.

    At the bounds a roll-out is under way, for which a Deployment starts one pod more.
    """
    w, app = s.workloads, s.connections.application
    memory, graphiti, gateway = w.memory_service, w.graphiti, w.gateway
    surge = SURGE_PODS if at_maximum else 0
    yield w.zep.max_replicas if at_maximum else w.zep.replicas, _load(w.zep, w.zep.pooler)
    yield (memory.max_replicas if at_maximum else app.replicas) + surge, _load(memory)
    yield graphiti.replicas + surge, _load(graphiti)
    yield (gateway.max_replicas if at_maximum else gateway.replicas) + surge, _load(gateway)
    if isinstance(w.graph_store, ManagedGraphStore):
        yield 1, _load(w.graph_store)
    if at_maximum:
        yield JOB_PODS, _load(w.memory_operations)


def needed(s: StackSettings, *, at_maximum: bool) -> Load:
    """Return the sum of all pods."""
    total = Load(0, 0)
    for number, load in pods(s, at_maximum=at_maximum):
        total += Load(number * load.millicores, number * load.mib)
    return total


def find_nodes(s: StackSettings, nodes: int, node: Load, *, at_maximum: bool) -> bool:
    """Tell whether every pod finds a place on that many nodes."""
    ordered = sorted(
        (load for number, load in pods(s, at_maximum=at_maximum) for _ in range(number)),
        key=lambda load: (load.millicores, load.mib),
        reverse=True,
    )
    left = [node] * nodes
    for load in ordered:
        place = next((i for i, free in enumerate(left) if free.holds(load)), None)
        if place is None:
            return False
        left[place] -= load
    return True
