"""local/cloud/postgres/parameters.py and the catalogue of sizes."""

import pytest

from local.cloud.postgres.catalogue import Sku, allowed_disk_tiers, find_sku
from local.cloud.postgres.parameters import CATALOGUE, computed_defaults, defaults

ACCEPTED = [
    ("azure.extensions", "VECTOR,pg_stat_statements"),
    ("azure.extensions", ""),
    ("azure.extensions", "vector, pgcrypto"),
    ("pgbouncer.enabled", "true"),
    ("require_secure_transport", "ON"),
    ("ssl_min_protocol_version", "TLSv1.3"),
    ("autovacuum_vacuum_scale_factor", "0.05"),
    ("log_min_duration_statement", "-1"),
    ("cpu_tuple_cost", "0.02"),
    ("log_line_prefix", "%m [%p] %u@%d "),
    ("search_path", '"$user", public'),
]
REFUSED = [
    ("azure.extensions", "vector,plpython3u"),
    ("pgbouncer.enabled", "maybe"),
    ("ssl_min_protocol_version", "TLSv1.1"),
    ("max_connections", "24"),
    ("max_connections", "5001"),
    ("max_connections", "many"),
    ("work_mem", "4MB"),
    ("work_mem", "1.5"),
    ("autovacuum_vacuum_scale_factor", "101"),
    ("log_line_prefix", "it's"),
    ("superuser_reserved_connections", "3"),
]


@pytest.mark.parametrize(("name", "value"), ACCEPTED)
def test_accepts(name: str, value: str) -> None:
    assert CATALOGUE[name].accepts(value)


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_refuses(name: str, value: str) -> None:
    assert not CATALOGUE[name].accepts(value)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_a_default_is_one_of_the_allowed(name: str) -> None:
    parameter = CATALOGUE[name]
    default = defaults(computed_defaults(8, 32))[name]
    assert default == "" or parameter.accepts(default)


AZURE_SAYS = [
    (2, 32, "max_connections", "50"),
    (4, 32, "max_connections", "429"),
    (8, 32, "max_connections", "859"),
    (16, 32, "max_connections", "1718"),
    (32, 32, "max_connections", "3437"),
    (64, 32, "max_connections", "5000"),
    (2, 32, "maintenance_work_mem", "99328"),
    (4, 32, "maintenance_work_mem", "157696"),
    (8, 32, "maintenance_work_mem", "216064"),
    (16, 32, "maintenance_work_mem", "274432"),
    (2, 32, "shared_buffers", "32768"),
    (4, 32, "shared_buffers", "131072"),
    (2, 32, "effective_cache_size", "229376"),
    (16, 32, "effective_cache_size", "1572864"),
    (2, 128, "max_wal_size", "12288"),
]


@pytest.mark.parametrize(("memory", "disk", "name", "value"), AZURE_SAYS)
def test_computes_what_azure_computes(memory: int, disk: int, name: str, value: str) -> None:
    assert computed_defaults(memory, disk)[name] == value


SKUS = [
    ("Standard_B1ms", ("Burstable", 1, 2)),
    ("Standard_D4s_v3", ("GeneralPurpose", 4, 16)),
    ("Standard_D2ds_v5", ("GeneralPurpose", 2, 8)),
    ("Standard_E20ds_v5", ("MemoryOptimized", 20, 160)),
    ("Standard_E64ds_v4", ("MemoryOptimized", 64, 432)),
    ("Standard_D192ds_v6", ("GeneralPurpose", 192, 768)),
]


@pytest.mark.parametrize(("name", "expected"), SKUS)
def test_knows_the_size(name: str, expected: tuple[str, int, int]) -> None:
    assert find_sku(name) == Sku(name, *expected)


@pytest.mark.parametrize(
    "name",
    [
        "B1ms",
        "Standard_B1s",
        "Standard_D3s_v3",
        "Standard_D20ds_v5",
        "Standard_D96s_v3",
        "GP_Gen5_2",
    ],
)
def test_knows_no_other(name: str) -> None:
    assert find_sku(name) is None


def test_disk_tiers_end_where_disks_change() -> None:
    assert allowed_disk_tiers(1024) == ("P30", "P40", "P50")
    assert allowed_disk_tiers(8192) == ("P60", "P70", "P80")
