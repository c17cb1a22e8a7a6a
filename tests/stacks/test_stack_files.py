"""The four real stack files: they load, and say what the deployment strategy says."""

from itertools import combinations
from typing import Any

import pytest

from stacks.azure_terms import tags
from stacks.settings.catalogue import SKUS
from stacks.settings.cluster import ManagedCluster
from stacks.settings.model import (
    HnswSettings,
    IvfflatSettings,
    ManagedNetwork,
    ManagedPostgres,
)
from stacks.settings.vault import ManagedKeyVault
from stacks.settings.workloads import ContainerSettings
from tests.stacks.files import STACKS, settings_of

MISSION = {
    "dev": ("Standard_B1ms", 1, 2, 100, 1_000, "ivfflat"),
    "test": ("Standard_B2s", 2, 4, 500, 10_000, "hnsw"),
    "uat": ("Standard_D2s_v3", 2, 8, 2_000, 100_000, "hnsw"),
    "prod": ("Standard_D4s_v3", 4, 16, 10_000, 1_000_000, "hnsw"),
}
"""SKU, vCores, GiB, sessions, facts, index; the strategy's section 2."""


def server_of(stack: str) -> ManagedPostgres:
    server = settings_of(stack).postgres
    assert isinstance(server, ManagedPostgres)
    return server


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_has_the_size_that_the_strategy_gives_it(stack: str) -> None:
    settings, server = settings_of(stack), server_of(stack)
    load, index = settings.workload, settings.memory.index
    size = server.size
    said = (server.sku, size.vcores, size.memory_gib, load.sessions, load.facts, index.method)
    assert said == MISSION[stack]


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_stores_what_the_embedding_model_makes(stack: str) -> None:
    memory = settings_of(stack).memory
    assert (memory.dimensions, memory.element_type) == (1536, "vector")
    autovacuum = memory.autovacuum
    assert autovacuum.vacuum_scale_factor == pytest.approx(0.1)
    assert autovacuum.analyze_scale_factor == pytest.approx(0.05)
    assert autovacuum.vacuum_cost_delay_ms == 10


@pytest.mark.parametrize("stack", ["test", "uat", "prod"])
def test_the_graph_is_the_strategys_and_so_are_the_pools(stack: str) -> None:
    settings = settings_of(stack)
    index = settings.memory.index
    assert isinstance(index, HnswSettings)
    assert (index.m, index.ef_construction, index.ef_search) == (16, 64, 40)
    application, pooler = settings.connections.application, settings.connections.pooler
    assert (application.pool_size, application.max_overflow) == (25, 10)
    assert application.timeout_seconds == 30
    assert pooler.max_client_connections == 1000
    assert (pooler.default_pool_size, pooler.reserve_pool_size) == (25, 5)


def test_only_dev_has_lists_instead_of_a_graph() -> None:
    assert [s for s in STACKS if isinstance(settings_of(s).memory.index, IvfflatSettings)] == [
        "dev"
    ]


@pytest.mark.parametrize("stack", STACKS)
def test_keys_are_renewed_quarterly(stack: str) -> None:
    vault = settings_of(stack).key_vault
    assert isinstance(vault, ManagedKeyVault)
    assert vault.key_rotation.rotate_after_days == 90
    assert vault.soft_delete_retention_days == 90


def test_networks_can_be_peered() -> None:
    networks = [settings_of(stack).network for stack in STACKS]
    spaces = [network.address_space for network in networks if isinstance(network, ManagedNetwork)]
    assert len(spaces) == len(STACKS)
    assert not [pair for pair in combinations(spaces, 2) if pair[0].overlaps(pair[1])]


def test_protection_grows_towards_production() -> None:
    assert [settings_of(stack).protected for stack in STACKS] == [False, False, True, True]
    days = [server_of(stack).backup.retention_days for stack in STACKS]
    assert days == sorted(days)
    assert server_of("prod").high_availability.mode == "ZoneRedundant"
    assert server_of("prod").backup.geo_redundant


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_says_whose_it_is(stack: str) -> None:
    labels = tags(settings_of(stack))
    assert labels["environment"] == stack
    assert {"owner", "cost-centre", "data-classification", "managed-by"} <= labels.keys()


MEASURED = {
    "Standard_B1ms": 50,
    "Standard_B2s": 429,
    "Standard_D2s_v3": 859,
    "Standard_D4s_v3": 1718,
}


@pytest.mark.parametrize(("sku", "connections"), MEASURED.items())
def test_connections_are_those_of_azures_table(sku: str, connections: int) -> None:
    assert SKUS[sku].max_connections == connections


@pytest.mark.parametrize(
    ("sku", "expected"),
    [
        ("Standard_B20ms", ("Burstable", 20, 80)),
        ("Standard_D96ads_v5", ("GeneralPurpose", 96, 384)),
        ("Standard_E64ds_v4", ("MemoryOptimized", 64, 432)),
        ("Standard_E64ds_v5", ("MemoryOptimized", 64, 512)),
    ],
)
def test_the_catalogue_knows_the_ends_of_each_series(sku: str, expected: tuple[Any, ...]) -> None:
    size = SKUS[sku]
    assert (size.tier, size.vcores, size.memory_gib) == expected


@pytest.mark.parametrize("stack", STACKS)
def test_the_workloads_are_the_strategys_in_every_stack(stack: str) -> None:
    settings = settings_of(stack)
    w, application = settings.workloads, settings.connections.application
    sizes = {
        "api": (w.zep.replicas, w.zep.cpu_quantity, w.zep.memory_quantity),
        "memory": (
            application.replicas,
            w.memory_service.cpu_quantity,
            w.memory_service.memory_quantity,
        ),
        "graphiti": (w.graphiti.replicas, w.graphiti.cpu_quantity, w.graphiti.memory_quantity),
    }
    assert sizes == {"api": (3, "1", "2Gi"), "memory": (2, "2", "4Gi"), "graphiti": (2, "1", "2Gi")}


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_knows_the_networks_of_all_others(stack: str) -> None:
    spaces = {s: settings_of(s).network for s in STACKS}
    others = {
        network.address_space
        for other, network in spaces.items()
        if other != stack and isinstance(network, ManagedNetwork)
    }
    assert set(spaces[stack].peered_spaces) >= others


@pytest.mark.parametrize("stack", STACKS)
def test_pods_find_the_database_in_the_endpoints_subnet(stack: str) -> None:
    settings = settings_of(stack)
    assert isinstance(settings.network, ManagedNetwork)
    assert settings.postgres_cidrs == (settings.network.endpoints_subnet,)


@pytest.mark.parametrize("stack", STACKS)
def test_nobody_comes_into_a_cluster_without_the_directory(stack: str) -> None:
    cluster = settings_of(stack).cluster
    assert isinstance(cluster, ManagedCluster)
    assert (cluster.local_accounts, cluster.host_encryption) == (False, True)
    assert cluster.admin_group_ids
    assert cluster.authorized_ip_ranges


@pytest.mark.parametrize(
    ("cores", "gib", "cpu", "memory"),
    [(1, 2, "1", "2Gi"), (0.1, 0.125, "100m", "128Mi"), (1.5, 1.5, "1500m", "1536Mi")],
)
def test_sizes_are_spelled_as_kubernetes_does(
    cores: float, gib: float, cpu: str, memory: str
) -> None:
    container = ContainerSettings(cpu=cores, memory_gib=gib)
    assert (container.cpu_quantity, container.memory_quantity) == (cpu, memory)
