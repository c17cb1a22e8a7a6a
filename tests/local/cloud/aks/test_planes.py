"""Control planes and what the cloud knows of them: strays, losses, and the keys of their disks."""

from pathlib import Path

import pytest

from local.cloud.arm import Body
from local.cloud.cluster.disks import judge_of
from local.cloud.resources.managed_cluster import forget_lost, remove_strays, start_of
from tests.local.cloud.clusters import (
    CLUSTER,
    CLUSTER_ID,
    DISKS_ID,
    GRANT,
    NODE_GROUP,
    POOL,
    FakeFleet,
    Ground,
    cluster,
    enable_key,
    pool,
)
from tests.local.cloud.conftest import Engine


class TestStrays:
    def test_a_killed_creation_leaves_nothing_that_stays(
        self, engine: Engine, made: Body, fleet: FakeFleet
    ) -> None:
        stray, busy = f"{CLUSTER_ID}-stray", f"{CLUSTER_ID}-busy"
        fleet.specs |= dict.fromkeys((stray, busy), fleet.specs[CLUSTER_ID])
        engine.store.claim(busy, "create")
        assert remove_strays(engine.world) == [stray]
        assert set(fleet.specs) == {CLUSTER_ID, busy}

    def test_one_that_ended_well_while_strays_were_removed_is_none(
        self, engine: Engine, made: Body, fleet: FakeFleet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        standing = engine.world.require(CLUSTER_ID)
        engine.world.delete(CLUSTER_ID)  # its control plane is there, its record is to come
        claim = engine.store.claim

        def claim_late(arm_id: str, operation: str) -> bool:
            engine.world.put(standing)
            return claim(arm_id, operation)

        monkeypatch.setattr(engine.store, "claim", claim_late)
        assert remove_strays(engine.world) == []
        assert CLUSTER_ID in fleet.specs


class TestDisks:
    @pytest.mark.parametrize("how", ["revoked", "disabled"])
    def test_are_refused_as_long_as_their_key_is(
        self, engine: Engine, ground: Ground, tmp_path: Path, how: str
    ) -> None:
        judge = judge_of(tmp_path / "cloud")  # the engine's
        assert judge(DISKS_ID) is None
        if how == "revoked":
            engine.delete(GRANT, ground.key_grant)
        else:
            enable_key(engine, enabled=False)
        assert "KeyVaultAccessForbidden" in (judge(DISKS_ID) or "")
        if how == "disabled":
            enable_key(engine, enabled=True)
            assert judge(DISKS_ID) is None


class TestLoss:
    def test_a_cluster_without_a_control_plane_is_forgotten_with_all_that_was_its(
        self, engine: Engine, made: Body, fleet: FakeFleet
    ) -> None:
        engine.create(POOL, pool())
        fleet.specs.clear()
        assert forget_lost(engine.world, [CLUSTER_ID]) == [CLUSTER_ID]
        assert engine.read(CLUSTER, CLUSTER_ID).id == ""
        assert engine.world.children(CLUSTER_ID) == engine.world.children(NODE_GROUP) == []
        assert engine.create(CLUSTER, cluster())[0] == CLUSTER_ID

    def test_one_that_stands_or_is_worked_on_is_not(
        self, engine: Engine, made: Body, fleet: FakeFleet
    ) -> None:
        assert forget_lost(engine.world, [CLUSTER_ID]) == []
        fleet.specs.clear()
        engine.store.claim(CLUSTER_ID, "another write")
        assert forget_lost(engine.world, [CLUSTER_ID]) == []
        assert engine.world.get(CLUSTER_ID) is not None


@pytest.mark.usefixtures("made")
def test_a_stack_starts_its_own_clusters(engine: Engine, fleet: FakeFleet) -> None:
    assert start_of("prod", engine.world) == {}
    assert fleet.started == []
    start_of("dev", engine.world)
    assert fleet.started == [CLUSTER_ID]
