"""sizing/prices.py, price_api.py, prices_cli.py: dated prices, or why there are none."""

from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sizing.catalogue import SKUS, STORAGE
from sizing.errors import SizingError
from sizing.price_api import fetch
from sizing.prices import (
    Cost,
    PriceBook,
    PriceList,
    Unpriced,
    monthly_cost,
    read_prices,
    write_prices,
)
from sizing.prices_cli import add_to
from tests.sizing.price_server import COMPUTE, PriceServer, item, serving
from tests.sizing.price_server import STORAGE as STORAGE_METER

TODAY = date(2026, 11, 23)
LIST = PriceList(
    region="westeurope",
    currency="EUR",
    fetched=TODAY,
    source="https://prices.example",
    compute_an_hour={"Standard_D4s_v3": Decimal("0.456")},
    storage_a_gib_month=Decimal("0.138"),
)


def cost(*lists: PriceList, **changes: Any) -> Cost | Unpriced:
    asked: dict[str, Any] = {
        "sku": SKUS["Standard_D4s_v3"],
        "disk": STORAGE[256],
        "storage_tier": "P15",
        "servers": 1,
        "region": "westeurope",
        "currency": "EUR",
        "today": TODAY,
    }
    return monthly_cost(PriceBook(lists or (LIST,)), **{**asked, **changes})


def fetched(items: Sequence[dict[str, Any]], region: str = "westeurope") -> dict[str, Decimal]:
    with serving(PriceServer([items])) as server:
        return dict(fetch(region, "USD", url=server.url).prices.compute_an_hour)


def test_a_month_is_730_hours_and_every_gib_of_the_disk() -> None:
    found = cost()
    assert isinstance(found, Cost)
    assert found.amount == Decimal("368.21")  # 0.456 x 730 + 0.138 x 256
    assert (found.currency, found.region, found.dated) == ("EUR", "westeurope", TODAY)
    assert str(found) == "368.21 EUR a month"


def test_a_standby_is_billed_in_full() -> None:
    one, two = cost(), cost(servers=2)
    assert isinstance(one, Cost)
    assert isinstance(two, Cost)
    assert two.amount == Decimal("736.42")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"region": None}, "no region is named"),
        ({"region": "northeurope"}, "no prices of northeurope in EUR"),
        (
            {"currency": "USD"},
            "no prices of westeurope in USD; fetch them: python -m sizing prices",
        ),
        ({"sku": SKUS["Standard_E4s_v3"]}, "has none for Standard_E4s_v3"),
        ({"storage_tier": "P20"}, "performance tier P20 is bought"),
        ({"today": TODAY + timedelta(days=91)}, "are 91 days old"),
        ({"today": TODAY - timedelta(days=2)}, "of a day to come"),
    ],
)
def test_what_is_not_known_is_not_guessed(changes: dict[str, Any], why: str) -> None:
    found = cost(**changes)
    assert isinstance(found, Unpriced)
    assert str(found).startswith("price unknown: ")
    assert why in str(found)


def test_a_price_is_fresh_for_ninety_days() -> None:
    assert isinstance(cost(today=TODAY + timedelta(days=90)), Cost)


def test_of_two_lists_of_one_region_the_newer_counts() -> None:
    older = PriceList(**{**vars(LIST), "fetched": date(2026, 1, 1)})
    assert isinstance(cost(older, LIST), Cost)
    assert isinstance(cost(LIST, older), Cost)


def test_no_price_is_shipped() -> None:
    assert read_prices().lists == ()


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "prices.yaml"
    bare = PriceList(**{**vars(LIST), "region": "uksouth", "storage_a_gib_month": None})
    write_prices(path, PriceBook((LIST, bare)))
    assert read_prices(path).lists == (LIST, bare)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no list of prices"),
        ("[]", "no list of prices"),
        ("prices: {a: 1}", "no list of prices"),
        ("prices: [1]", "an entry of prices has the keys"),
        ("{", "cannot be read as prices"),
        ("prices: [{fetched: 2026-02-30}]", "cannot be read as prices: day"),
        (
            "prices: [{region: a, currency: b, fetched: soon, source: c, compute_an_hour: {},"
            " storage_a_gib_month: 1}]",
            "fetched a date",
        ),
        (
            "prices: [{region: a, currency: b, fetched: 2026-01-01, source: c,"
            " compute_an_hour: {x: free}, storage_a_gib_month: 1}]",
            "'free' is no price",
        ),
        (
            "prices: [{region: a, currency: b, fetched: 2026-01-01, source: c,"
            " compute_an_hour: {x: .nan}, storage_a_gib_month: 1}]",
            "nan is no price",
        ),
        (
            "prices: [{region: a, currency: b, fetched: 2026-01-01, source: c,"
            " compute_an_hour: {}, storage_a_gib_month: -1}]",
            "-1 is no price",
        ),
    ],
)
def test_a_file_that_is_no_prices_is_refused(tmp_path: Path, text: str, why: str) -> None:
    path = tmp_path / "prices.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SizingError, match=why):
        read_prices(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SizingError, match=r"none\.yaml: cannot be read as prices"):
        read_prices(tmp_path / "none.yaml")


