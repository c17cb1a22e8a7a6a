"""sizing/vector_index.py: pages of indexes that pgvector 0.8 had made."""

import pytest

from sizing.records import vector_bytes
from sizing.vector_index import DRAWS, SAMPLE, hnsw_pages, ivfflat_pages, layers
from sizing.workload import ElementType


@pytest.mark.parametrize(
    ("rows", "dimensions", "element_type", "m", "pages"),
    [
        (1_000, 384, "vector", 16, 251),
        (1_000, 768, "vector", 16, 501),
        (1_000, 1536, "vector", 16, 1_001),
        (1_000, 384, "halfvec", 16, 144),
        (1_000, 768, "halfvec", 16, 251),
        (1_000, 1536, "halfvec", 16, 501),
        (1_000, 3072, "halfvec", 16, 1_001),
        # element and neighbours do not fit on one page: two pages a row
        (600, 2000, "vector", 16, 1_201),
        # here they do not where a row has links above the ground, which one in m has
        (1_500, 2000, "vector", 4, 1_894),
        (3_000, 64, "vector", 16, 210),
    ],
)
def test_hnsw(rows: int, dimensions: int, element_type: ElementType, m: int, pages: int) -> None:
    predicted = hnsw_pages(rows, vector_bytes(dimensions, element_type), m)
    assert predicted == pytest.approx(pages, rel=0.01)


@pytest.mark.parametrize("m", [2, 4, 16, 64])
def test_one_row_in_m_has_links_above_the_ground(m: int) -> None:
    assert len({*DRAWS}) == SAMPLE
    assert sum(layer > 0 for layer in layers(m)) == pytest.approx(SAMPLE / m, rel=0.01)


def test_layers_come_in_no_order() -> None:
    halves = [sum(layers(16)[part::2]) for part in (0, 1)]
    ends = [sum(layers(16)[:2000]), sum(layers(16)[2000:])]
    assert min(*halves, *ends) / max(*halves, *ends) > 0.8


@pytest.mark.parametrize(
    ("rows", "dimensions", "lists", "pages"), [(1_500, 384, 10, 306), (1_000, 1536, 20, 1_021)]
)
def test_ivfflat(rows: int, dimensions: int, lists: int, pages: int) -> None:
    predicted = ivfflat_pages(rows, vector_bytes(dimensions, "vector"), lists)
    assert predicted == pytest.approx(pages, rel=0.005)


def test_lists_without_rows_have_a_page_each() -> None:
    assert ivfflat_pages(0, vector_bytes(1536, "vector"), 100) == 1 + 100 + 100
