"""Virtual machines that a node pool may be made of: data with its sources."""

from dataclasses import dataclass


@dataclass(frozen=True)
class VmSize:
    """One size of virtual machine."""

    vcpus: int
    memory_gib: int
    host_encryption: bool
    """Whether temporary disks and caches can be encrypted on the host."""
    local_disk_gib: int = 0
    """The temporary disk, which an ephemeral system disk needs; 0 where there is none."""


_SERIES: dict[str, tuple[int, float]] = {
    # suffix: GiB a vCPU, GiB of local disk a vCPU
    "Ds_v5": (4, 0),
    "Das_v5": (4, 0),
    "Dds_v5": (4, 37.5),
    "Dads_v5": (4, 37.5),
    "Es_v5": (8, 0),
    "Eds_v5": (8, 37.5),
}
_VCPUS = (2, 4, 8, 16, 32)


def _sizes() -> dict[str, VmSize]:
    """Spell out the series: disk and memory grow with the vCPUs."""
    sizes = {"Standard_D4s_v3": VmSize(4, 16, host_encryption=True, local_disk_gib=32)}
    for series, (memory, disk) in _SERIES.items():
        for vcpus in _VCPUS:
            name = f"Standard_{series[0]}{vcpus}{series[1:]}"
            sizes[name] = VmSize(vcpus, memory * vcpus, True, int(disk * vcpus))  # noqa: FBT003
    return sizes


VM_SIZES: dict[str, VmSize] = _sizes()
"""By Azure's name.

https://learn.microsoft.com/azure/virtual-machines/sizes/general-purpose/ddsv5-series
https://learn.microsoft.com/azure/virtual-machines/sizes/memory-optimized/edsv5-series
"""
