"""Machines offer what Azure's do, and unknown ones are named with those that are known."""

import pytest

from local.cloud.cluster.errors import ClusterError
from local.cloud.cluster.machines import MACHINES, machine
from stacks.settings.vm_sizes import VM_SIZES


@pytest.mark.parametrize(
    ("vm_size", "max_pods", "cpu", "memory"),
    [
        # 4 cores and 16 GiB: 20 MiB x 30 + 50 and the eviction threshold are kept back.
        ("Standard_D4s_v5", 30, "3860m", f"{16384 - 650 - 100}Mi"),
        # 250 pods would need 5050 MiB; never more than a quarter is kept back.
        ("Standard_D2s_v3", 250, "1900m", f"{8192 - 2048 - 100}Mi"),
        ("Standard_E4ds_v5", 110, "3860m", f"{32768 - 2250 - 100}Mi"),
        ("Standard_D64s_v5", 250, "63260m", f"{256 * 1024 - 5050 - 100}Mi"),
    ],
)
def test_pods_get_what_aks_leaves_them(vm_size: str, max_pods: int, cpu: str, memory: str) -> None:
    assert machine(vm_size).allocatable(max_pods) == {"cpu": cpu, "memory": memory}


def test_azure_does_not_care_for_the_case_of_a_size() -> None:
    assert machine("standard_d4S_V5") == MACHINES["Standard_D4s_v5"]


def test_an_unknown_size_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match=r"vm_size Standard_M8ms is not .*Standard_D<n>s_v5.*"):
        machine("Standard_M8ms")


@pytest.mark.parametrize("vm_size", VM_SIZES)
def test_every_size_that_settings_allow_is_known_alike(vm_size: str) -> None:
    found, allowed = machine(vm_size), VM_SIZES[vm_size]
    assert (found.cores, found.memory_gib) == (allowed.vcpus, allowed.memory_gib)
