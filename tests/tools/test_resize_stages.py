"""tools/resizing/stages.py and target.py: which deployments lead to a size, and which do not."""

import re
from typing import Any

import pytest

from components import zep
from components.workloads import Workload
from sizing.catalogue import STORAGE
from stacks.settings.model import ManagedPostgres, StackSettings
from tests.stacks.files import ROOT, settings_of
from tools.resizing.errors import ResizeError
from tools.resizing.stages import Origin, Stage, Target, needs_restore, stages, ways
from tools.resizing.target import recommended

ORIGIN = Origin(
    server_id="/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/rg"
    "/providers/Microsoft.DBforPostgreSQL/flexibleServers/psql-engram-uat",
    point_in_time="2026-11-23T10:00:00Z",
)
RESTORED = {
    "server_id": ORIGIN.server_id,
    "point_in_time": ORIGIN.point_in_time,
    "generation": 2,
    "finished": True,
}
REPLICAS: dict[str, object] = {"postgres.read_replicas": [{"name": "read-1", "zone": "2"}]}
RUNBOOK = ROOT / "docs" / "runbooks" / "undersized-server.md"


def server_of(stack: str, changes: dict[str, object] | None = None) -> ManagedPostgres:
    server = settings_of(stack, changes).postgres
    assert isinstance(server, ManagedPostgres)
    return server


def changes_of(found: tuple[Stage, ...]) -> list[dict[str, Any]]:
    return [dict(stage.changes) for stage in found]


def test_a_larger_machine_is_one_deployment() -> None:
    found = stages(server_of("uat"), Target(sku="Standard_D4s_v3"))
    assert changes_of(found) == [{"postgres.sku": "Standard_D4s_v3"}]
    assert "40 to 60 seconds" in found[0].takes


@pytest.mark.parametrize(("stack", "sku"), [("dev", "Standard_B2s"), ("test", "Standard_D2s_v3")])
def test_small_burstable_sizes_are_not_switched_over(stack: str, sku: str) -> None:
    (stage,) = stages(server_of(stack), Target(sku=sku))
    assert stage.takes.startswith("2 to 10 minutes, in which nobody is answered")


def test_a_disk_grows_only_while_azure_does_not_grow_it() -> None:
    found = stages(server_of("uat"), Target(storage_gib=256))
    assert changes_of(found) == [
        {
            "postgres.storage.size_gib": 256,
            "postgres.storage.tier": "P15",
            "postgres.storage.auto_grow": False,
        },
        {"postgres.storage.auto_grow": True},
    ]
    assert all("without an interruption" in stage.takes for stage in found)


def test_a_disk_that_does_not_grow_by_itself_needs_one_deployment() -> None:
    server = server_of("uat", {"postgres.storage.auto_grow": False})
    (stage,) = stages(server, Target(storage_gib=256))
    assert "postgres.storage.auto_grow" not in stage.changes


def test_machine_and_disk_change_together() -> None:
    """A file with one of them too small is refused by the program, so no stage may have it."""
    found = stages(server_of("uat"), Target(sku="Standard_D4s_v3", storage_gib=256))
    assert {"postgres.sku", "postgres.storage.size_gib"} <= found[0].changes.keys()
    assert changes_of(found[1:]) == [{"postgres.storage.auto_grow": True}]


@pytest.mark.parametrize(
    ("before", "after", "offline"),
    [(2048, 4096, False), (4095, 4096, False), (4096, 8192, True), (8192, 16384, False)],
)
def test_a_disk_is_made_anew_beyond_4096_gib(before: int, after: int, offline: bool) -> None:
    tier = {2048: "P40", 4095: "P50", 4096: "P50", 8192: "P60"}[before]
    changes = {"postgres.storage.size_gib": before, "postgres.storage.tier": tier}
    found = stages(server_of("prod", changes), Target(storage_gib=after))
    assert ("offline" in found[0].takes) is offline


@pytest.mark.parametrize(
    ("tier", "size", "kept"), [("P10", 256, "P15"), ("P30", 256, "P30"), ("P30", 2048, "P40")]
)
def test_a_performance_tier_that_was_bought_stays_where_it_may(
    tier: str, size: int, kept: str
) -> None:
    server = server_of("uat", {"postgres.storage.tier": tier})
    found = stages(server, Target(storage_gib=size))
    assert found[0].changes["postgres.storage.tier"] == kept


def test_a_faster_tier_alone_is_a_change_of_the_disk() -> None:
    found = stages(server_of("uat"), Target(storage_tier="P20"))
    assert found[0].title == "performance tier P10 to P20"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Target(storage_gib=64), "never shrinks"),
        (Target(storage_gib=200), "no size of a disk; allowed: 32, 64"),
        (Target(sku="Standard_D5s_v3"), "Azure sells no such size"),
    ],
)
def test_what_azure_offers_no_way_to_is_refused(target: Target, words: str) -> None:
    with pytest.raises(ResizeError, match=words):
        stages(server_of("uat"), target)


def test_the_present_size_needs_nothing() -> None:
    server = server_of("prod")
    same = Target(sku=server.sku, storage_gib=256, storage_tier="P15", geo_redundant=True, zone="1")
    assert stages(server, same) == ()
    assert not any(way.needed for way in ways(server, same))


@pytest.mark.parametrize(
    ("target", "fixed"),
    [
        (Target(geo_redundant=True), ["backup.geo_redundant"]),
        (Target(zone="3"), ["high_availability.zone"]),
        (Target(geo_redundant=False, zone="1"), []),
    ],
)
def test_what_is_fixed_at_creation_needs_a_restore(target: Target, fixed: list[str]) -> None:
    server = server_of("uat")
    assert needs_restore(server, target) == fixed
    assert ways(server, target)[2].needed is bool(fixed)


