"""sizing/live/compare.py: what counts as close."""

import pytest

from sizing.live.compare import Compared, compare
from sizing.prediction import ObjectSize

PAGE = 8192


def predicted(**sizes: int) -> list[ObjectSize]:
    return [
        ObjectSize(
            database="memory", name=name, kind="btree", bytes=size * PAGE, terms="", source=""
        )
        for name, size in sizes.items()
    ]


def found(**sizes: int) -> dict[tuple[str, str], int]:
    return {("btree", name): size * PAGE for name, size in sizes.items()}


@pytest.mark.parametrize(
    ("reckoned", "real", "within"),
    [
        (110, 100, True),
        (111, 100, False),
        (90, 100, True),
        (89, 100, False),
        (10, 7, True),
        (11, 7, False),
        (0, 0, True),
        (4, 0, False),
        (0, 4, False),
    ],
)
def test_an_object_is_close_within_a_tenth_or_three_pages(
    reckoned: int, real: int, *, within: bool
) -> None:
    item = Compared(kind="heap", name="t", predicted=reckoned * PAGE, found=real * PAGE)
    assert item.within is within


def test_the_total_is_close_within_a_twentieth() -> None:
    assert compare(predicted(a=1_040, b=1_040), found(a=1_000, b=1_000)).within
    assert not compare(predicted(a=1_080, b=1_080), found(a=1_000, b=1_000)).within


@pytest.mark.parametrize(("pages", "within"), [(10, True), (11, False)])
def test_the_total_of_many_small_objects_is_close_within_ten_pages(
    pages: int, *, within: bool
) -> None:
    names = [f"t{number}" for number in range(pages)]
    comparison = compare(predicted(**dict.fromkeys(names, 6)), found(**dict.fromkeys(names, 5)))
    assert all(item.within for item in comparison.objects)
    assert comparison.total.within is within
    assert comparison.within is within


def test_what_only_one_side_has_is_an_object_too() -> None:
    comparison = compare(predicted(a=100), found(b=100))
    assert [(item.name, item.within) for item in comparison.objects] == [("a", False), ("b", False)]
    assert comparison.total.error == 0
    assert not comparison.within


def test_the_worst_is_one_that_is_large_enough_to_judge() -> None:
    comparison = compare(predicted(small=6, large=104), found(small=4, large=100))
    assert comparison.worst.name == "large"


def test_as_data_names_error_and_limits() -> None:
    data = compare(predicted(a=105), found(a=100)).as_data()
    assert data["within_limits"] is True
    assert data["limits"] == {
        "total": 0.05,
        "total_pages": 10,
        "object": 0.1,
        "object_pages": 3,
    }
    assert data["objects"] == [
        {
            "kind": "btree",
            "name": "a",
            "predicted_bytes": 105 * PAGE,
            "found_bytes": 100 * PAGE,
            "error": 0.05,
            "within_limits": True,
        }
    ]
