"""sizing/recommend.py, bounds.py, latency.py, build.py and advice.py: the server to buy."""

from dataclasses import replace
from typing import Any

import pytest

from sizing.advice import Advice, advise, suitable_lists
from sizing.bounds import refuse_figures
from sizing.build import build_on
from sizing.catalogue import GIB, SKUS, STORAGE
from sizing.errors import SizingError
from sizing.latency import p95_ms, search_ms
from sizing.predict import predict
from sizing.prediction import Build
from sizing.recommend import MEMORY_AIM, Recommendation, Wish, candidates, recommend
from sizing.workload import Hnsw, Ivfflat, Workload

PROD = Workload(sessions=10_000, messages_per_session=50, facts=1_000_000)
WISH = Wish(environment="prod", connections_needed=410)
HUGE = replace(PROD, facts=300_000_000)


def found(wish: Wish = WISH, **changes: Any) -> Recommendation:
    return recommend(replace(PROD, **changes), wish)


def ways(r: Recommendation) -> dict[str, Advice]:
    return {advice.what: advice for advice in advise(r)}


def test_the_missions_production_needs_more_than_its_formula_says() -> None:
    r = found()
    assert r.mission.step.sku.name == "Standard_D4s_v3"
    assert r.sku.name == "Standard_E8s_v3"
    assert not r.mission_holds_growth
    assert not r.outgrown
    assert r.grown.vector_index_bytes <= MEMORY_AIM * r.sku.memory_gib * GIB
    assert r.verdict.fits


@pytest.mark.parametrize(
    ("wish", "load", "sku", "gib"),
    [
        (Wish(environment="dev", connections_needed=35), (100, 1_000), "Standard_B1ms", 32),
        (Wish(environment="test", connections_needed=414), (500, 10_000), "Standard_B2s", 32),
        (Wish(environment="uat", connections_needed=300), (2_000, 100_000), "Standard_D2s_v3", 128),
    ],
)
def test_the_missions_other_environments_are_right(
    wish: Wish, load: tuple[int, int], sku: str, gib: int
) -> None:
    r = found(wish, sessions=load[0], facts=load[1])
    assert (r.sku.name, r.disk.size_gib) == (sku, gib)
    assert r.mission_holds_growth


def test_a_standby_rules_out_burstable_sizes() -> None:
    wish = Wish(environment="dev", connections_needed=1, high_availability="SameZone")
    r = found(wish, sessions=1, facts=1)
    assert r.sku.name == "Standard_D2s_v3"
    assert r.servers == 2


def test_uat_and_prod_are_never_burstable() -> None:
    for environment in ("uat", "prod"):
        wish = Wish(environment=environment, connections_needed=1)
        assert all(sku.tier != "Burstable" for sku in candidates(wish))


def test_the_preferred_generation_comes_before_all_others() -> None:
    assert found(replace(WISH, series="ds_v5")).sku.name == "Standard_E8ds_v5"
    names = [sku.name for sku in candidates(replace(WISH, series="ads_v6"))]
    last_preferred = max(i for i, name in enumerate(names) if name.endswith("ads_v6"))
    assert last_preferred == sum(name.endswith("ads_v6") for name in names) - 1


def test_connections_alone_make_a_server_larger() -> None:
    assert found(facts=1).sku.name == "Standard_D4s_v3"
    assert found(replace(WISH, connections_needed=1704), facts=1).sku.name == "Standard_E4s_v3"


def test_a_quicker_search_keeps_more_rows_in_memory() -> None:
    slow = found(replace(WISH, target_p95_ms=200), facts=800_000, content_bytes=20_000)
    quick = found(replace(WISH, target_p95_ms=10), facts=800_000, content_bytes=20_000)
    assert quick.sku.memory_gib > slow.sku.memory_gib
    assert quick.p95_ms == 10


