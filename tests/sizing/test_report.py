"""sizing/report.py: which of the two answers is safe, and what is told of it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from sizing.prices import PriceBook, PriceList
from sizing.recommend import Wish, recommend
from sizing.report import Market, report, safe
from sizing.workload import Workload

PROD = Workload(sessions=10_000, messages_per_session=50, facts=1_000_000)
WISH = Wish(environment="prod", connections_needed=410)
DEV = replace(WISH, environment="dev", connections_needed=30)
MARKET = Market(prices=PriceBook(), region=None, currency="EUR", today=date(2026, 11, 23))


@pytest.mark.parametrize(
    ("wish", "changes", "answer", "why"),
    [
        (WISH, {}, "measured", "on Standard_D4s_v3 with 256 GiB, the vector index would take"),
        (WISH, {"facts": 1000}, "both", "name the same server"),
        (WISH, {"facts": 300_000_000}, "measured", "no single server holds the grown load"),
        (
            DEV,
            {"facts": 1000, "sessions": 20_000, "message_bytes": 5000},
            "both",
            "Standard_D4s_v3 with 256 GiB also holds the grown load; the measured model asks for",
        ),
        (
            replace(WISH, target_p95_ms=200),
            {"facts": 1000, "sessions": 20_000, "message_bytes": 2000, "retention_days": 3650},
            "measured",
            "and the room to rebuild them do not fit 256 GiB",
        ),
        (
            WISH,
            {
                "facts": 1000,
                "sessions": 40_000,
                "messages_per_session": 300,
                "retention_days": 1,
            },
            "measured",
            "no operations; 3,473 IOPS are needed, and 256 GiB bring 1,100",
        ),
        (
            replace(DEV, high_availability="SameZone"),
            {"facts": 10, "sessions": 1},
            "measured",
            "no Burstable size has a standby",
        ),
    ],
)
def test_the_safe_answer_is_told_with_its_reason(
    wish: Wish, changes: dict[str, Any], answer: str, why: str
) -> None:
    judged = safe(recommend(replace(PROD, **changes), wish))
    assert judged["answer"] == answer
    assert why in judged["why"]


def test_all_of_a_prediction_is_in_the_report() -> None:
    r = recommend(PROD, WISH)
    sizes = report(r, MARKET, {})["measured"]["today"]
    assert sum(sizes["objects"].values()) == r.today.bytes
    assert sum(sizes["by_kind_gib"].values()) == pytest.approx(sizes["total_gib"], abs=0.01)
    assert sizes["build"].keys() == {
        "memory_mib",
        "minutes_on_one_core",
        "wal_gib",
        "temporary_gib",
    }


def test_without_an_index_there_is_nothing_to_build() -> None:
    data = report(recommend(replace(PROD, facts=1000, index=None), WISH), MARKET, {})
    assert data["measured"]["today"]["build"] is None
    assert data["recommendation"]["memory"]["build"] is None
    assert data["recommendation"]["index"] is None


def test_data_are_in_memory_only_where_a_search_finds_them_there() -> None:
    """Of memory, a quarter holds no pages."""
    for facts in range(300_000, 800_000, 50_000):
        r = recommend(replace(PROD, facts=facts, growth_factor=1), WISH)
        memory = report(r, MARKET, {})["recommendation"]["memory"]
        holds = r.grown.bytes / 2**30 <= 0.75 * r.sku.memory_gib
        assert memory["working_set_in_memory"] is holds


def test_a_cluster_costs_its_nodes_and_the_server_of_zep() -> None:
    sizes = {"Standard_E192ds_v6": Decimal(10), "Standard_D4s_v3": Decimal("0.25")}
    prices = PriceList(
        region="westeurope",
        currency="EUR",
        fetched=date(2026, 11, 23),
        source="https://prices.example",
        compute_an_hour=sizes,
        storage_a_gib_month=Decimal("0.1"),
    )
    market = replace(MARKET, prices=PriceBook((prices,)), region="westeurope")
    huge = recommend(replace(PROD, facts=300_000_000), WISH)
    advice = {a["what"]: a for a in report(huge, market, {})["advice"]}["elastic cluster"]
    assert advice["cost"]["terms"] == (
        "7 x (10 an hour x 730 + 0.1 x 8192 GiB) + 1 x (0.25 an hour x 730 + 0.1 x 256 GiB)"
    )
    assert advice["cost"]["a_month"] == 57_042.5
    bare = replace(MARKET, prices=PriceBook((replace(prices, compute_an_hour={}),)))
    assert "price unknown" in str(bare.cost(huge.bought, huge.bought_by_formula))


def test_an_advice_has_its_own_cost() -> None:
    (half,) = report(recommend(PROD, WISH), MARKET, {})["advice"]
    assert half["settings"] == {"memory.element_type": "halfvec"}
    assert half["cost"] == "price unknown: no region is named"
