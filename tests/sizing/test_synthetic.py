"""sizing/live/synthetic.py: rows of the stated shape."""

import json
import statistics
from dataclasses import replace

import pytest

from sizing.live.synthetic import Corpus
from sizing.workload import ElementType, Workload

SHAPE = Workload(
    sessions=40,
    messages_per_session=10,
    facts=800,
    content_bytes=500,
    metadata_bytes=200,
    message_bytes=100,
    dimensions=8,
)


def test_equal_seeds_give_equal_rows() -> None:
    one, same, other = (list(Corpus(workload=SHAPE, seed=seed).memories()) for seed in (1, 1, 2))
    assert one == same != other


def test_rows_have_the_stated_lengths() -> None:
    rows = list(Corpus(workload=SHAPE).memories())
    metadata = [len(row.metadata or "") for row in rows]
    contents = [len(row.content) for row in rows]
    assert statistics.mean(contents) == pytest.approx(500, rel=0.05)
    assert statistics.mean(metadata) == pytest.approx(200, rel=0.05)
    assert (min(contents), max(contents)) == pytest.approx((250, 750), rel=0.05)
    assert all(isinstance(json.loads(row.metadata or ""), dict) for row in rows)


def test_embedded_messages_are_rows_as_long_as_a_message_among_the_facts() -> None:
    rows = list(Corpus(workload=replace(SHAPE, embeds_messages=True)).memories())
    facts = [row for row in rows if row.metadata]
    messages = [row for row in rows if not row.metadata]
    assert (len(facts), len(messages)) == (800, 400)
    assert statistics.mean(len(row.content) for row in facts) == pytest.approx(500, rel=0.05)
    assert statistics.mean(len(row.content) for row in messages) == pytest.approx(100, rel=0.05)
    assert [bool(row.metadata) for row in rows[:6]] == [False, True, True] * 2


def test_every_conversation_gets_rows_and_they_come_and_go() -> None:
    corpus = Corpus(workload=replace(SHAPE, sessions=200, facts=4_000))
    sessions = [row.session_id for row in corpus.memories()]
    assert {*sessions} == {*corpus.session_ids}
    begun = sessions.index(corpus.session_ids[100])
    ended = len(sessions) - sessions[::-1].index(corpus.session_ids[100])
    assert (begun, ended) == pytest.approx((2_000, 3_000), rel=0.1)


def test_messages_are_as_many_as_stated() -> None:
    messages = list(Corpus(workload=SHAPE).messages())
    assert len(messages) == 400
    assert {message.role for message in messages} == {"user", "assistant"}


@pytest.mark.parametrize(("element_type", "width"), [("vector", 4), ("halfvec", 2)])
def test_vectors_are_finite_and_never_alike(element_type: ElementType, width: int) -> None:
    corpus = Corpus(workload=SHAPE)
    vectors = [corpus.vector(8, element_type) for _ in range(100)]
    assert len({*vectors}) == 100
    assert {len(vector) for vector in vectors} == {4 + 8 * width}
    assert {vector[:4] for vector in vectors} == {b"\0\x08\0\0"}


def test_no_metadata_is_none() -> None:
    assert Corpus(workload=SHAPE).metadata(0) is None
