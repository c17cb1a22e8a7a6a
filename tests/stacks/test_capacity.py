"""stacks/settings/capacity.py: what a node has left, and whether pods find one."""

import pytest

from components import node_pools
from stacks.settings.capacity import PODS_PER_NODE, Load, allocatable, find_nodes, needed
from stacks.settings.cluster import ManagedCluster
from stacks.settings.vm_sizes import VM_SIZES
from tests.stacks.files import STACKS, settings_of


@pytest.mark.parametrize(
    ("size", "millicores", "mib"),
    [
        # 8 vCPUs less 180m and 500m; 32 GiB less 2146 MiB (2250 MB for 110 pods), 100 and 1024
        ("Standard_D8ds_v5", 7320, 29498),
        # 4 vCPUs less 140m and 500m; 16 GiB less the same
        ("Standard_D4ds_v5", 3360, 13114),
        # 2 vCPUs less 100m and 500m; 8 GiB less a quarter, 2048 MiB, 100 and 1024
        ("Standard_D2ds_v5", 1400, 5020),
    ],
)
def test_a_node_has_less_than_its_size_says(size: str, millicores: int, mib: int) -> None:
    assert allocatable(VM_SIZES[size]) == Load(millicores, mib)


def test_a_node_is_declared_with_the_pods_that_it_was_counted_for() -> None:
    assert node_pools.MAX_PODS == PODS_PER_NODE


def test_the_pods_of_production_ask_for_the_strategys_numbers() -> None:
    # Zep 3 x (1 + 0.25), memory 2 x 2, Graphiti 2 x 1, Neo4j 2, gateway 2 x 0.5
    assert needed(settings_of("prod"), at_maximum=False).millicores == 12_750
    # Zep 3 x (2 + 0.125), memory 2 x 4, Graphiti 2 x 2, Neo4j 8, gateway 2 x 0.5
    assert needed(settings_of("prod"), at_maximum=False).mib == round(27.375 * 1024)
    # Zep 6 x 1.25, and in a roll-out memory 5 x 2, Graphiti 3 x 1, gateway 5 x 0.5, Neo4j 2
    assert needed(settings_of("prod"), at_maximum=True).millicores == 27_000


def test_pods_are_never_split_over_nodes() -> None:
    settings = settings_of("dev")
    asked = needed(settings, at_maximum=True)
    half = Load(asked.millicores // 8 + 1, asked.mib)
    assert half.millicores * 8 >= asked.millicores
    assert not find_nodes(settings, 8, half, at_maximum=True), "2 CPU fit no node of 1.35"


def test_memory_is_counted_as_cpu_is() -> None:
    settings = settings_of("dev")
    plenty = Load(1_000_000, needed(settings, at_maximum=True).mib)
    assert find_nodes(settings, 1, plenty, at_maximum=True)
    assert not find_nodes(settings, 1, plenty - Load(0, 1), at_maximum=True)


@pytest.mark.parametrize("stack", STACKS)
def test_the_first_nodes_of_a_stack_hold_its_first_pods(stack: str) -> None:
    settings = settings_of(stack)
    assert isinstance(settings.cluster, ManagedCluster)
    pool = settings.cluster.memory_pool
    assert find_nodes(settings, pool.min_count, allocatable(pool.size), at_maximum=False)


@pytest.mark.parametrize(
    ("load", "text"), [(Load(7320, 26827), "7.32 CPU and 26.2 GiB"), (Load(0, 0), "0 CPU and 0")]
)
def test_a_load_reads_as_figures(load: Load, text: str) -> None:
    assert str(load).startswith(text)
