"""``python -m sizing prices``: fetches Azure's list prices into a file."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sizing.catalogue import SKUS
from sizing.price_api import URL, fetch
from sizing.prices import DEFAULT_CURRENCY, PriceBook, read_prices, write_prices

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - its only name

Command = Callable[[argparse.Namespace], int]


def add_to(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add the command; its ``run`` takes the parsed arguments and raises ``SizingError``."""
    parser = subparsers.add_parser(
        "prices",
        help="fetch Azure's list prices of one region into a file",
        description="Asks Azure's retail price API, which needs no login, and adds the prices of"
        " one region in one currency to a file that the sizer reads with --prices.",
    )
    parser.add_argument("--region", required=True, help="as Azure writes it, e.g. westeurope")
    parser.add_argument("--currency", default=DEFAULT_CURRENCY, help="default: %(default)s")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("prices.yaml"),
        help="the file; other regions in it stay (default: %(default)s)",
    )
    parser.add_argument("--url", default=URL, help="of the API or a mirror (default: %(default)s)")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Fetch, and write.  Returns the exit code."""
    output: Path = arguments.output
    known = read_prices(output) if output.exists() else PriceBook()
    fetched = fetch(arguments.region, arguments.currency, url=arguments.url)
    new = fetched.prices
    others = (p for p in known.lists if (p.region, p.currency) != (new.region, new.currency))
    write_prices(output, PriceBook((*others, new)))
    storage = "and storage" if new.storage_a_gib_month is not None else "but none of storage"
    sys.stdout.write(
        f"{output}: prices of {len(new.compute_an_hour)} of {len(SKUS)} sizes {storage}"
        f" in {new.region}, {new.currency}, {new.fetched}\n"
    )
    if fetched.ambiguous:
        left_out = ", ".join(fetched.ambiguous)
        sys.stderr.write(f"left out, as they have more than one price: {left_out}\n")
    for meter in fetched.unread:
        sys.stderr.write(f"left out, as it names no size: {meter}\n")
    return 0
