"""sizing/pages.py: how rows share pages."""

import pytest

from sizing.pages import maps, packed


@pytest.mark.parametrize(
    ("tuples", "pages"),
    [
        ([], 0),
        ([2032] * 4, 4 * 2036 / 8168),
        ([2032] * 5, 1 + 2036 / 8168),
        # what does not fit opens a page, and what a page had left is found again
        ([5000, 5000, 3000], 1 + 3004 / 8168 + 5004 / 8168),
        ([5000, 5000, 3000, 3000], 1 + 8008 / 8168),
    ],
)
def test_rows_fill_pages_and_what_others_left(tuples: list[int], pages: float) -> None:
    assert packed(tuples) == pytest.approx(pages, abs=0.001)


@pytest.mark.parametrize(
    ("pages", "expected"), [(0, 0), (1, 4), (4_069, 4), (4_070, 5), (32_673, 13)]
)
def test_a_table_has_maps_beside_it(pages: int, expected: int) -> None:
    assert maps(pages) == expected
