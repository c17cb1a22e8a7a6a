"""sizing/verdict.py, growth.py and needs.py: whether a server holds a load, and until when."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from sizing import needs
from sizing.catalogue import GIB, SKUS
from sizing.growth import HORIZON_MONTHS, after, grown, months_until
from sizing.latency import cached_bytes
from sizing.predict import predict
from sizing.verdict import Verdict, disk_operations, judge
from sizing.workload import Hnsw, Workload

PROD = Workload(sessions=10_000, messages_per_session=50, facts=1_000_000)


def judged(workload: Workload = PROD, sku: str = "Standard_D4s_v3", gib: int = 256) -> Verdict:
    return judge(
        workload, predict(workload), sku=SKUS[sku], storage_gib=gib, connections_needed=410
    )


def test_the_missions_production_fits_its_server_today() -> None:
    verdict = judged()
    assert verdict.fits
    assert verdict.due_in_months == verdict.of("memory").due


def test_a_vector_index_beyond_four_fifths_of_memory_does_not_fit() -> None:
    memory = judged(replace(PROD, facts=2_000_000)).of("memory")
    assert memory.available == pytest.approx(12.8)
    assert memory.needed > memory.available
    assert not memory.fits
    assert memory.headroom < 0
    assert memory.due == 0


def test_rows_beyond_four_fifths_of_the_disk_do_not_fit() -> None:
    small = judged(gib=32).of("storage")
    assert small.available == pytest.approx(25.6)
    assert not small.fits
    assert judged(gib=256).of("storage").fits


def test_more_connections_than_azure_leaves_do_not_fit() -> None:
    assert judged(sku="Standard_B2s").of("connections").fits
    small = judged(sku="Standard_B1ms").of("connections")
    assert (small.needed, small.available, small.fits, small.due) == (410, 35, False, 0)


def test_a_machines_own_iops_count_where_the_disk_could_do_more() -> None:
    fast = judge(
        PROD,
        predict(PROD),
        sku=SKUS["Standard_B1ms"],
        storage_gib=32,
        storage_tier="P50",
        connections_needed=1,
    )
    assert fast.of("iops").available == 640
    assert judged(gib=32).of("iops").available == 120


@pytest.mark.parametrize(
    ("gib", "tier", "iops"), [(32, None, 120), (100, None, 240), (16, None, 120), (32, "P20", 2300)]
)
def test_a_disk_of_any_size_has_the_iops_of_the_next_smaller(
    gib: int, tier: str | None, iops: int
) -> None:
    assert disk_operations(gib, tier) == iops


def test_it_is_due_in_the_first_month_in_which_it_no_longer_fits() -> None:
    verdict = judged()
    due = verdict.due_in_months
    assert due is not None
    assert judged(after(PROD, due - 1)).fits
    assert not judged(after(PROD, due)).fits


def test_only_what_does_not_fit_today_is_due_now() -> None:
    soon = judged(replace(PROD, growth_per_month=1.0))
    assert soon.fits
    assert soon.due_in_months == 1


def test_the_rows_that_are_read_are_those_that_three_quarters_of_memory_do_not_hold() -> None:
    load = replace(PROD, content_bytes=5_000)
    prediction, memory = predict(load), 16 * GIB
    assert cached_bytes(16) == pytest.approx(0.75 * memory)
    needed = judged(load).of("iops").needed
    assert needed == pytest.approx(needs.total(needs.iops(load, prediction, 0.75 * memory)))
    assert needed > needs.total(needs.iops(load, prediction, memory))


@pytest.mark.parametrize(
    ("growth", "bound", "months"),
    [
        (0.0, 2_000, None),
        (0.0, 500, 0),
        (1.0, 999, 0),
        (1.0, 1_000, 1),
        (1.0, 2_000, 2),
        (1.0, 7_999, 3),
        (1.0, 8_000, 4),
        (0.001, 2_000, None),
    ],
)
def test_months_are_counted_by_compound_growth(
    growth: float, bound: int, months: int | None
) -> None:
    load = Workload(sessions=1, messages_per_session=0, facts=1_000, growth_per_month=growth)
    assert months_until(load, lambda w: w.facts <= bound) == months


def test_beyond_ten_years_nothing_is_due() -> None:
    tiny = Workload(sessions=1, messages_per_session=1, facts=1, growth_per_month=0.01)
    assert months_until(tiny, lambda w: w.facts < 100) is None
    assert after(tiny, HORIZON_MONTHS).facts == 4


def test_growth_is_of_sessions_and_facts_alike() -> None:
    assert grown(PROD, 2.5) == replace(PROD, sessions=25_000, facts=2_500_000)


def test_the_disk_is_fullest_while_the_vector_index_is_built_again() -> None:
    prediction = predict(PROD)
    terms = {term.name: term.value for term in needs.disk(PROD, prediction, 256)}
    rows = needs.rows_bytes(PROD, prediction)
    assert terms["tables and indexes"] == prediction.bytes
    assert terms["a second vector index"] == prediction.vector_index_bytes
    assert terms["write-ahead log"] == 20_480 * 2**20
    assert terms["dead rows"] == pytest.approx(0.1 * rows)
    assert terms["tables and indexes"] + terms["texts that do not compress"] == pytest.approx(
        rows + prediction.vector_index_bytes
    )
    assert needs.total(needs.disk(PROD, prediction, 256)) == pytest.approx(sum(terms.values()))


@pytest.mark.parametrize(
    ("gib", "mib"), [(16, 2048), (32, 2048), (100, 4096), (128, 12_288), (32_767, 65_536)]
)
def test_the_log_has_the_room_that_azure_gives_it_on_such_a_disk(gib: int, mib: int) -> None:
    assert needs.wal_room_mib(gib) == mib


def test_rows_that_memory_holds_are_not_read_from_disk() -> None:
    prediction = predict(PROD)
    assert needs.cold_share(PROD, prediction, 1000 * GIB) == 0
    assert needs.cold_share(PROD, prediction, 0) == 1
    half = prediction.vector_index_bytes + needs.rows_bytes(PROD, prediction) / 2
    assert needs.cold_share(PROD, prediction, half) == pytest.approx(0.5)
    reads = needs.iops(PROD, prediction, 1000 * GIB)[-1]
    assert (reads.name, reads.value) == ("rows read from disk", 0)


@pytest.mark.parametrize(
    ("change", "pages"),
    [({}, 40), ({"index": None}, 6), ({"index": Hnsw(m=32)}, 72), ({"content_bytes": 9000}, 41)],
)
def test_a_new_memory_dirties_its_row_its_leaves_and_its_neighbours(
    change: dict[str, Any], pages: int
) -> None:
    load = replace(PROD, **change)
    assert needs.pages_of_a_row(load) == pages


@dataclass(frozen=True)
class Mine:
    """A customer's own machine."""

    memory_gib: int = 64
    iops: int = 10_000
    user_connections: int = 400


def test_a_machine_that_azure_does_not_sell_can_be_judged() -> None:
    verdict = judge(PROD, predict(PROD), sku=Mine(), storage_gib=1000, connections_needed=410)
    assert verdict.of("memory").fits
    assert not verdict.of("connections").fits
    assert not verdict.fits
