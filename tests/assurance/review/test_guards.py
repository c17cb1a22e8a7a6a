"""assurance/review/guards.py"""

from pathlib import Path
from typing import Any

import pytest

from assurance.review.guards import alarms
from assurance.review.holdings import DISK_SET, KEY, SCHEMA, SERVER
from assurance.review.recording import read_recording
from tests.assurance.review.states import Step, step, written


def vectors(
    dimensions: int, *, type_: str = "vector", table: str = "t", column: str = "embedding"
) -> dict[str, Any]:
    vector = {"name": column, "type": type_, "dimensions": dimensions}
    plain = {"name": "id", "type": "uuid"}
    return {"desired": {"tables": [{"name": table, "columns": [plain, vector]}]}}


def encrypted(key: str) -> dict[str, Any]:
    return {"dataEncryption": {"primaryKeyURI": key}, "sku": {"name": "a"}}


def retyped(given: Step, old: str, new: str) -> Step:
    """The step with types as two versions of a provider call them."""
    given["oldState"]["type"], given["newState"]["type"] = old, new
    return given


VERSIONED = "azure-native:dbforpostgresql/v20240801:Server"
PACKAGED = "azure-native_dbforpostgresql_v20240801:dbforpostgresql:Server"
ANOTHER = "azure-native:dbforpostgresql:FlexibleServer"
MADE_ANEW = "made anew, because of a property that cannot be changed; lost: {}".format
REPLACED: list[tuple[Step, list[tuple[str, str]]]] = [
    (
        retyped(step("replace", SERVER, "server", {"a": 1}, {"a": 2}), old, new),
        [("replacement", MADE_ANEW("every database on it, and its backups"))],
    )
    for old, new in (
        (VERSIONED, VERSIONED),
        (SERVER, VERSIONED),
        (PACKAGED, SERVER),
        (SERVER, ANOTHER),
        (ANOTHER, SERVER),
    )
]
MET: list[tuple[Step, list[tuple[str, str]]]] = [
    (
        step("update", SCHEMA, "", vectors(1536), vectors(1024)),
        [("dimension-change", "t.embedding goes from vector(1536) to vector(1024)")],
    ),
    (
        step("update", SCHEMA, "", vectors(8), vectors(8, type_="halfvec")),
        [("dimension-change", "t.embedding goes from vector(8) to halfvec(8)")],
    ),
    *REPLACED,
    (
        step("delete", VERSIONED, "server", encrypted("k")),
        [("data-deletion", "deleted; lost: every database on it, and its backups")],
    ),
    (
        step("update", VERSIONED, "server", encrypted("k1"), encrypted("k2")),
        [("key-change", "dataEncryption.primaryKeyURI: k1 → k2")],
    ),
    (
        step("delete", "kubernetes:apps/v1beta2:StatefulSet", "x", {}),
        [("data-deletion", "deleted; lost: its pods; their volumes stay")],
    ),
    (
        step("update", SCHEMA, "", vectors(8), vectors(8, column="vector")),
        [("data-deletion", "vector column t.embedding is no longer declared")],
    ),
    (
        step("update", SCHEMA, "", vectors(8), {"desired": {"tables": [{"name": "t"}]}}),
        [("data-deletion", "vector column t.embedding is no longer declared")],
    ),
    (
        step("update", SCHEMA, "", vectors(8), {"desired": "[secret]"}),
        [("data-deletion", "table t is no longer declared")],
    ),
    (step("update", SCHEMA, "", vectors(8), vectors(8)), []),
    (
        step("update", SCHEMA, "", vectors(8, table="old"), vectors(8)),
        [("data-deletion", "table old is no longer declared")],
    ),
    (
        step("update", SCHEMA, "", vectors(8), {**vectors(8), "delete_data": True}),
        [("data-deletion", "delete_data is set: the tables go with the resource")],
    ),
    (
        step("update", SERVER, "server", encrypted("k1"), encrypted("k2")),
        [("key-change", "dataEncryption.primaryKeyURI: k1 → k2")],
    ),
    (
        step("update", SERVER, "server", encrypted("k1"), {"sku": {"name": "a"}}),
        [("key-change", "dataEncryption: {primaryKeyURI: k1} → nothing")],
    ),
    (
        step("update", DISK_SET, "d", {"activeKey": {"keyUrl": "a"}}, {"activeKey": {}}),
        [("key-change", "activeKey.keyUrl: a → nothing")],
    ),
    (
        step("replace", KEY, "key", {"keySize": 1}, {"keySize": 2}, replaceReasons=["keySize"]),
        [
            (
                "replacement",
                "made anew, because of keySize; lost: the only way to read what it encrypts",
            ),
            ("key-change", "the key itself: replace"),
        ],
    ),
    (
        step("delete", SERVER, "server", encrypted("k")),
        [("data-deletion", "deleted; lost: every database on it, and its backups")],
    ),
    (step("delete", "azure-native:monitor:MetricAlert", "alert", {}), []),
    (step("create", SERVER, "server", None, encrypted("k")), []),
    (step("update", SERVER, "server", encrypted("k"), {**encrypted("k"), "sku": {}}), []),
]


@pytest.mark.parametrize(("given", "expected"), MET)
def test_meets_what_somebody_has_to_want(
    given: Step, expected: list[tuple[str, str]], tmp_path: Path
) -> None:
    recording = read_recording(written(tmp_path, [given]), "dev")
    found = [(alarm.guard.name, alarm.says) for alarm in alarms(recording, frozenset())]
    assert found == expected


DELETED = step("delete", SERVER, "server", encrypted("k"))
PROTECTED = step("same", KEY, "key", {}, {}, protect=True)


@pytest.mark.parametrize(
    ("others", "labels", "allowed_by"),
    [
        ([PROTECTED], set(), ""),
        ([PROTECTED], {"allow-data-deletion"}, "label allow-data-deletion"),
        ([PROTECTED], {"allow-key-change", "bug"}, ""),
        ([], set(), "protected: false"),
    ],
)
def test_a_label_or_a_stack_that_keeps_nothing_allows_it(
    others: list[Step], labels: set[str], allowed_by: str, tmp_path: Path
) -> None:
    recording = read_recording(written(tmp_path, [DELETED, *others]), "dev")
    assert [a.allowed_by for a in alarms(recording, frozenset(labels))] == [allowed_by]


def test_a_change_that_lifts_the_protection_cannot_use_it(tmp_path: Path) -> None:
    server = step("delete", SERVER, "server", encrypted("k"), protect=True)
    recording = read_recording(written(tmp_path, [server]), "dev")
    assert [alarm.allowed_by for alarm in alarms(recording, frozenset())] == [""]
