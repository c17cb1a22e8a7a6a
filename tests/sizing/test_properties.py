"""Promises of the sizing for any load: it never asks for less when there is more to hold."""

import math
from dataclasses import fields, replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sizing.catalogue import SKUS, STORAGE
from sizing.errors import SizingError
from sizing.mission import mission
from sizing.needs import cpu, disk, iops, rows_bytes, total
from sizing.predict import predict
from sizing.recommend import Recommendation, Wish, candidates, recommend
from sizing.verdict import judge
from sizing.workload import Hnsw, Ivfflat, Workload

EXAMPLES = settings(max_examples=60, deadline=None)
WHAT_COMPRESSION_LEAVES = 0.77
"""Of a row of 2 KB of prose (``sizing.toast.PROSE``): a narrower one may be left as it is."""
ENVIRONMENTS = st.sampled_from(["dev", "test", "uat", "prod"])
LARGER = {
    "sessions": st.integers(1, 50_000),
    "messages_per_session": st.integers(0, 500),
    "facts": st.integers(0, 3_000_000),
    "retention_days": st.integers(1, 400),
    "message_bytes": st.integers(1, 10_000),
    "content_bytes": st.integers(1, 20_000),
    "metadata_bytes": st.integers(0, 5_000),
    "dimensions": st.integers(1, 1_000),
    "growth_factor": st.floats(0, 5),
    "growth_per_month": st.floats(0, 0.5),
}
"""What may be added to each figure of a load."""

hnsw = st.builds(Hnsw, m=st.integers(2, 32), ef_construction=st.integers(64, 200))
ivfflat = st.builds(Ivfflat, lists=st.integers(1, 2_000))
workloads = st.builds(
    Workload,
    sessions=st.integers(1, 50_000),
    messages_per_session=st.integers(0, 200),
    facts=st.integers(0, 3_000_000),
    retention_days=st.integers(1, 400),
    message_bytes=st.integers(1, 5_000),
    content_bytes=st.integers(1, 10_000),
    metadata_bytes=st.integers(0, 3_000),
    embeds_messages=st.booleans(),
    dimensions=st.integers(1, 1_000),
    element_type=st.sampled_from(["vector", "halfvec"]),
    index=hnsw | ivfflat,
    growth_factor=st.floats(1, 5),
    growth_per_month=st.floats(0, 0.5),
)
wishes = st.builds(
    Wish,
    environment=ENVIRONMENTS,
    connections_needed=st.integers(0, 4_985),
    high_availability=st.sampled_from(["Disabled", "SameZone", "ZoneRedundant"]),
    target_p95_ms=st.floats(50, 500),
    series=st.sampled_from(["s_v3", "ds_v4", "ds_v5", "ads_v5", "ds_v6", "ads_v6"]),
)


@st.composite
def grown_in_one(draw: st.DrawFn) -> tuple[Workload, Workload, str]:
    """Draw a load, and the same with more of one thing."""
    load = draw(workloads)
    name = draw(st.sampled_from(sorted(LARGER)))
    more: Any = draw(LARGER[name])
    return load, replace(load, **{name: getattr(load, name) + more}), name


def found(load: Workload, wish: Wish) -> Recommendation | None:
    """None where a search is too slow even in memory: of too few lists."""
    try:
        return recommend(load, wish)
    except SizingError as error:
        if "a search here takes up to" not in str(error):
            raise
        return None


def rank(r: Recommendation | None) -> float:
    """How far the choice had to go; beyond all sizes where none holds it."""
    if r is None:
        return math.inf
    sizes = list(candidates(r.wish))
    return len(sizes) if r.outgrown else sizes.index(r.sku)


@EXAMPLES
@given(grown_in_one())
def test_more_of_anything_never_takes_less(pair: tuple[Workload, Workload, str]) -> None:
    less, more, name = pair
    small, large = predict(less), predict(more)
    # what makes a row wider may have PostgreSQL compress it
    wider = name.endswith("_bytes") or name == "dimensions"
    assert small.bytes * (WHAT_COMPRESSION_LEAVES if wider else 1) <= large.bytes
    assert small.vector_index_bytes <= large.vector_index_bytes
    assert total(disk(less, small, 256)) <= total(disk(more, large, 256))
    assert total(iops(less, small, 0)) <= total(iops(more, large, 0))
    assert total(cpu(less)) <= total(cpu(more))
    assert mission(less, "dev").total_gb <= mission(more, "dev").total_gb