def test_a_restored_server_gets_its_standby_and_its_size_when_it_stands() -> None:
    target = Target(geo_redundant=True, sku="Standard_D4s_v3")
    made, finished, larger = changes_of(stages(server_of("uat"), target, ORIGIN))
    assert made.pop("postgres.restore_from") == {
        **RESTORED,
        "finished": False,
        "source_stays": True,
    }
    assert made == {"postgres.backup.geo_redundant": True}
    assert finished == {"postgres.restore_from": {**RESTORED, "source_stays": True}}
    assert larger == {"postgres.sku": "Standard_D4s_v3"}


def test_a_second_restore_makes_the_next_generation() -> None:
    accepted = {**RESTORED, "source_stays": False}
    server = server_of("uat", {"postgres.restore_from": accepted})
    found = stages(server, Target(restore=True), ORIGIN)
    assert [s.changes["postgres.restore_from"]["generation"] for s in found] == [3, 3]


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"source_stays": True}, r"found source_stays: true of generation 2, .* delete generation"
         r" 1; first accept that server .* step 7"),
        ({"finished": False}, r"found finished: false of generation 2, .* bring that restore"),
        ({"finished": False, "source_stays": False}, "found finished: false"),
    ],
)  # fmt: skip
def test_a_second_restore_does_not_drop_the_way_back(state: dict[str, bool], words: str) -> None:
    server = server_of("uat", {"postgres.restore_from": {**RESTORED, **state}})
    for target in (Target(restore=True), Target(zone="3")):
        with pytest.raises(ResizeError, match=words):
            stages(server, target, ORIGIN)
    assert stages(server, Target(sku="Standard_D4s_v3")), "its size is another matter"


def test_the_step_that_a_second_restore_waits_for_is_in_the_runbook() -> None:
    (step,) = re.findall(r"(?m)^7\. .*\n.*\n", RUNBOOK.read_text(encoding="utf-8"))
    assert "source_stays: false" in step


def test_the_runbook_stops_the_workloads_that_write_by_their_names() -> None:
    (line,) = re.findall(r"`(kubectl [^`]*scale[^`]*)`", RUNBOOK.read_text(encoding="utf-8"))
    assert set(re.findall(r"\S+/\S+", line)) == {
        f"deployment/{Workload.MEMORY_SERVICE.label}",
        f"deployment/{Workload.GRAPHITI.label}",
        f"statefulset/{zep.NAME}",
    }


@pytest.mark.parametrize("target", [Target(storage_gib=512), Target(storage_tier="P20")])
def test_a_followed_disk_that_grows_by_itself_is_not_changed(target: Target) -> None:
    with pytest.raises(ResizeError, match=r"Remove them and .*: docs/scale-out\.md"):
        stages(server_of("prod", REPLICAS), target)
    assert stages(server_of("prod", {**REPLICAS, "postgres.storage.auto_grow": False}), target)
    assert stages(server_of("prod", REPLICAS), Target(sku="Standard_D8s_v3"))


@pytest.mark.parametrize("facts", [10, 2_000_000])
def test_a_tier_that_the_disk_may_not_have_is_corrected(facts: int) -> None:
    loaded = server_of("uat")
    storage = loaded.storage.model_copy(update={"tier": "P4"})
    settings = settings_of("uat")
    load = settings.workload.model_copy(update={"facts": facts})
    server = loaded.model_copy(update={"storage": storage})
    target = recommended(settings.model_copy(update={"workload": load}), server)
    assert target.storage_gib is not None
    assert target.storage_tier in STORAGE[target.storage_gib].tiers


def test_a_standby_makes_room_for_its_server() -> None:
    found = stages(server_of("prod"), Target(zone="2"), ORIGIN)
    assert found[0].changes["postgres.high_availability.zone"] == "2"
    assert found[0].changes["postgres.high_availability.standby_zone"] == "1"


@pytest.mark.parametrize(
    ("sku", "pinned"),
    [("Standard_D8s_v3", "Standard_D8s_v3"), ("Standard_D2s_v3", "Standard_D4s_v3")],
)
def test_a_replica_is_at_no_time_smaller_than_the_server(sku: str, pinned: str) -> None:
    server = server_of("prod", REPLICAS)
    first, second, third = changes_of(stages(server, Target(sku=sku)))
    replica = {"name": "read-1", "zone": "2"}
    assert first == {"postgres.read_replicas": [{"sku": pinned, "storage_gib": 256, **replica}]}
    assert second == {"postgres.sku": sku}
    assert third == {"postgres.read_replicas": [replica]}


def recommended_for(stack: str, **workload: object) -> Target:
    loaded: StackSettings = settings_of(stack)
    load = loaded.workload.model_copy(update=workload)
    settings = loaded.model_copy(update={"workload": load})
    return recommended(settings, server_of(stack))


def test_a_workload_that_fits_recommends_nothing_larger() -> None:
    assert stages(server_of("dev"), recommended_for("dev", facts=10)) == ()


def test_a_workload_that_outgrew_its_server_recommends_a_larger_one() -> None:
    target = recommended_for("uat", facts=2_000_000)
    assert target.sku is not None
    assert stages(server_of("uat"), target)[0].changes["postgres.sku"] == target.sku


def test_a_workload_beyond_any_server_is_told_where_to_look() -> None:
    with pytest.raises(ResizeError, match=r"no single server .*postgres-sizer\.py"):
        recommended_for("prod", facts=10**9)
