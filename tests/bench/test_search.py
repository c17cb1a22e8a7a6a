"""What is said of a search is what the server did: its answers, and the index that gave them."""

import numpy as np
import pytest

from bench import search
from bench.hnsw_table import Memories
from bench.search import (
    EF_SEARCH,
    HNSW_ALONE,
    WAYS,
    Answers,
    ask,
    filtered_study,
    unfiltered_study,
)
from tests.bench.memories import ROWS, halves, questions, server

__all__ = ["halves", "server"]

ALL, BUSY = (None, 0.1)
NO_INDEX = {"enable_indexscan": "off", "enable_bitmapscan": "off"}
HNSW_INDEX, SESSION_INDEX = (f"zep_memory_vectors_{of}_idx" for of in ("embedding", "session_id"))


def silent(_: str) -> None:
    """Announce nothing."""


@pytest.mark.parametrize("share", [ALL, BUSY])
def test_half_precision_finds_nearly_what_is_true(halves: Memories, share: float | None) -> None:
    answers = ask(halves, questions(20, share), NO_INDEX)
    assert 0.98 < answers.recall <= 1


def test_the_index_that_answered_is_counted(halves: Memories) -> None:
    asked = questions(20)
    answers = ask(halves, asked, {**HNSW_ALONE, "hnsw.ef_search": "100"}, rounds=2)
    assert answers.indexes == {HNSW_INDEX: 40}
    assert answers.recall == pytest.approx(1, abs=0.05)
    assert len(answers.milliseconds) == 40


def test_a_filter_after_the_search_loses_rows_and_an_iterative_scan_does_not(
    halves: Memories,
) -> None:
    asked = questions(30, 0.01)
    after, strict, relaxed = (
        ask(halves, asked, {**WAYS[way], "enable_bitmapscan": "off"})
        for way in ("HNSW, filter after", "HNSW, strict_order", "HNSW, relaxed_order")
    )
    assert after.returned < 8
    assert after.recall < 0.8
    for answers in (strict, relaxed):
        assert answers.indexes == {HNSW_INDEX: 30}
        assert answers.returned == pytest.approx(10, abs=0.5)
        assert answers.recall > 0.95


def test_the_planner_may_take_the_filter_instead(halves: Memories) -> None:
    answers = ask(halves, questions(20, 0.01), WAYS["planner's choice"])
    assert answers.indexes == {SESSION_INDEX: 20}
    assert answers.plan == f"{SESSION_INDEX} 20x"


def test_studies_have_a_row_for_each_choice(halves: Memories) -> None:
    of_all = unfiltered_study(halves, ROWS, questions(10), 1, silent)
    assert list(dict.fromkeys(row[0] for row in of_all.rows)) == list(EF_SEARCH)
    # Where the planner does not take the index, a second row shows what it would have done.
    assert {row[0] for row in of_all.rows if row[-1] == f"{HNSW_INDEX} 10x"} == set(EF_SEARCH)
    assert of_all.title == "search, 1,500 x 64 halfvec"
    busy = questions(10, BUSY)
    within = filtered_study(halves, ROWS, {0.1: busy}, 1, silent)
    assert len(within.rows) == len(WAYS) * len(search.FILTERED_EF_SEARCH)
    assert {row[0] for row in within.rows} == {"10.0%"}


@pytest.mark.parametrize(
    ("found", "truth", "recall"),
    [
        ([[1, 2]], [[1, 2]], 1),
        ([[2, 1]], [[1, 2]], 1),
        ([[1, 9]], [[1, 2]], 0.5),
        ([[]], [[1, 2]], 0),
        ([[1]], [[1, -1]], 1),
        ([[1, 2], [1, 3]], [[1, 2], [3, 4]], 0.75),
        ([[1], [3], [1], [9]], [[1], [3]], 0.75),
        ([[]], [[-1]], 1),
    ],
)
def test_recall_is_the_share_of_the_true_neighbours(
    found: list[list[int]], truth: list[list[int]], recall: float
) -> None:
    assert search._recall(found, np.array(truth)) == recall


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({40: (1, 0.94), 80: (5, 0.95), 120: (6, 1)}, "met at ef_search 80, 5.00 ms at 0.950"),
        ({40: (1, 0.94), 80: (5.1, 0.95)}, "missed at ef_search 80, 5.10 ms at 0.950"),
        ({40: (1, 0.5), 80: (1, 0.6)}, "missed, no ef_search of 40, 80 has that recall"),
    ],
)
def test_the_goal_is_judged_at_the_first_ef_search_with_that_recall(
    answers: dict[int, tuple[float, float]], text: str
) -> None:
    found = {
        ef_search: Answers(milliseconds=(taken,), recall=recall, returned=10, indexes={})
        for ef_search, (taken, recall) in answers.items()
    }
    assert search._verdict(found) == f"goal p95 <= 5 ms at recall >= 0.95: {text}"


def test_latency_is_told_by_median_and_p95() -> None:
    answers = Answers(
        milliseconds=tuple(range(1, 102)), recall=1, returned=10, indexes={"a": 1, "b": 2}
    )
    assert (answers.median_ms, answers.p95_ms) == (51, 96)
    assert answers.plan == "b 2x, a 1x"