@EXAMPLES
@given(workloads)
def test_what_is_planned_for_is_never_below_what_is_predicted(load: Workload) -> None:
    prediction = predict(load)
    assert rows_bytes(load, prediction) >= prediction.bytes - prediction.vector_index_bytes


@EXAMPLES
@given(grown_in_one(), wishes)
def test_more_of_anything_never_gets_a_smaller_server(
    pair: tuple[Workload, Workload, str], wish: Wish
) -> None:
    small, large = (found(load, wish) for load in pair[:2])
    assert rank(small) <= rank(large)
    if small is None or large is None:
        return
    assert large.outgrown or small.disk.size_gib <= large.disk.size_gib
    assert small.mission.step.sku.memory_gib <= large.mission.step.sku.memory_gib


@EXAMPLES
@given(workloads, wishes, st.integers(0, 2_000), st.floats(0, 100))
def test_a_stricter_wish_never_gets_a_smaller_server(
    load: Workload, wish: Wish, connections: int, milliseconds: float
) -> None:
    strict = replace(
        wish,
        connections_needed=min(wish.connections_needed + connections, 4_985),
        target_p95_ms=max(wish.target_p95_ms - milliseconds, 50),
    )
    assert rank(found(load, wish)) <= rank(found(load, strict))


@EXAMPLES
@given(workloads, wishes)
def test_only_what_azure_sells_is_recommended(load: Workload, wish: Wish) -> None:
    r = found(load, wish)
    if r is None:
        return
    assert SKUS[r.sku.name] == r.sku
    assert STORAGE[r.disk.size_gib] == r.disk
    assert r.storage_tier in r.disk.tiers
    if wish.high_availability != "Disabled" or wish.environment in ("uat", "prod"):
        assert r.sku.tier != "Burstable"


@EXAMPLES
@given(workloads, wishes)
def test_what_is_recommended_holds_the_load_of_today(load: Workload, wish: Wish) -> None:
    r = found(load, wish)
    assert r is None or r.outgrown or r.verdict.fits


@EXAMPLES
@given(workloads, st.sampled_from(sorted(SKUS)), st.sampled_from(sorted(STORAGE)))
def test_what_fits_has_headroom_and_what_does_not_is_due_now(
    load: Workload, name: str, gib: int
) -> None:
    verdict = judge(load, predict(load), sku=SKUS[name], storage_gib=gib, connections_needed=30)
    for finding in verdict.findings:
        assert finding.fits == (finding.headroom >= 0)
        assert finding.fits == (finding.due != 0)
    assert verdict.fits == all(finding.fits for finding in verdict.findings)


def test_every_figure_of_a_load_is_among_those_that_are_made_larger() -> None:
    others = {"embeds_messages", "element_type", "index"}
    assert {field.name for field in fields(Workload)} - others == set(LARGER)


@EXAMPLES
@given(workloads, st.integers(2, 32), st.integers(0, 30), st.integers(0, 500))
def test_a_denser_graph_never_takes_less(
    load: Workload, m: int, links: int, candidates_: int
) -> None:
    thin = replace(load, index=Hnsw(m=m, ef_construction=124))
    dense = replace(load, index=Hnsw(m=m + links, ef_construction=124 + candidates_))
    # of more links fewer rows have layers above the ground, which may need a page of their own
    assert predict(thin).vector_index_bytes <= 1.05 * predict(dense).vector_index_bytes
    assert total(cpu(thin)) <= total(cpu(dense))


@EXAMPLES
@given(workloads)
def test_embedding_messages_and_wider_elements_never_take_less(load: Workload) -> None:
    facts_only = replace(load, embeds_messages=False)
    assert predict(facts_only).bytes <= predict(replace(load, embeds_messages=True)).bytes
    half, full = (predict(replace(load, element_type=kind)) for kind in ("halfvec", "vector"))
    assert half.vector_index_bytes <= full.vector_index_bytes
    assert half.bytes * WHAT_COMPRESSION_LEAVES <= full.bytes
