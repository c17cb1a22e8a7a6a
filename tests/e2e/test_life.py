"""The life of a stack, as its owner lives it: up, again, drift, repair, change, destroy."""

import pytest

from tests.e2e.installation import Installation
from tests.e2e.kubectl import Kubectl

pytestmark = pytest.mark.e2e

CHECKS = {
    *(f"memory: {name}" for name in ("tls", "extension vector", "nearest neighbours")),
    *(f"memory: {name}" for name in ("autovacuum options", "grants of memory_app")),
    "memory: table memory.zep_memory_vectors",
    "memory: dimension of embedding",
    "memory: index zep_memory_vectors_embedding_idx",
    *(f"zep: {name}" for name in ("tls", "schema zep", "grants of zep_app")),
    "encryption key",
    *("pod security", "workloads", "admission", "references"),
}
"""What the summary must have looked at, whatever else it did."""


def test_a_second_up_changes_nothing_and_every_check_passes(shared: Installation) -> None:
    report = shared.succeed("up")
    assert set(report["changes"]) == {"same"}
    assert [check for check in report["checks"] if not check["ok"]] == []
    assert {check["name"].lower() for check in report["checks"]} >= CHECKS


def test_drift_is_seen_by_refresh_and_repaired_by_up(shared: Installation) -> None:
    """What was changed by hand in the database and in the cluster, in many places at once."""
    kubectl = Kubectl(installation=shared)
    shared.succeed("refresh")  # what a rotation has written into the vault since is no drift
    with shared.database() as session:
        session.execute("SET ROLE memory_migrator")
        session.execute("DROP INDEX memory.zep_memory_vectors_embedding_idx")
        session.execute(
            "ALTER TABLE memory.zep_memory_vectors RESET (autovacuum_vacuum_scale_factor)"
        )
        session.execute("REVOKE INSERT ON memory.zep_memory_vectors FROM memory_app")
    kubectl("scale", "deployment/graphiti", "--replicas", "1")
    kubectl("delete", "networkpolicy", "graph-store")
    kubectl("label", "--overwrite", "service/zep", "app.kubernetes.io/part-of=other")

    seen = shared.succeed("refresh")["changes"]
    assert (seen["update"], seen["delete"]) == (3, 1)  # the schema is one resource
    repaired = shared.succeed("up")
    assert (repaired["changes"]["update"], repaired["changes"]["create"]) == (3, 1)
    assert [check for check in repaired["checks"] if not check["ok"]] == []
    assert kubectl.get("deployment/graphiti")["status"]["readyReplicas"] == 2
    assert kubectl.get("networkpolicy/graph-store")["spec"]["ingress"]
    labels = kubectl.get("service/zep")["metadata"]["labels"]
    assert labels["app.kubernetes.io/part-of"] == "engram"
    assert set(shared.succeed("refresh")["changes"]) == {"same"}


def test_everything_survives_down_and_up(shared: Installation) -> None:
    shared.sql(
        "INSERT INTO memory.zep_memory_vectors (id, session_id, content, embedding)"
        " VALUES (gen_random_uuid(), 'kept', 'kept', array_fill(0.1, ARRAY[1536])::vector)"
    )
    kubectl = Kubectl(installation=shared)
    kubeconfig, pods = kubectl.kubeconfig.read_bytes(), kubectl.pods()
    shared.succeed("down")
    assert shared.processes() == []
    assert set(shared.succeed("up")["changes"]) == {"same"}
    assert shared.sql("SELECT content FROM memory.zep_memory_vectors") == [("kept",)]
    assert (kubectl.kubeconfig.read_bytes(), kubectl.pods()) == (kubeconfig, pods)


@pytest.mark.timeout(600)
def test_an_installation_ends_without_a_trace_and_without_harm_to_another(
    shared: Installation, fresh: Installation
) -> None:
    fresh.succeed("up")
    fresh.succeed("down")
    assert fresh.processes() == []
    assert shared.sql("SELECT 1") == [(1,)]
    assert Kubectl(installation=shared).pods()

    fresh.succeed("destroy")
    assert fresh.wait_until_quiet() == []
    status = fresh.succeed("status")
    assert (status["servers"], status["clusters"]) == ([], [])
    assert [*fresh.paths.services.glob("kubernetes/clusters/*")] == []  # data, keys, ports

    again = fresh.succeed("up")  # although the old vault keeps its name for 90 days
    assert all(check["ok"] for check in again["checks"])
    fresh.succeed("clean")
    assert fresh.processes() == []
    assert not fresh.paths.cloud.exists()
    assert not fresh.paths.services.exists()
    assert shared.sql("SELECT 1") == [(1,)]
    assert Kubectl(installation=shared).pods()