def test_iops_are_bought_with_the_disks_tier() -> None:
    busy = found(sessions=200_000, messages_per_session=100, facts=1000, retention_days=1)
    assert busy.load.iops > busy.disk.iops
    assert busy.storage_tier == busy.disk.cheapest_tier(busy.load.iops)
    assert busy.storage_tier != busy.disk.default_tier


def test_memory_takes_the_reads_that_a_disk_should_not() -> None:
    """Many searches over rows that are not in memory."""
    many = {"sessions": 2_000_000, "messages_per_session": 50, "message_bytes": 2000}
    r = found(replace(WISH, target_p95_ms=1000), **many)
    assert not r.outgrown
    small = SKUS["Standard_E8s_v3"]
    assert any("pages a second would be read" in text for text in r.load.obstacles(small))
    assert r.load.iops < 20_000


def test_the_next_smaller_size_has_an_obstacle_that_is_named() -> None:
    r = found()
    assert r.next_smaller is not None
    assert "the vector index would take" in next(r.load.obstacles(r.next_smaller))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"sessions": 0}, "sessions 0: allowed is 1 to"),
        ({"facts": -1}, "facts -1: allowed is 0 to"),
        ({"facts": 10**13}, "facts 10,000,000,000,000: allowed is 0 to 1,000,000,000,000"),
        ({"facts": 10**320}, "facts of 321 digits: allowed is 0 to"),
        ({"sessions": -(10**400)}, "sessions of 401 digits: allowed is 1 to"),
        ({"retention_days": 0}, "retention days 0: allowed is 1 to 36,500"),
        ({"growth_factor": 0.5}, "growth factor 0.5: allowed is 1 to 1,000"),
        ({"growth_factor": float("nan")}, "growth factor nan"),
        ({"growth_per_month": float("inf")}, "growth per month inf"),
        ({"message_bytes": 2**31}, "bytes of a message"),
        ({"dimensions": 0}, "0 dimensions of vector"),
        ({"dimensions": 3072}, "3072 dimensions of vector: .* use halfvec"),
        ({"dimensions": 5000}, "5000 dimensions of vector: .* choose a smaller embedding"),
        ({"dimensions": 4001, "element_type": "halfvec"}, "an index takes 1 to 4000"),
        ({"index": Hnsw(m=1)}, "m 1: allowed is 2 to 100"),
        ({"index": Hnsw(m=16, ef_construction=31)}, "ef_construction 31: allowed is 32 to"),
        ({"index": Ivfflat(lists=0)}, "lists 0: allowed is 1 to 32,768"),
        ({"messages_per_session": 10**9, "retention_days": 300}, "messages"),
    ],
)
def test_what_no_server_could_be_asked_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SizingError, match=why):
        found(**changes)


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (replace(WISH, connections_needed=4986), "4,986 connections: no server"),
        (replace(WISH, connections_needed=-1), "-1 connections"),
        (replace(WISH, target_p95_ms=9.9), "a search here takes up to 10 ms"),
        (replace(WISH, target_p95_ms=float("nan")), "a p95 of nan ms"),
        (replace(WISH, target_p95_ms=float("inf")), "a p95 of inf ms"),
        (replace(WISH, series="s_v9"), "series 's_v9': Azure sells ads_v5"),
    ],
)
def test_a_wish_that_azure_cannot_grant_is_refused(wish: Wish, why: str) -> None:
    with pytest.raises(SizingError, match=why):
        found(wish)


def test_without_an_index_no_search_takes_more_of_a_core_than_with_one() -> None:
    patient = replace(WISH, target_p95_ms=5_000)
    with pytest.raises(SizingError, match="no index: each search would compare all 3,000,000 rows"):
        found(patient, index=None)
    r = found(patient, index=None, facts=26_041, growth_factor=1)
    assert not r.outgrown
    assert r.p95_ms <= 10
    with pytest.raises(SizingError, match="allowed is 10 ms, which is 26,041 rows; choose hnsw"):
        found(patient, index=None, facts=26_042, growth_factor=1)


