"""Azure's retail price API, read for Flexible Servers of one region.

What it answers needs judgement: the same service sells other products under the same name, some
series have a meter for each size and others one for a vCore, and tiers, reservations and meters of
other regions stand beside the list price.  What is not clearly the price of a size is left out.
https://learn.microsoft.com/rest/api/cost-management/retail-prices/azure-retail-prices
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import urlsplit

import requests

from sizing.catalogue import BURSTABLE, SKUS
from sizing.errors import SizingError
from sizing.prices import PriceList

URL = "https://prices.azure.com/api/retail/prices"
API_VERSION = "2023-01-01-preview"
SERVICE = "Azure Database for PostgreSQL"
TIMEOUT_SECONDS = 30
ATTEMPTS = 4
MOST_PAGES = 100
MOST_WAIT_SECONDS = 60.0
OK = 200
BUSY = (429, 500, 502, 503, 504)
SERIES = re.compile(
    r"Flexible Server (?:General Purpose|Memory Optimized)(?: -)? (?P<letter>[DE])"
    r"(?P<features>a?d?s)v(?P<generation>\d) Series Compute"
)
BURSTABLE_PRODUCT = "Flexible Server Burstable BS Series Compute"
STORAGE_PRODUCT, STORAGE_METER = "Flexible Server Storage", "Storage Data Stored"
AN_HOUR, A_GB_MONTH = "1 Hour", "1 GB/Month"
A_VCORE = ("vCore", "1 vCore")

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Fetched:
    """A price list, and what was left out of it."""

    prices: PriceList
    ambiguous: tuple[str, ...]
    """Sizes for which the API names more than one price."""
    unread: tuple[str, ...]
    """Compute meters of a known product that name no size that we know."""


def fetch(region: str, currency: str, *, url: str = URL, today: date | None = None) -> Fetched:
    """Ask for the prices of one region.  Raises ``SizingError`` where there is no answer."""
    for name, value, pattern in (
        ("region", region, "[a-z][a-z0-9]*"),
        ("currency", currency, "[A-Z]{3}"),
    ):
        if not re.fullmatch(pattern, value):
            raise SizingError(f"{name} {value!r}: write it as in westeurope, or EUR")
    now = datetime.now(UTC)
    items = [item for item in pages(region, currency, url) if _counts(item, region, currency, now)]
    found = _by_size(items)
    prices = {name: next(iter(all_of)) for name, all_of in found.items() if len(all_of) == 1}
    storage = {_price(item) for item in items if _is_storage(item)}
    if not prices:
        raise SizingError(
            f"{url}: no price of a Flexible Server in {region} in {currency};"
            " the region is written as in westeurope, the currency as in EUR"
        )
    return Fetched(
        PriceList(
            region=region,
            currency=currency,
            fetched=today or now.date(),
            source=url,
            compute_an_hour={name: prices[name] for name in SKUS if name in prices},
            storage_a_gib_month=next(iter(storage)) if len(storage) == 1 else None,
        ),
        tuple(sorted(name for name, all_of in found.items() if len(all_of) > 1)),
        tuple(sorted({_meter(item) for item in items if _is_unread(item)})),
    )


def pages(region: str, currency: str, url: str = URL) -> Iterator[Item]:
    """Yield the items of every page; the API says where the next one is."""
    wanted = f"serviceName eq '{SERVICE}' and armRegionName eq '{region}'"
    parameters: dict[str, str] | None = {
        "api-version": API_VERSION,
        "currencyCode": f"'{currency}'",
        "$filter": f"{wanted} and priceType eq 'Consumption'",
    }
    following: str | None = url
    with requests.Session() as session:
        for _ in range(MOST_PAGES):
            page = _get(session, following or url, parameters)
            yield from page["Items"]
            following, parameters = page.get("NextPageLink"), None
            if not following:
                return
            _refuse_elsewhere(url, following)
    raise SizingError(f"{url}: more than {MOST_PAGES} pages; something is wrong there")


def _get(session: requests.Session, url: str, parameters: dict[str, str] | None) -> Any:
    """Read one page, patient with a busy server.  A redirect is not followed."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            answer = session.get(
                url, params=parameters, timeout=TIMEOUT_SECONDS, allow_redirects=False
            )
        except requests.RequestException as error:
            raise SizingError(f"{url}: no answer ({type(error).__name__})") from error
        if answer.status_code in BUSY and attempt < ATTEMPTS:
            time.sleep(_wait_seconds(answer, attempt))
            continue
        break
    if answer.status_code != OK:
        raise SizingError(f"{url}: answered {answer.status_code} {answer.reason}")
    try:
        page = answer.json(parse_float=Decimal)
    except requests.JSONDecodeError as error:
        raise SizingError(f"{url}: the answer is not JSON") from error
    if not isinstance(page, dict) or not isinstance(page.get("Items"), list):
        raise SizingError(f"{url}: the answer has no Items; is this the retail price API?")
    return page


