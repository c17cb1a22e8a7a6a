"""The vectors have the properties that are stated of them, and are the same every time."""

from itertools import pairwise

import numpy as np
import pytest

from bench.errors import BenchError
from bench.vectors import CHUNK, EVERYWHERE, SHARES, Corpus, Rows, nearest

CORPUS = Corpus(dimensions=256, intrinsic=16)
ROWS = 4 * CHUNK
# What one machine drew; another one must draw the same.
SESSIONS, TOPICS = [427, 429, 137, 10, 0], [55, 39, 3, 19, 1]
FIRST = [-0.0024268, 0.0601039, 0.0695031]


def together(rows: int, corpus: Corpus = CORPUS) -> Rows:
    """All rows at once."""
    chunks = list(corpus.chunks(rows))
    return Rows(
        first=0,
        vectors=np.concatenate([chunk.vectors for chunk in chunks]),
        sessions=np.concatenate([chunk.sessions for chunk in chunks]),
        topics=np.concatenate([chunk.topics for chunk in chunks]),
    )


@pytest.fixture(scope="module")
def rows() -> Rows:
    return together(ROWS)


def test_equal_parameters_mean_equal_rows(rows: Rows) -> None:
    again = together(ROWS, Corpus(dimensions=256, intrinsic=16))
    assert np.array_equal(again.vectors, rows.vectors)
    assert np.array_equal(again.sessions, rows.sessions)
    other = together(CHUNK, Corpus(dimensions=256, intrinsic=16, seed=6))
    assert not np.isclose(other.vectors, rows.vectors[:CHUNK]).any(axis=1).all()


def test_rows_are_the_same_on_every_machine(rows: Rows) -> None:
    assert rows.sessions[:5].tolist() == SESSIONS
    assert rows.topics[:5].tolist() == TOPICS
    assert rows.vectors[0, :3].tolist() == pytest.approx(FIRST, abs=1e-5)


def test_fewer_rows_are_the_first_of_more(rows: Rows) -> None:
    few = together(CHUNK + 7)
    assert len(few.vectors) == CHUNK + 7
    assert np.array_equal(few.vectors, rows.vectors[: CHUNK + 7])


def test_rows_come_in_chunks_so_that_memory_does_not_grow() -> None:
    assert [(c.first, len(c.vectors)) for c in CORPUS.chunks(2 * CHUNK + 1)] == [
        (0, CHUNK),
        (CHUNK, CHUNK),
        (2 * CHUNK, 1),
    ]


def test_vectors_have_length_one(rows: Rows) -> None:
    assert rows.vectors.dtype == np.float32
    assert np.linalg.norm(rows.vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_cosines_are_those_of_strangers_of_a_topic_and_of_a_conversation(rows: Rows) -> None:
    one, other = np.random.default_rng(0).integers(0, ROWS, (2, 100_000))
    cosines = (rows.vectors[one] * rows.vectors[other]).sum(axis=1)
    topic, session = (
        rows.topics[one] == rows.topics[other],
        rows.sessions[one] == rows.sessions[other],
    )
    distinct = one != other
    assert cosines[~topic].mean() == pytest.approx(0.3, abs=0.03)
    assert cosines[topic & ~session].mean() == pytest.approx(0.6, abs=0.03)
    assert cosines[topic & session & distinct].mean() == pytest.approx(0.69, abs=0.03)


def test_what_is_said_of_a_topic_has_the_intrinsic_dimension(rows: Rows) -> None:
    # One conversation has too few rows of a topic; of all, what they repeat adds a little.
    largest = rows.vectors[rows.topics == np.bincount(rows.topics).argmax()]
    values = np.linalg.eigvalsh(np.cov(largest.T))
    dimension = values.sum() ** 2 / (values**2).sum()  # participation ratio
    assert dimension == pytest.approx(CORPUS.intrinsic, rel=0.35)


@pytest.mark.parametrize(("share", "conversations", "topics"), SHARES)
def test_conversations_have_their_share_and_few_topics(
    rows: Rows, share: float, conversations: int, topics: int
) -> None:
    numbers = CORPUS.queries(CHUNK, share).sessions
    assert len(np.unique(numbers)) == pytest.approx(conversations, rel=0.3)
    of_it = np.isin(rows.sessions, numbers)
    assert of_it.sum() == pytest.approx(share * len(np.unique(numbers)) * ROWS, rel=0.1)
    most = max(len(np.unique(rows.topics[rows.sessions == number])) for number in numbers)
    assert most <= topics


def test_conversations_are_interleaved(rows: Rows) -> None:
    assert sum(one == other for one, other in pairwise(rows.sessions)) < ROWS / 20


def test_a_topic_holds_from_a_thousandth_to_a_tenth_of_the_rows(rows: Rows) -> None:
    sizes = np.sort(np.bincount(rows.topics, minlength=CORPUS.topics)) / ROWS
    assert sizes[0] < 0.001
    assert 0.07 < sizes[-1] < 0.2


@pytest.mark.parametrize("share", [None, *(share for share, _, _ in SHARES)])
def test_queries_are_no_rows_but_like_them(rows: Rows, share: float | None) -> None:
    queries = CORPUS.queries(50, share)
    cosines = queries.vectors @ rows.vectors.T
    assert cosines.max() < 0.99
    assert np.median(cosines.max(axis=1)) > 0.7


def test_the_nearest_are_those_of_a_full_sort(rows: Rows) -> None:
    queries = CORPUS.queries(20)
    expected = np.argsort(-(queries.vectors @ rows.vectors.T), axis=1)[:, :10]
    found = nearest(CORPUS, ROWS, queries.vectors, np.full(20, EVERYWHERE))
    assert np.array_equal(found, expected)


def test_the_nearest_of_a_conversation_are_its_own(rows: Rows) -> None:
    queries = CORPUS.queries(20, 0.01)
    found = nearest(CORPUS, ROWS, queries.vectors, queries.sessions)
    for query, session, numbers in zip(queries.vectors, queries.sessions, found, strict=True):
        own = np.flatnonzero(rows.sessions == session)
        assert numbers.tolist() == own[np.argsort(-(rows.vectors[own] @ query))][:10].tolist()


def test_where_a_conversation_has_too_few_rows_nothing_fills_the_rest(rows: Rows) -> None:
    queries = CORPUS.queries(20, 0.001)
    found = nearest(CORPUS, ROWS, queries.vectors, queries.sessions)
    for session, numbers in zip(queries.sessions, found, strict=True):
        assert (numbers >= 0).sum() == min(10, (rows.sessions == session).sum())


@pytest.mark.parametrize(
    ("number", "share", "text"),
    [
        (CHUNK + 1, None, r"1001 queries asked for; there are 1000"),
        (1, 0.5, r"no conversation has 50\.0% of the rows; there are 10\.0%, 1\.0%, 0\.1%"),
    ],
)
def test_what_is_not_there_is_refused(number: int, share: float | None, text: str) -> None:
    with pytest.raises(BenchError, match=text):
        CORPUS.queries(number, share)
