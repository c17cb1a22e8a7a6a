"""What a server costs a month, from a file of dated list prices, or why that is not known.

A price is never guessed: of another region, of another currency, of another size, or too old, it is
no price.  Amounts are decimals, as money is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml
from typing_extensions import override

from sizing.catalogue import DATA, Disk, Sku
from sizing.errors import SizingError

HOURS_A_MONTH = 730
"""Azure's own convention for estimates."""
FRESH_DAYS = 90
"""After that a list price is history: Azure changes them without notice."""
DEFAULT_FILE = DATA / "prices.yaml"
DEFAULT_CURRENCY = "USD"
"""In which Azure sets its prices; other currencies are its own conversion."""
UNKNOWN = "price unknown"
ENTRY_KEYS = {"region", "currency", "fetched", "source", "compute_an_hour", "storage_a_gib_month"}


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """The prices of one region in one currency."""

    region: str
    currency: str
    fetched: date
    source: str
    compute_an_hour: Mapping[str, Decimal]
    """By Azure's name of the size."""
    storage_a_gib_month: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Cost:
    """A month of one server, with its standby where it has one."""

    amount: Decimal
    currency: str
    region: str
    dated: date
    source: str
    terms: str
    """The sum in its parts."""

    @override
    def __str__(self) -> str:
        return f"{self.amount:,} {self.currency} a month"


@dataclass(frozen=True)
class Bought:
    """So many servers of one size, standbys and nodes included."""

    sku: Sku
    disk: Disk
    storage_tier: str
    servers: int


@dataclass(frozen=True)
class Unpriced:
    """No trustworthy price, and why."""

    why: str

    @override
    def __str__(self) -> str:
        return f"{UNKNOWN}: {self.why}"


@dataclass(frozen=True)
class PriceBook:
    """All price lists of a file."""

    lists: tuple[PriceList, ...] = ()

    def find(self, region: str, currency: str) -> PriceList | None:
        """The newest list of this region and currency."""
        found = [p for p in self.lists if (p.region, p.currency) == (region, currency)]
        return max(found, key=lambda prices: prices.fetched, default=None)


def monthly_cost(  # noqa: PLR0913 - what is bought, where, and on which day's list
    book: PriceBook,
    *,
    sku: Sku,
    disk: Disk,
    storage_tier: str,
    servers: int,
    region: str | None,
    currency: str,
    today: date,
) -> Cost | Unpriced:
    """Price a server and its disk; ``servers`` is 2 with a standby, which Azure bills in full.

    Backup within the size of the disk is free; beyond it, and geo-redundant, it is not in here.
    https://learn.microsoft.com/azure/reliability/reliability-azure-database-postgresql
    """
    prices = _usable(book, region, currency, today)
    if isinstance(prices, Unpriced):
        return prices
    hourly, gib = prices.compute_an_hour.get(sku.name), prices.storage_a_gib_month
    if hourly is None or gib is None:
        missing = sku.name if hourly is None else "storage"
        return Unpriced(f"{prices.source} has none for {missing} in {region}")
    if storage_tier != disk.default_tier:
        return Unpriced(f"the performance tier {storage_tier} is bought beside the disk's own")
    compute, storage = hourly * HOURS_A_MONTH, gib * disk.size_gib
    return Cost(
        amount=((compute + storage) * servers).quantize(Decimal("0.01")),
        currency=currency,
        region=prices.region,
        dated=prices.fetched,
        source=prices.source,
        terms=f"{servers} x ({hourly} an hour x {HOURS_A_MONTH} + {gib} x {disk.size_gib} GiB)",
    )


def together(costs: Sequence[Cost | Unpriced]) -> Cost | Unpriced:
    """Add up costs of one price list; one that is not known makes the sum unknown."""
    known = [cost for cost in costs if isinstance(cost, Cost)]
    if len(known) < len(costs):
        return next(cost for cost in costs if isinstance(cost, Unpriced))
    terms = " + ".join(cost.terms for cost in known)
    return replace(known[0], amount=sum((c.amount for c in known), Decimal(0)), terms=terms)


def _usable(
    book: PriceBook, region: str | None, currency: str, today: date
) -> PriceList | Unpriced:
    if region is None:
        return Unpriced("no region is named")
    prices = book.find(region, currency)
    fetch = f"python -m sizing prices --region {region} --currency {currency}"
    if prices is None:
        return Unpriced(f"no prices of {region} in {currency}; fetch them: {fetch}")
    age = (today - prices.fetched).days
    if age > FRESH_DAYS:
        return Unpriced(f"those of {prices.fetched} are {age} days old; fetch them: {fetch}")
    if age < -1:
        return Unpriced(f"those of {prices.fetched} are of a day to come; fetch them: {fetch}")
    return prices


def read_prices(path: Path = DEFAULT_FILE) -> PriceBook:
    """Read a file of prices.  Raises ``SizingError`` for one that is not."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: 2026-02-30 is no date
        reason = str(error).splitlines()[0]
        raise SizingError(f"{path}: cannot be read as prices: {reason}") from error
    entries = content.get("prices") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise SizingError(f"{path}: no list of prices; write one with python -m sizing prices")
    return PriceBook(tuple(_entry(path, entry) for entry in entries))


def write_prices(path: Path, book: PriceBook) -> None:
    """Write a file that ``read_prices`` reads; amounts are text, so that none is rounded."""
    entries = [
        {
            "region": p.region,
            "currency": p.currency,
            "fetched": p.fetched,
            "source": p.source,
            "storage_a_gib_month": None
            if p.storage_a_gib_month is None
            else str(p.storage_a_gib_month),
            "compute_an_hour": {name: str(p.compute_an_hour[name]) for name in p.compute_an_hour},
        }
        for p in book.lists
    ]
    header = "# Azure's list prices; refresh with python -m sizing prices.\n"
    path.write_text(header + yaml.safe_dump({"prices": entries}, sort_keys=False), encoding="utf-8")


def _entry(path: Path, entry: Any) -> PriceList:
    if not isinstance(entry, dict) or entry.keys() != ENTRY_KEYS:
        raise SizingError(
            f"{path}: an entry of prices has the keys {', '.join(sorted(ENTRY_KEYS))}"
        )
    compute, fetched = entry["compute_an_hour"], entry["fetched"]
    if not isinstance(compute, dict) or type(fetched) is not date:
        raise SizingError(f"{path}: compute_an_hour is a mapping, fetched a date")
    storage = entry["storage_a_gib_month"]
    return PriceList(
        region=str(entry["region"]),
        currency=str(entry["currency"]),
        fetched=fetched,
        source=str(entry["source"]),
        compute_an_hour={str(name): _amount(path, value) for name, value in compute.items()},
        storage_a_gib_month=None if storage is None else _amount(path, storage),
    )


def _amount(path: Path, value: Any) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        raise SizingError(f"{path}: {value!r} is no price; a price is a number above 0")
    return amount
