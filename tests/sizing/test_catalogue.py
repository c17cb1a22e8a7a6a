"""sizing/catalogue.py: what Azure sells, as its pages list it."""

from datetime import date

import pytest

from sizing.catalogue import (
    DISK_IOPS,
    DISK_THROUGHPUT_MIB,
    SKU_ORIGIN,
    SKUS,
    STORAGE,
    STORAGE_ORIGIN,
    STORAGE_TIERS,
)

TABLE = {
    "Standard_B1ms": ("Burstable", 1, 2, 640, 10, 35),
    "Standard_B2s": ("Burstable", 2, 4, 1280, 15, 414),
    "Standard_B2ms": ("Burstable", 2, 8, 1920, 22.5, 844),
    "Standard_B20ms": ("Burstable", 20, 80, 4320, 50, 4985),
    "Standard_D2s_v3": ("GeneralPurpose", 2, 8, 3200, 48, 844),
    "Standard_D4s_v3": ("GeneralPurpose", 4, 16, 6400, 96, 1703),
    "Standard_D4ads_v5": ("GeneralPurpose", 4, 16, 6400, 145, 1703),
    "Standard_D192ds_v6": ("GeneralPurpose", 192, 768, 80000, 1200, 4985),
    "Standard_E4s_v3": ("MemoryOptimized", 4, 32, 6400, 96, 3422),
    "Standard_E64s_v3": ("MemoryOptimized", 64, 432, 80000, 1200, 4985),
    "Standard_E64ads_v5": ("MemoryOptimized", 64, 512, 80000, 1200, 4985),
    "Standard_E96ds_v5": ("MemoryOptimized", 96, 672, 80000, 1200, 4985),
    "Standard_E192ds_v6": ("MemoryOptimized", 192, 1832, 80000, 1200, 4985),
}


@pytest.mark.parametrize("name", TABLE)
def test_sizes_are_those_of_azures_table(name: str) -> None:
    s = SKUS[name]
    assert s.name == name
    assert (s.tier, s.vcores, s.memory_gib, s.iops, s.throughput_mib, s.user_connections) == TABLE[
        name
    ]


@pytest.mark.parametrize(
    "name",
    ["Standard_E20s_v3", "Standard_D20ds_v5", "Standard_D96s_v3", "Standard_B1s", "Standard_D4"],
)
def test_what_azure_does_not_list_is_not_sold(name: str) -> None:
    assert name not in SKUS


@pytest.mark.parametrize(
    ("name", "buffers_mib", "maintenance_kib"),
    [
        ("Standard_B1ms", 256, 99_328),
        ("Standard_B2s", 1024, 157_696),
        ("Standard_D2s_v3", 2048, 216_064),
        ("Standard_D4s_v3", 4096, 274_432),
        ("Standard_D8s_v3", 8192, 332_800),
        ("Standard_D16s_v3", 16_384, 392_192),
    ],
)
def test_parameters_are_those_that_azure_computes_for_a_new_server(
    name: str, buffers_mib: int, maintenance_kib: int
) -> None:
    sku = SKUS[name]
    assert (sku.shared_buffers_mib, sku.maintenance_work_mem_kib) == (buffers_mib, maintenance_kib)


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("Standard_B20ms", ""),
        ("Standard_D4s_v3", "s_v3"),
        ("Standard_E20ds_v4", "ds_v4"),
        ("Standard_E96ads_v6", "ads_v6"),
    ],
)
def test_series_is_the_generation_in_the_name(name: str, series: str) -> None:
    assert SKUS[name].series == series


def test_only_burstable_sizes_have_credits() -> None:
    assert {sku.name for sku in SKUS.values() if sku.credits} == {
        sku.name for sku in SKUS.values() if sku.tier == "Burstable"
    }


def test_a_full_bank_of_a_b2s_lasts_six_hours_of_both_cores() -> None:
    credits_ = SKUS["Standard_B2s"].credits
    assert credits_ is not None
    assert credits_.minutes_at_full(2) == pytest.approx(576 / 1.6)


def test_disks_are_those_of_azures_list_and_each_brings_its_own_tier() -> None:
    sizes = [32, 64, 128, 256, 512, 1024, 2048, 4095, 4096, 8192, 16384, 32767]
    assert list(STORAGE) == sizes == list(STORAGE_TIERS)
    assert STORAGE[32].default_tier == "P4"
    assert STORAGE[4095].default_tier == STORAGE[4096].default_tier == "P50"
    assert STORAGE[32767].tiers == ("P80",)
    assert [STORAGE[size].iops for size in (32, 128, 256, 1024)] == [120, 500, 1100, 5000]
    assert {t for disk in STORAGE.values() for t in disk.tiers} == DISK_IOPS.keys()
    assert DISK_IOPS.keys() == DISK_THROUGHPUT_MIB.keys()


@pytest.mark.parametrize(
    ("size", "iops", "tier"),
    [(32, 120, "P4"), (32, 121, "P6"), (32, 7500, "P40"), (32, 7501, None), (8192, 18_000, "P70")],
)
def test_the_cheapest_tier_is_the_first_that_is_quick_enough(
    size: int, iops: int, tier: str | None
) -> None:
    assert STORAGE[size].cheapest_tier(iops) == tier


def test_pages_are_limited_by_operations_and_never_by_throughput() -> None:
    """So only operations are reckoned with."""
    of_sizes = [(sku.iops, sku.throughput_mib) for sku in SKUS.values()]
    of_disks = [(DISK_IOPS[tier], DISK_THROUGHPUT_MIB[tier]) for tier in DISK_IOPS]
    assert all(iops * 8 / 1024 <= mib for iops, mib in (*of_sizes, *of_disks))


def test_data_say_where_they_come_from_and_of_when() -> None:
    for origin in (SKU_ORIGIN, STORAGE_ORIGIN):
        assert origin.source.startswith("https://learn.microsoft.com/")
        assert isinstance(origin.dated, date)
