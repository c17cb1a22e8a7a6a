"""docs/sizing.md says what the sizing says."""

from pathlib import Path

import pytest

from sizing.catalogue import GIB
from sizing.mission import BELOW, FACT_GB
from sizing.recommend import Recommendation, Wish, recommend
from sizing.workload import Workload

PAGE = (Path(__file__).parent.parent.parent / "docs" / "sizing.md").read_text(encoding="utf-8")
PROD = Workload(sessions=10_000, messages_per_session=50, facts=1_000_000)


@pytest.fixture(scope="module")
def prod() -> Recommendation:
    return recommend(PROD, Wish(environment="prod", connections_needed=410))


def row(name: str) -> list[str]:
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {name} |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_production_is_counted_as_the_page_says(prod: Recommendation) -> None:
    grown, index = prod.grown.bytes / GIB, prod.grown.vector_index_bytes / GIB
    assert row("production, today") == ["1.25 GB", f"{prod.today.bytes / GIB:.1f} GiB"]
    assert row("production, \N{MULTIPLICATION SIGN} 3") == [
        "3.75 GB",
        f"{grown:.1f} GiB, of which the vector index {index:.1f}",
    ]
    assert prod.mission.total_gb == pytest.approx(3.75)
    assert f"{prod.mission.code_total_gb:,.0f} GB for the same load" in PAGE
    largest_from = BELOW[-1][0] / FACT_GB / PROD.growth_factor
    assert f"the largest server for more than {largest_from:,.0f} facts" in PAGE


def test_production_gets_the_server_that_the_page_names(prod: Recommendation) -> None:
    step = prod.mission.step
    assert row("server") == [
        f"{step.sku.name}, {step.storage_gib} GiB",
        f"{prod.sku.name}, {prod.disk.size_gib} GiB",
    ]
    formula, measured = row("holds production today")
    due = prod.mission_verdict.due_in_months
    assert formula == f"yes; no longer after {due} months at 5 % a month"
    assert measured == f"yes; no longer after {prod.verdict.due_in_months}"


def test_halfvec_saves_what_the_page_says(prod: Recommendation) -> None:
    half = recommend(
        Workload(**{**vars(PROD), "element_type": "halfvec"}),
        Wish(environment="prod", connections_needed=410),
    )
    size = half.grown.vector_index_bytes / GIB
    assert f"{size:.1f} GiB instead of {prod.grown.vector_index_bytes / GIB:.1f}" in PAGE
    assert f"{half.sku.name} holds it" in PAGE
