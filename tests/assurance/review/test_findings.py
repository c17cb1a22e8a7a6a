"""assurance/review/findings.py and what stops an environment"""

import json
from pathlib import Path

import pytest

from assurance.review import review
from assurance.review.findings import alike, apart
from assurance.review.recording import Recording, Verdict

SERVER = "azure-native:dbforpostgresql:Server"


def finding(rule: str, resource: str = f"uat/{SERVER}::engram-uat-server") -> dict[str, str]:
    return {
        "rule": rule,
        "severity": "high",
        "resource": resource,
        "says": "a",
        "remediation": "b",
    }


def verdict(*rules: str) -> Verdict:
    return Verdict(rules=9, violations=tuple(finding(rule) for rule in rules))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (verdict("a", "b"), verdict("b", "c"), (["c"], ["b"], ["a"])),
        (verdict(), verdict("a", "a"), (["a"], [], [])),
        (None, verdict("a"), (["a"], [], [])),
        (verdict("a"), None, ([], [], [])),
    ],
)
def test_tells_what_the_change_breaks_from_what_was_broken(
    before: Verdict | None, after: Verdict | None, expected: tuple[list[str], ...]
) -> None:
    found = apart(Recording(stack="uat", before=before, after=after))
    rules = tuple([each.rule for each in part] for part in (found.come, found.stay, found.go))
    assert rules == expected


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        (f"uat/{SERVER}::engram-uat-server", "dbforpostgresql:Server server"),
        ("uat/pulumi-python:dynamic/memory:VectorSchema::engram-uat", "memory:VectorSchema"),
        ("uat/kubernetes:apps/v1:Deployment::x", "kubernetes:apps/v1:Deployment x"),
        ("uat/stack", "stack"),
    ],
)
def test_a_finding_has_one_place_in_all_environments(resource: str, place: str) -> None:
    assert alike("uat", finding("a", resource)).place == place


@pytest.mark.parametrize(
    ("enforcement", "refusing"),
    [
        ({"all": "mandatory"}, 2),
        ({"all": "advisory"}, 0),
        ({"all": "advisory", "a": "mandatory"}, 1),
        ({"all": "mandatory", "a": {"enforcementLevel": "advisory"}}, 1),
        (None, 2),
    ],
)
def test_a_rule_stops_where_the_stack_takes_it_seriously(
    enforcement: object, refusing: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if enforcement is not None:
        (tmp_path / "uat.json").write_text(json.dumps(enforcement), encoding="utf-8")
    monkeypatch.setattr(review, "ENFORCEMENT", tmp_path)
    recording = Recording(stack="uat", after=verdict("a", "b", "a"))
    judged = review.Environment(recording=recording)
    assert judged.refusing == refusing
