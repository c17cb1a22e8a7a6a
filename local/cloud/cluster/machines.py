"""What machines of Azure's sizes offer to pods: capacity less what AKS keeps for itself.

Sizes: https://learn.microsoft.com/azure/virtual-machines/sizes/overview
Reservations: https://learn.microsoft.com/azure/aks/node-resource-reservations
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from local.cloud.cluster.errors import ClusterError

MIB_PER_GIB = 1024
RESERVED_MILLICORES = {2: 100, 4: 140, 8: 180, 16: 260, 32: 420, 48: 580, 64: 740}
"""What the kubelet keeps, by cores; Microsoft's table steps by 20 millicores a core from 2 on."""
MIB_PER_POD = 20
KUBELET_MIB = 50
EVICTION_MIB = 100
MOST_RESERVED = 0.25

FAMILIES = {
    "Standard_D{}s_v3": 4,
    "Standard_D{}s_v4": 4,
    "Standard_D{}ds_v4": 4,
    "Standard_D{}s_v5": 4,
    "Standard_D{}ds_v5": 4,
    "Standard_D{}as_v5": 4,
    "Standard_D{}ads_v5": 4,
    "Standard_D{}s_v6": 4,
    "Standard_D{}ds_v6": 4,
    "Standard_D{}as_v6": 4,
    "Standard_D{}ads_v6": 4,
    "Standard_E{}s_v3": 8,
    "Standard_E{}s_v5": 8,
    "Standard_E{}ds_v5": 8,
    "Standard_E{}as_v5": 8,
    "Standard_E{}ads_v5": 8,
    "Standard_E{}ds_v6": 8,
    "Standard_F{}s_v2": 2,
}
"""GiB of memory a core; the largest sizes are rarer, and left out."""
CORES = (2, 4, 8, 16, 32, 48, 64)
BURSTABLE = {
    "Standard_B2ms": (2, 8),
    "Standard_B4ms": (4, 16),
    "Standard_B8ms": (8, 32),
    "Standard_B2s_v2": (2, 8),
    "Standard_B4s_v2": (4, 16),
    "Standard_B8s_v2": (8, 32),
    "Standard_B2as_v2": (2, 8),
    "Standard_B4as_v2": (4, 16),
    "Standard_B8as_v2": (8, 32),
}
"""Cores and GiB. AKS refuses machines of less than 2 cores and 4 GiB."""


@dataclass(frozen=True)
class Machine:
    """One size."""

    cores: int
    memory_gib: int

    @property
    def capacity(self) -> Mapping[str, str]:
        """All that the machine has, in Kubernetes' units."""
        return {"cpu": str(self.cores), "memory": f"{self.memory_gib * MIB_PER_GIB}Mi"}

    def allocatable(self, max_pods: int) -> Mapping[str, str]:
        """Return what is left for pods, in Kubernetes' units."""
        memory = self.memory_gib * MIB_PER_GIB
        reserved = min(MIB_PER_POD * max_pods + KUBELET_MIB, int(memory * MOST_RESERVED))
        return {
            "cpu": f"{self.cores * 1000 - RESERVED_MILLICORES[self.cores]}m",
            "memory": f"{memory - reserved - EVICTION_MIB}Mi",
        }


def _all() -> Iterator[tuple[str, Machine]]:
    for pattern, gib in FAMILIES.items():
        for cores in CORES:
            yield pattern.format(cores), Machine(cores, cores * gib)
    for name, (cores, gib) in BURSTABLE.items():
        yield name, Machine(cores, gib)


MACHINES: Mapping[str, Machine] = dict(_all())


def machine(vm_size: str) -> Machine:
    """Return a size by Azure's name; ``ClusterError`` with all names where it is unknown."""
    for name, found in MACHINES.items():
        if name.lower() == vm_size.lower():
            return found
    known = ", ".join([pattern.replace("{}", "<n>") for pattern in FAMILIES] + list(BURSTABLE))
    raise ClusterError(
        f"vm_size {vm_size} is not known here; known are {known} with <n> of"
        f" {', '.join(map(str, CORES))}. Choose one of them, or add it to {__name__}."
    )