def test_the_api_is_asked_for_one_region_and_every_page_is_read() -> None:
    other = item(armSkuName="Standard_D8ds_v5", skuName="8 vCore", retailPrice=0.848)
    with serving(PriceServer([[item()], [other], [item(**STORAGE_METER)]])) as server:
        found = fetch("westeurope", "USD", url=server.url, today=TODAY)
    query = parse_qs(urlsplit(server.asked[0]).query)
    assert query["$filter"] == [
        "serviceName eq 'Azure Database for PostgreSQL' and armRegionName eq 'westeurope'"
        " and priceType eq 'Consumption'"
    ]
    assert query["currencyCode"] == ["'USD'"]
    assert len(server.asked) == 3
    assert found.prices == PriceList(
        region="westeurope",
        currency="USD",
        fetched=TODAY,
        source=server.url,
        compute_an_hour={
            "Standard_D4ds_v5": Decimal("0.424"),
            "Standard_D8ds_v5": Decimal("0.848"),
        },
        storage_a_gib_month=Decimal("0.138"),
    )
    assert found.ambiguous == ()


@pytest.mark.parametrize(
    ("product", "sku_name", "arm_name", "price", "expected"),
    [
        ("Burstable BS Series Compute", "B1MS", "Standard_B1ms", 0.02, ("Standard_B1ms", "0.02")),
        ("Burstable BS Series Compute", "B1MS", "", 0.02, ("Standard_B1ms", "0.02")),
        (
            "General Purpose Dadsv5 Series Compute",
            "2 vCore",
            "Standard_D2ads_v5",
            0.19,
            ("Standard_D2ads_v5", "0.19"),
        ),
        (
            "General Purpose Dsv3 Series Compute",
            "vCore",
            "AzureDB_PostgreSQL_Flexible_Server_vCore",
            0.1,
            ("Standard_D4s_v3", "0.4"),
        ),
        (
            "General Purpose Ddsv6 Series Compute",
            "1 vCore",
            "AzureDB_PostgreSQL_Flexible_Server_Ddsv6",
            0.1,
            ("Standard_D192ds_v6", "19.2"),
        ),
        (
            "Memory Optimized Esv3 Series Compute",
            "vCore",
            "",
            0.13,
            ("Standard_E2s_v3", "0.26"),
        ),
    ],
)
def test_a_meter_prices_a_size_or_a_series_by_the_vcore(
    product: str, sku_name: str, arm_name: str, price: float, expected: tuple[str, str]
) -> None:
    meter = item(
        productName=f"{COMPUTE} {product}",
        skuName=sku_name,
        armSkuName=arm_name,
        retailPrice=price,
    )
    name, amount = expected
    prices = fetched([meter])
    assert prices[name] == Decimal(amount)
    assert {SKUS[n].series for n in prices} == {SKUS[name].series}
    assert {n[9] for n in prices} == {name[9]}


@pytest.mark.parametrize(
    "values",
    [
        {"serviceName": "Azure Database for MySQL"},
        {"armRegionName": "northeurope"},
        {"currencyCode": "EUR"},
        {"type": "Reservation"},
        {"type": "DevTestConsumption"},
        {"isPrimaryMeterRegion": False},
        {"tierMinimumUnits": 100.0},
        {"effectiveStartDate": "2999-01-01T00:00:00Z"},
        {"effectiveStartDate": None},
        {"effectiveEndDate": "2024-01-01T00:00:00Z"},
        {"unitOfMeasure": "1/Month"},
        {"retailPrice": 0},
        {"retailPrice": -1},
        {"retailPrice": True},
        {"retailPrice": None},
        {"retailPrice": "a lot"},
        {"productName": "Azure Database for PostgreSQL Single Server General Purpose"},
        {"productName": "Azure Cosmos DB for PostgreSQL Compute", "armSkuName": ""},
        {"skuName": "4 vCore", "armSkuName": "AzureDB_PostgreSQL_4_vCore"},
    ],
)
def test_a_meter_that_is_not_clearly_the_list_price_is_left_out(values: dict[str, Any]) -> None:
    kept = item(armSkuName="Standard_D2ds_v5", retailPrice=0.2)
    assert fetched([kept, item(**values)]) == {"Standard_D2ds_v5": Decimal("0.2")}