def _wait_seconds(answer: requests.Response, attempt: int) -> float:
    """As long as the server asks for, or longer each time."""
    asked = answer.headers.get("Retry-After", "")
    return min(float(asked) if asked.isdigit() else 2.0**attempt, MOST_WAIT_SECONDS)


def _refuse_elsewhere(url: str, following: str) -> None:
    """A link to another host is not followed: it would decide what we pay."""
    here, there = urlsplit(url), urlsplit(following)
    ports = {"http": 80, "https": 443}
    if (here.scheme, here.hostname, here.port or ports[here.scheme]) != (
        there.scheme,
        there.hostname,
        there.port or ports.get(there.scheme),
    ):
        raise SizingError(f"{url}: its next page is said to be at {there.scheme}://{there.netloc}")


def _counts(item: Item, region: str, currency: str, now: datetime) -> bool:
    """Whether it is a list price of today, of this region, for the first unit."""
    return (
        isinstance(item, dict)
        and item.get("serviceName") == SERVICE
        and item.get("armRegionName") == region
        and item.get("currencyCode") == currency
        and item.get("type") == "Consumption"
        and item.get("isPrimaryMeterRegion", True) is True
        and item.get("tierMinimumUnits", 0) == 0
        and not item.get("effectiveEndDate")
        and _started(item, now)
        and _price(item) > 0
    )


def _started(item: Item, now: datetime) -> bool:
    try:
        start = datetime.fromisoformat(str(item.get("effectiveStartDate")))
    except ValueError:
        return False
    return start.replace(tzinfo=start.tzinfo or UTC) <= now


def _price(item: Item) -> Decimal:
    """Its amount; 0 for what is none."""
    value = item.get("retailPrice")
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return Decimal(0)
    try:
        amount = Decimal(value)
    except InvalidOperation:
        return Decimal(0)
    return amount.normalize() if amount.is_finite() else Decimal(0)


def _is_storage(item: Item) -> bool:
    return (
        str(item.get("productName", "")).endswith(STORAGE_PRODUCT)
        and item.get("meterName") == STORAGE_METER
        and item.get("unitOfMeasure") == A_GB_MONTH
    )


def _by_size(items: list[Item]) -> dict[str, set[Decimal]]:
    """Every price that the items name for a size; more than one is one too many."""
    found: dict[str, set[Decimal]] = {}
    for item in items:
        if item.get("unitOfMeasure") == AN_HOUR:
            for name, price in _sizes(item):
                found.setdefault(name, set()).add(price)
    return found


def _is_unread(item: Item) -> bool:
    """Whether it is sold as compute of a series, and for which size is not said."""
    product = str(item.get("productName", ""))
    of_compute = product.endswith(BURSTABLE_PRODUCT) or SERIES.search(product) is not None
    return of_compute and item.get("unitOfMeasure") == AN_HOUR and not any(_sizes(item))


def _meter(item: Item) -> str:
    return f"{item.get('productName')}, {item.get('skuName')} ({item.get('armSkuName')})"


def _sizes(item: Item) -> Iterator[tuple[str, Decimal]]:
    """The sizes that an item prices: one by its name, or a whole series by the vCore."""
    product, price = str(item.get("productName", "")), _price(item)
    sku_name, arm_name = str(item.get("skuName", "")), str(item.get("armSkuName", ""))
    if product.endswith(BURSTABLE_PRODUCT):
        yield from (
            (name, price)
            for name, sku in SKUS.items()
            if sku.tier == BURSTABLE and name.casefold() == f"Standard_{sku_name}".casefold()
        )
        return
    series = SERIES.search(product)
    if series is None:
        return
    of_series = f"{series['features']}_v{series['generation']}"
    for name, sku in SKUS.items():
        if sku.series != of_series or not name.startswith(f"Standard_{series['letter']}"):
            continue
        if name == arm_name:
            yield name, price
        elif sku_name in A_VCORE and arm_name not in SKUS:
            yield name, (price * sku.vcores).normalize()
