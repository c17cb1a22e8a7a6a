"""Pools of a cluster: what they may become, and what they may not."""

import pytest

from local.cloud.arm import Body
from local.cloud.wire import decode
from tests.local.cloud.clusters import (
    CLUSTER,
    CLUSTER_ID,
    POOL,
    FakeFleet,
    Ground,
    cluster,
    enable_key,
    pool,
    system,
)
from tests.local.cloud.conftest import Engine, Refused


class TestPools:
    def test_an_added_pool_gets_nodes_and_is_listed_with_the_others(
        self, engine: Engine, made: Body, fleet: FakeFleet
    ) -> None:
        _, added = engine.create(POOL, pool())
        assert fleet.nodes() == {"system": 2, "memory": 1}
        assert (added["name"], added["currentOrchestratorVersion"]) == ("memory", "1.36.3")
        (spec,) = fleet.specs.values()
        assert spec.pools[1].taints == ("engram.io/pool=memory:NoSchedule",)
        assert spec.pools[1].labels == {"engram.io/pool": "memory"}
        standing = decode(engine.read(CLUSTER, CLUSTER_ID).properties)[0]
        assert [p["name"] for p in standing["agentPoolProfiles"]] == ["system", "memory"]

    def test_a_change_of_one_pool_leaves_the_others(
        self, engine: Engine, made: Body, fleet: FakeFleet
    ) -> None:
        id_, _ = engine.create(POOL, pool())
        engine.update(POOL, id_, pool(count=2))
        assert fleet.nodes() == {"system": 2, "memory": 2}
        engine.update(CLUSTER, CLUSTER_ID, cluster(system(count=1)))
        assert fleet.nodes() == {"system": 1, "memory": 2}
        engine.delete(POOL, id_)
        assert fleet.nodes() == {"system": 1}

    def test_the_autoscalers_bounds_may_leave_the_last_count_behind(
        self, engine: Engine, made: Body
    ) -> None:
        id_, _ = engine.create(POOL, pool())
        engine.update(POOL, id_, pool(minCount=2))
        scaled = {"enableAutoScaling": True, "minCount": 2, "maxCount": 3}
        engine.update(CLUSTER, CLUSTER_ID, cluster(system(**scaled)))
        engine.update(CLUSTER, CLUSTER_ID, cluster(system(**{**scaled, "minCount": 3})))

    def test_a_new_pool_of_a_cluster_begins_within_its_autoscalers_bounds(
        self, engine: Engine, ground: Ground
    ) -> None:
        scaled = system(enableAutoScaling=True, minCount=3, maxCount=5)
        with pytest.raises(Refused, match="count 2 is not within the autoscaler's 3-5"):
            engine.create(CLUSTER, cluster(scaled))

    def test_a_pool_that_the_cluster_no_longer_names_stays(
        self, engine: Engine, ground: Ground, fleet: FakeFleet
    ) -> None:
        second = system(name="user", mode="User", count=1)
        engine.create(CLUSTER, cluster(system(), second))
        engine.update(CLUSTER, CLUSTER_ID, cluster())
        assert fleet.nodes() == {"system": 2, "user": 1}

    @pytest.mark.parametrize(
        ("asked", "words"),
        [
            (pool("system"), "cannot create already existing resource"),
            (pool(availabilityZones=["7"]), "AvailabilityZoneNotSupported"),
            (pool(orchestratorVersion="1.35"), "AgentPoolK8sVersionNotSupported"),
            (pool(maxCount=300), "InsufficientSubnetSize"),
            (pool(count=4), "count 4 is not within the autoscaler's 1-3"),
            (pool(resourceName="aks-none"), "ParentResourceNotFound"),
        ],
    )
    def test_refuses(self, engine: Engine, made: Body, asked: Body, words: str) -> None:
        with pytest.raises(Refused, match=words):
            engine.create(POOL, asked)

    def test_needs_the_key_as_the_cluster_did(self, engine: Engine, made: Body) -> None:
        enable_key(engine, enabled=False)
        with pytest.raises(Refused, match="KeyVaultAccessForbidden"):
            engine.create(POOL, pool())
        enable_key(engine, enabled=True)
        engine.create(POOL, pool())

    def test_host_encryption_is_decided_at_creation(self, engine: Engine, made: Body) -> None:
        id_, _ = engine.create(POOL, pool())
        with pytest.raises(Refused, match="PropertyChangeNotAllowed"):
            engine.update(POOL, id_, pool(enableEncryptionAtHost=True))

    def test_the_last_system_pool_stays(self, engine: Engine, made: Body) -> None:
        id_, _ = engine.create(POOL, pool("second", mode="System"))
        record = engine.world.require(CLUSTER_ID)
        record.outputs["agentPoolProfiles"][0]["mode"] = "User"  # as `az aks nodepool update` does
        engine.world.put(record)
        with pytest.raises(Refused, match="There has to be at least one system agent pool"):
            engine.delete(POOL, id_)