def test_a_compute_meter_that_names_no_size_is_listed() -> None:
    strange = item(armSkuName="AzureDB_PostgreSQL_4_vCore")
    burstable = {"productName": f"{COMPUTE} Burstable BS Series Compute", "armSkuName": ""}
    other = item(**burstable, skuName="B99MS")
    with serving(PriceServer([[item(), strange, other, item(**STORAGE_METER)]])) as server:
        found = fetch("westeurope", "USD", url=server.url)
    assert found.unread == (
        f"{COMPUTE} Burstable BS Series Compute, B99MS ()",
        f"{COMPUTE} General Purpose - Ddsv5 Series Compute, 4 vCore (AzureDB_PostgreSQL_4_vCore)",
    )
    assert list(found.prices.compute_an_hour) == ["Standard_D4ds_v5"]


def test_two_prices_for_one_size_are_no_price() -> None:
    kept = item(armSkuName="Standard_D2ds_v5", retailPrice=0.2)
    with serving(PriceServer([[item(), item(retailPrice=0.5), kept]])) as server:
        found = fetch("westeurope", "USD", url=server.url)
    assert list(found.prices.compute_an_hour) == ["Standard_D2ds_v5"]
    assert found.ambiguous == ("Standard_D4ds_v5",)


def test_the_same_price_twice_is_one_price() -> None:
    assert fetched([item(), item()]) == {"Standard_D4ds_v5": Decimal("0.424")}


def test_a_busy_api_is_asked_again() -> None:
    with serving(PriceServer([[item()]], statuses=[429, 503])) as server:
        fetch("westeurope", "USD", url=server.url)
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("server", "why"),
    [
        (PriceServer([[]]), "no price of a Flexible Server in westeurope in USD"),
        (PriceServer([[item()]], statuses=[503] * 4), "answered 503"),
        (PriceServer([[item()]], statuses=[404]), "answered 404"),
        (PriceServer([[item()]], statuses=[302]), "answered 302"),
        (PriceServer([[item()]], body=b"<html>"), "is not JSON"),
        (PriceServer([[item()]], body=b"[]"), "has no Items"),
        (PriceServer([[item()]] * 2, next_host="https://elsewhere.example"), "next page is said"),
        (PriceServer([[item()]] * 2, next_host="http://127.0.0.1:1"), "next page is said"),
        (PriceServer([[item()]] * 101), "more than 100 pages"),
    ],
    ids=["empty", "busy", "gone", "moved", "html", "list", "host", "port", "endless"],
)
def test_an_answer_that_cannot_be_trusted_is_refused(server: PriceServer, why: str) -> None:
    with serving(server), pytest.raises(SizingError, match=why):
        fetch("westeurope", "USD", url=server.url)


@pytest.mark.parametrize(
    ("region", "currency"), [("West Europe", "USD"), ("x' or 1 eq 1", "USD"), ("westeurope", "eur")]
)
def test_names_are_checked_before_anything_is_asked(region: str, currency: str) -> None:
    with pytest.raises(SizingError, match="write it as in westeurope"):
        fetch(region, currency, url="http://127.0.0.1:1")


def test_a_server_that_is_not_there_is_one_line() -> None:
    with pytest.raises(SizingError, match=r"no answer \(ConnectionError\)"):
        fetch("westeurope", "USD", url="http://127.0.0.1:1")


def prices_command(*arguments: str) -> int:
    parser = ArgumentParser()
    add_to(parser.add_subparsers())
    options = parser.parse_args(["prices", *arguments])
    code: int = options.run(options)
    return code


def test_the_command_replaces_one_region_and_keeps_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "prices.yaml"
    write_prices(path, PriceBook((LIST, PriceList(**{**vars(LIST), "currency": "USD"}))))
    twice = item(armSkuName="Standard_D8ds_v5", retailPrice=1), item(armSkuName="Standard_D8ds_v5")
    strange = item(armSkuName="AzureDB_PostgreSQL_4_vCore")
    meters = [item(), item(**STORAGE_METER), *twice, strange]
    with serving(PriceServer([meters])) as server:
        code = prices_command("--region", "westeurope", "--url", server.url, "--output", str(path))
    assert code == 0
    euro, dollar = read_prices(path).lists
    assert euro == LIST
    assert dollar.compute_an_hour == {"Standard_D4ds_v5": Decimal("0.424")}
    said = capsys.readouterr()
    assert "prices of 1 of 109 sizes and storage in westeurope, USD" in said.out
    assert "more than one price: Standard_D8ds_v5" in said.err
    assert "4 vCore (AzureDB_PostgreSQL_4_vCore)" in said.err
