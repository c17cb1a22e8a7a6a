"""sizing/btree.py: pages of indexes that PostgreSQL 18 had made, one insert after another."""

import pytest

from sizing import btree

UUID = btree.entry(16)
EIGHT = btree.entry(8)
SESSION = btree.entry(1 + 36)


@pytest.mark.parametrize(
    ("keys", "pages"),
    [
        (300, 2),
        (1_000, 5),
        (2_000, 8),
        (10_000, 30),
        (20_000, 57),
        (50_000, 139),
        (100_000, 276),
        (300_000, 825),
    ],
)
def test_keys_in_order(keys: int, pages: int) -> None:
    assert btree.ascending(keys, EIGHT) == pages


@pytest.mark.parametrize(
    ("keys", "pages"),
    [
        # the mean of fourteen indexes on gen_random_uuid(): half full, full, half full …
        (300, 4),
        (1_000, 7),
        (2_000, 11),
        (3_000, 19.2),
        (5_000, 27.3),
        (7_000, 38),
        (10_000, 51.1),
        (20_000, 100.7),
        (30_000, 146.8),
        (50_000, 269.7),
        (70_000, 325.5),
        (100_000, 536.1),
        (150_000, 721.2),
        (200_000, 1060.4),
        (300_000, 1445.3),
    ],
)
def test_keys_in_no_order(keys: int, pages: float) -> None:
    assert btree.scattered(keys, UUID) == pytest.approx(pages, rel=0.05)


@pytest.mark.parametrize(
    ("rows", "sessions", "pages"),
    [
        (10_000, 10_000, 101),
        (100_000, 100_000, 955),
        (20_000, 8_696, 104),
        (100_000, 43_478, 525),
        (100_000, 20_000, 305),
        (300_000, 60_000, 926),
        (20_000, 2_000, 45),
        (100_000, 10_000, 214),
        (100_000, 2_000, 128),
        (300_000, 6_000, 395),
        (100_000, 400, 123),
        (300_000, 1_200, 361),
    ],
)
def test_many_rows_of_one_session(rows: int, sessions: int, pages: int) -> None:
    assert btree.grouped(rows, sessions, SESSION) == pytest.approx(pages, rel=0.10)


def test_an_index_without_keys_has_a_meta_page() -> None:
    empty = [btree.ascending(0, EIGHT), btree.scattered(0, UUID), btree.grouped(0, 5, SESSION)]
    assert empty == [1, 1, 1]


def test_more_sessions_than_rows_are_not_there_yet() -> None:
    assert btree.grouped(100, 5_000, SESSION) == btree.grouped(100, 100, SESSION)