def test_a_search_by_lists_takes_longer_where_they_are_too_few() -> None:
    assert search_ms(replace(PROD, index=Ivfflat(lists=1_000))) == 50
    few = search_ms(replace(PROD, index=Ivfflat(lists=40)))
    assert few == pytest.approx(1_000_000 / 4 * 1536 * 0.25 / 1e6)
    every = search_ms(replace(PROD, index=Ivfflat(lists=5)))
    assert every == pytest.approx(search_ms(replace(PROD, index=None)))
    with pytest.raises(SizingError, match="a p95 of 100 ms: a search here takes up to 288 ms"):
        found(index=Ivfflat(lists=40))


def test_every_figure_can_be_refused_before_the_index_is_known() -> None:
    with pytest.raises(SizingError, match="sessions of 401 digits"):
        refuse_figures(replace(PROD, sessions=10**400, index=None, embeds_messages=True))


def test_the_missions_server_is_judged_with_the_tier_that_its_disk_brings() -> None:
    """A quicker one is bought beside it, and the formula buys none."""
    busy = found(facts=1_000, sessions=40_000, messages_per_session=300, retention_days=1)
    step = busy.mission.step
    assert busy.load.iops > STORAGE[step.storage_gib].iops
    assert busy.load.machine_fits(step.sku)
    assert busy.load.disk_fits(STORAGE[step.storage_gib])
    assert not busy.mission_holds_growth
    assert busy.storage_tier != STORAGE[busy.disk.size_gib].default_tier


def test_a_search_waits_for_the_rows_that_are_not_in_memory() -> None:
    prediction = predict(PROD)
    assert p95_ms(PROD, prediction, SKUS["Standard_E64s_v3"]) == 10
    assert p95_ms(PROD, prediction, SKUS["Standard_D2s_v3"]) == 10 + 10 * 2 * 5


@pytest.mark.parametrize(
    ("sku", "work", "minutes"),
    [
        ("Standard_D4s_v3", 40, 10),
        ("Standard_B2s", 576 / 1.6 * 2, 360),
        ("Standard_B2s", 576 / 1.6 * 2 + 4, 370),
    ],
)
def test_a_build_takes_all_cores_until_the_credits_are_spent(
    sku: str, work: float, minutes: float
) -> None:
    build = Build(memory_mib=1, minutes_on_one_core=work, wal_bytes=0, temporary_bytes=0)
    assert build_on(build, SKUS[sku]).minutes == pytest.approx(minutes)


def test_a_build_that_does_not_fit_in_memory_says_so() -> None:
    small = Build(memory_mib=8192, minutes_on_one_core=1, wal_bytes=0, temporary_bytes=0)
    on = build_on(small, SKUS["Standard_D4s_v3"])
    assert (on.session_mib, on.in_memory) == (8192, True)
    assert not build_on(replace(small, memory_mib=8193), SKUS["Standard_D4s_v3"]).in_memory


def test_the_grown_vector_index_takes_at_most_three_fifths_of_memory() -> None:
    """Lists, which are built in little memory: of a graph, the build is often the stricter."""
    r = found(facts=500_000, index=Ivfflat(lists=1000))
    share = r.grown.vector_index_bytes / (16 * GIB)
    assert 0.6 < share < 0.8
    assert "aimed at is 60%" in next(r.load.obstacles(SKUS["Standard_D4s_v3"]))
    assert r.sku.memory_gib == 32


def test_a_server_is_large_enough_to_build_its_index_in_memory() -> None:
    r = found(element_type="halfvec", facts=1_600_000)
    smaller = SKUS["Standard_E4s_v3"]
    assert r.grown.vector_index_bytes <= MEMORY_AIM * smaller.memory_gib * GIB
    assert "building the vector index would take" in next(r.load.obstacles(smaller))
    assert r.grown.build is not None
    assert build_on(r.grown.build, r.sku).in_memory


