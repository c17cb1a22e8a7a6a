"""The life of a stack, as its owner lives it: up, again, drift, repair, change, destroy."""

import pytest

from tests.e2e.installation import Installation

pytestmark = pytest.mark.e2e

CHECKS = {
    "tls",
    "encryption key",
    "extension vector",
    "table memory.zep_memory_vectors",
    "dimension of embedding",
    "index zep_memory_vectors_embedding_idx",
    "nearest neighbours",
    "autovacuum options",
    "grants of memory_app",
}
"""What the summary must have looked at, whatever else it did."""


def test_up_ends_with_every_check_passed(shared: Installation) -> None:
    report = shared.succeed("up")
    failed = [check for check in report["checks"] if not check["ok"]]
    assert failed == []
    assert {check["name"].lower() for check in report["checks"]} >= CHECKS


def test_a_second_up_changes_nothing(shared: Installation) -> None:
    changes = shared.succeed("up")["changes"]
    assert set(changes) == {"same"}


def test_a_refresh_after_up_finds_no_drift(shared: Installation) -> None:
    changes = shared.succeed("refresh")["changes"]
    assert set(changes) == {"same"}


DRIFTS = {
    "index dropped": "DROP INDEX memory.zep_memory_vectors_embedding_idx",
    "autovacuum option reset": (
        "ALTER TABLE memory.zep_memory_vectors RESET (autovacuum_vacuum_scale_factor)"
    ),
    "grant removed": "REVOKE INSERT ON memory.zep_memory_vectors FROM memory_app",
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_is_seen_by_refresh_and_repaired_by_up(shared: Installation, drift: str) -> None:
    shared.sql(DRIFTS[drift])
    assert shared.succeed("refresh")["changes"].get("update") == 1
    repaired = shared.succeed("up")
    assert repaired["changes"].get("update") == 1
    assert all(check["ok"] for check in repaired["checks"])
    assert set(shared.succeed("refresh")["changes"]) == {"same"}


def test_rows_survive_down_and_up(shared: Installation) -> None:
    shared.sql(
        "INSERT INTO memory.zep_memory_vectors (id, session_id, content, embedding)"
        " VALUES (gen_random_uuid(), 'kept', 'kept', array_fill(0.1, ARRAY[1536])::vector)"
    )
    shared.succeed("down")
    assert shared.processes() == []
    shared.succeed("up")
    assert shared.sql("SELECT content FROM memory.zep_memory_vectors") == [("kept",)]


def test_down_and_clean_touch_their_own_installation_only(
    shared: Installation, fresh: Installation
) -> None:
    shared.succeed("up")
    fresh.succeed("up")
    fresh.succeed("down")
    assert fresh.processes() == []
    assert shared.sql("SELECT 1") == [(1,)]
    shared.succeed("status")
    fresh.succeed("clean")
    assert not fresh.paths.cloud.exists()
    assert not fresh.paths.services.exists()
    assert shared.sql("SELECT 1") == [(1,)]


def test_destroy_leaves_nothing_running_and_up_works_again(fresh: Installation) -> None:
    fresh.succeed("up")
    fresh.succeed("destroy")
    assert fresh.wait_until_quiet() == []
    again = fresh.succeed("up")  # although the old vault keeps its name for 90 days
    assert all(check["ok"] for check in again["checks"])
