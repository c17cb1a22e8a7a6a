"""sizing/predict.py: what grows, what is in it, and what it takes to build."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sizing.needs import rows_bytes, toast_pages
from sizing.predict import predict
from sizing.prediction import Prediction
from sizing.records import vector_bytes
from sizing.workload import Hnsw, Ivfflat, Workload

UAT = Workload(sessions=2_000, messages_per_session=50, facts=100_000)
GIB = 2**30
COUNTS = {
    "sessions": st.integers(1, 20_000),
    "messages_per_session": st.integers(0, 200),
    "facts": st.integers(0, 3_000_000),
    "retention_days": st.integers(1, 400),
}
LENGTHS = {
    "message_bytes": st.integers(1, 8_000),
    "content_bytes": st.integers(1, 8_000),
    "metadata_bytes": st.integers(0, 2_000),
}
A_FIFTH_MORE = 1.2
AS_MUCH = 0.97
"""PostgreSQL itself takes less for a row of 2,040 bytes than for one of 2,030: it compresses it."""


def objects(prediction: Prediction) -> dict[tuple[str, str], int]:
    return {(item.kind, item.name): item.bytes for item in prediction.objects}


@settings(deadline=None)
@given(
    counts=st.fixed_dictionaries(COUNTS),
    name=st.sampled_from(sorted(COUNTS)),
    more=st.integers(1, 1_000_000),
)
def test_more_of_anything_never_takes_less(counts: dict[str, Any], name: str, more: int) -> None:
    less = Workload(**counts)
    greater = replace(less, **{name: getattr(less, name) + more})
    assert predict(greater).bytes >= predict(less).bytes


@settings(deadline=None, max_examples=25)
@given(
    lengths=st.fixed_dictionaries(LENGTHS),
    name=st.sampled_from(sorted(LENGTHS)),
    dimensions=st.sampled_from([384, 768, 1536]),
)
def test_longer_texts_take_more_but_for_what_compression_saves(
    lengths: dict[str, Any], name: str, dimensions: int
) -> None:
    shorter = replace(UAT, dimensions=dimensions, **lengths)
    longer = replace(shorter, **{name: round(getattr(shorter, name) * A_FIFTH_MORE) + 8})
    assert predict(longer).bytes >= predict(shorter).bytes * AS_MUCH


def test_more_dimensions_take_more_but_for_what_compression_saves() -> None:
    narrow = replace(UAT, content_bytes=100)
    sizes = [predict(replace(narrow, dimensions=d)).bytes for d in range(10, 2001, 50)]
    assert all(more >= less * AS_MUCH for less, more in itertools.pairwise(sizes))


def test_more_links_take_more_but_for_rows_that_have_fewer_layers() -> None:
    graphs = [predict(replace(UAT, index=Hnsw(m=m))).vector_index_bytes for m in range(4, 101)]
    assert all(more >= less * AS_MUCH for less, more in itertools.pairwise(graphs))
    assert graphs[-1] > graphs[0]


@pytest.mark.parametrize(
    ("name", "changed", "halved"),
    [
        ("halfvec", {"element_type": "halfvec"}, ("hnsw", "zep_memory_vectors_embedding_idx")),
        ("half the rows", {"facts": 50_000}, ("heap", "zep_memory_vectors")),
    ],
)
def test_half_is_half(name: str, changed: dict[str, Any], halved: tuple[str, str]) -> None:
    before, after = objects(predict(UAT)), objects(predict(replace(UAT, **changed)))
    assert after[halved] == pytest.approx(before[halved] / 2, rel=0.01), name


def test_names_every_relation_of_both_databases() -> None:
    found = predict(UAT).objects
    assert len({(item.kind, item.name) for item in found}) == len(found) == 30
    assert {item.database for item in found} == {"memory", "zep"}
    assert all(item.terms and item.source.startswith("https://") for item in found)


def test_messages_with_embeddings_are_rows_of_the_memory_table_too() -> None:
    with_messages = predict(replace(UAT, embeds_messages=True)).vector_index_bytes
    assert with_messages == pytest.approx(2 * predict(UAT).vector_index_bytes, rel=0.001)


def test_an_embedded_message_is_as_long_as_a_message() -> None:
    long = replace(UAT, content_bytes=5_000, metadata_bytes=1_000, message_bytes=200)
    alone, both = (
        objects(predict(replace(long, embeds_messages=embeds)))["toast", "zep_memory_vectors"]
        for embeds in (False, True)
    )
    of_messages = replace(long, facts=long.messages, content_bytes=200, metadata_bytes=0)
    added = objects(predict(of_messages))["toast", "zep_memory_vectors"]
    assert both == pytest.approx(alone + added, rel=0.001)


def test_messages_alone_may_be_the_memories() -> None:
    messages = replace(UAT, message_bytes=700, content_bytes=5_000, metadata_bytes=300)
    facts = replace(UAT, message_bytes=700, content_bytes=700, facts=UAT.messages)
    embedded = predict(replace(messages, facts=0, embeds_messages=True))
    assert embedded.objects == predict(facts).objects


@pytest.mark.parametrize(
    ("changed", "pages"),
    [
        ({}, 1),
        ({"content_bytes": 20_000}, 4),
        ({"message_bytes": 20_000}, 1),
        ({"message_bytes": 20_000, "embeds_messages": True}, 4),
        ({"content_bytes": 20_000, "embeds_messages": True}, 4),
        ({"content_bytes": 20_000, "embeds_messages": True, "facts": 0}, 1),
    ],
)
def test_a_row_is_as_many_toast_pages_as_its_longest_kind(
    changed: dict[str, Any], pages: int
) -> None:
    assert toast_pages(replace(UAT, **changed)) == pages


def test_what_is_planned_counts_a_message_as_long_as_it_is() -> None:
    long = replace(UAT, content_bytes=5_000, metadata_bytes=1_000, message_bytes=200)
    alone, both = (
        rows_bytes(load, predict(load)) for load in (long, replace(long, embeds_messages=True))
    )
    narrow = 200 + vector_bytes(1536, "vector") + 200
    assert both - alone == pytest.approx(1.5 * long.messages * narrow, rel=0.02)


def test_what_a_build_takes() -> None:
    graph, lists = predict(UAT).build, predict(replace(UAT, index=Ivfflat(lists=100))).build
    assert graph is not None
    assert lists is not None
    assert (graph.memory_mib, graph.temporary_bytes) == (653, 0)
    assert graph.wal_bytes == predict(UAT).vector_index_bytes
    assert lists.temporary_bytes == pytest.approx(100_000 * 6_192)
    assert predict(replace(UAT, index=None)).build is None


@pytest.mark.parametrize(
    ("changed", "written"),
    [
        # EXPLAIN (ANALYZE, WAL) of 600 inserts, on average
        ({"index": None, "dimensions": 384}, 2_145),
        ({"index": None}, 7_329),
        ({"index": None, "content_bytes": 3_000, "metadata_bytes": 300}, 9_815),
        ({"index": Ivfflat(lists=10)}, 13_699),
        ({"dimensions": 384}, 5_384),
        ({}, 15_221),
        ({"index": Hnsw(m=32)}, 16_996),
    ],
)
def test_what_a_row_writes_ahead(changed: dict[str, Any], written: int) -> None:
    workload = replace(UAT, content_bytes=200)
    assert predict(replace(workload, **changed)).wal_bytes_a_row == pytest.approx(written, rel=0.1)


def test_a_row_of_1536_dimensions_takes_a_page_beside_its_own() -> None:
    found = objects(predict(replace(UAT, facts=1_000)))
    assert found["toast", "zep_memory_vectors"] == 1_004 * 8_192