def test_halfvec_is_advised_where_it_saves_a_size() -> None:
    way = ways(found())["halfvec"]
    assert [one.sku for one in way.bought] == [SKUS["Standard_E4s_v3"]]
    assert "halfvec(1536) makes the grown vector index 11.4 GiB instead of 22.9" in way.text
    assert "the disk holds the second column and its index, too: 6.7 GiB" in way.text
    assert "halfvec" not in ways(found(element_type="halfvec"))
    assert "halfvec" not in ways(found(facts=1000))


def test_beyond_the_largest_server_nodes_are_counted() -> None:
    r = recommend(HUGE, WISH)
    assert r.outgrown
    assert r.sku.name == "Standard_E192ds_v6"
    way = ways(r)["elastic cluster"]
    nodes, _ = way.bought
    assert way.settings["postgres.elastic_cluster"] == {
        "nodes": nodes.servers,
        "sku": nodes.sku.name,
        "storage": {"size_gib": nodes.disk.size_gib, "tier": nodes.storage_tier},
    }
    assert 2 <= nodes.servers <= 10
    share = predict(replace(HUGE, facts=3 * HUGE.facts // nodes.servers)).vector_index_bytes
    assert share <= MEMORY_AIM * nodes.sku.memory_gib * GIB
    assert "distributed by session_id" in way.text
    assert "Nodes have no standby" in way.text
    assert "read replicas do not help here" in ways(r)["read replicas"].text


def test_a_cluster_is_bought_with_the_server_of_zeps_own_database() -> None:
    """That one has its standby; of nodes, none is offered."""
    r = recommend(HUGE, replace(WISH, high_availability="ZoneRedundant"))
    way = ways(r)["elastic cluster"]
    _, zep = way.bought
    assert (zep.sku.name, zep.disk.size_gib, zep.servers) == ("Standard_D4s_v3", 256, 2)
    assert way.settings["postgres.sku"] == zep.sku.name
    assert way.settings["postgres.storage.size_gib"] == 256
    assert way.settings["postgres.storage.tier"] == zep.storage_tier
    assert [one.servers for one in ways(recommend(HUGE, WISH))["elastic cluster"].bought][1] == 1


def test_a_node_gets_the_tier_that_is_quick_enough() -> None:
    nodes, _ = ways(recommend(replace(HUGE, growth_per_month=1), WISH))["elastic cluster"].bought
    assert (nodes.disk.size_gib, nodes.storage_tier) == (8192, "P80")


def test_beyond_ten_nodes_the_load_is_to_be_split() -> None:
    assert "split" in ways(recommend(replace(HUGE, facts=10**10), WISH))


def test_nodes_do_not_help_where_zeps_own_database_is_too_large() -> None:
    """It stays on a server."""
    r = found(sessions=10**7, messages_per_session=3_000, retention_days=365, facts=1_000)
    assert r.outgrown
    assert "Zep's own database outgrows every server" in ways(r)["split"].text
    assert "elastic cluster" not in ways(r)


def test_read_replicas_are_advised_where_cores_are_short() -> None:
    r = found(
        sessions=10**8, messages_per_session=30, facts=1000, retention_days=1, growth_factor=1
    )
    assert r.outgrown
    way = ways(r)["read replicas"]
    assert way.settings["postgres.read_replicas"] == [
        {"name": f"read-{n}"} for n in range(1, way.bought[0].servers)
    ]
    assert 2 <= way.bought[0].servers <= 6


@pytest.mark.parametrize(
    ("rows", "lists"), [(0, 10), (1_000, 10), (100_000, 100), (1_000_000, 1000), (4_000_000, 2000)]
)
def test_lists_follow_pgvectors_advice(rows: int, lists: int) -> None:
    assert suitable_lists(rows) == lists


def test_lists_that_no_longer_suit_are_told() -> None:
    """Today's rows, as a build today sees them."""
    r = found(index=Ivfflat(lists=50), facts=100_000)
    assert ways(r)["ivfflat"].settings == {"memory.index.lists": 100}
    assert "ivfflat" not in ways(found(index=Ivfflat(lists=100), facts=100_000))
