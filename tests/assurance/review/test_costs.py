"""assurance/review/costs.py and sizes.py"""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from assurance.review.costs import costs
from assurance.review.recording import read_recording
from sizing.prices import PriceBook, PriceList
from tests.assurance.review.states import Step, step, written

SERVER = "azure-native:dbforpostgresql:Server"
VERSIONED = "azure-native:dbforpostgresql/v20240801:Server"
TODAY = date(2026, 11, 23)
BOOK = PriceBook(
    (
        PriceList(
            region="westeurope",
            currency="EUR",
            fetched=date(2026, 11, 1),
            source="a list",
            compute_an_hour={"Standard_D2s_v3": Decimal("0.1"), "Standard_D4s_v3": Decimal("0.2")},
            storage_a_gib_month=Decimal("0.5"),
        ),
    )
)


def server(sku: str, **more: Any) -> dict[str, Any]:
    storage = {"storageSizeGB": 32, "tier": "P4"}
    return {"sku": {"name": sku}, "storage": storage, "location": "westeurope", **more}


SMALL, LARGE = server("Standard_D2s_v3"), server("Standard_D4s_v3")
STANDBY = server("Standard_D2s_v3", highAvailability={"mode": "ZoneRedundant"})
UNPRICED = "price unknown"

TABLE: list[tuple[list[Step], str, str]] = [
    ([step("same", SERVER, "s", SMALL, SMALL)], "89.00 EUR (unchanged)", ""),
    ([step("update", SERVER, "s", SMALL, LARGE)], "162.00 EUR (+73.00)", ""),
    ([step("update", SERVER, "s", LARGE, SMALL)], "89.00 EUR (-73.00)", ""),
    ([step("update", SERVER, "s", SMALL, STANDBY)], "178.00 EUR (+89.00)", ""),
    ([step("create", SERVER, "s", None, SMALL)], "89.00 EUR (+89.00)", ""),
    (
        [
            step("create-replacement", SERVER, "s", SMALL, LARGE),
            step("replace", SERVER, "s", SMALL, LARGE),
            step("delete-replaced", SERVER, "s", SMALL),
        ],
        "162.00 EUR (+73.00)",
        "",
    ),
    (
        [
            step("delete-replaced", SERVER, "s", SMALL, SMALL),
            step("replace", SERVER, "s", SMALL, LARGE),
            step("create-replacement", SERVER, "s", SMALL, LARGE),
        ],
        "162.00 EUR (+73.00)",
        "",
    ),
    (
        [step("same", SERVER, "s", SMALL, SMALL), step("create", SERVER, "t", None, SMALL)],
        "178.00 EUR (+89.00)",
        "",
    ),
    ([step("create", VERSIONED, "s", None, SMALL)], "89.00 EUR (+89.00)", ""),
    ([step("delete", SERVER, "s", SMALL)], "no server of ours", ""),
    ([], "no server of ours", ""),
    ([step("update", SERVER, "s", SMALL, server("Standard_D8s_v3"))], UNPRICED, "has none for"),
    ([step("update", SERVER, "s", SMALL, server("Huge"))], UNPRICED, "is in no catalogue"),
    ([step("create", SERVER, "s", None, {})], UNPRICED, "is in no catalogue"),
]


@pytest.mark.parametrize(("steps", "short", "why"), TABLE)
def test_says_the_difference_or_why_it_is_unknown(
    steps: list[Step], short: str, why: str, tmp_path: Path
) -> None:
    found = costs(read_recording(written(tmp_path, steps), "dev"), BOOK, "EUR", TODAY)
    assert found.in_short == short
    assert why in found.why
    assert bool(found.why) == bool(why)
