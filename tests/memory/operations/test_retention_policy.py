"""A policy is data; what it cannot mean is refused before anything is read."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from memory.operations.retention.errors import PolicyRefused
from memory.operations.retention.policy import Policy, Rule

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("environment", "rules"),
    [
        ({}, []),
        ({"ENGRAM_RETENTION_EPISODIC_DAYS": ""}, []),
        (
            {"ENGRAM_RETENTION_EPISODIC_DAYS": "365", "ENGRAM_RETENTION_SEMANTIC_DAYS": "730"},
            ["episodic memories after 365 days", "semantic memories after 730 days"],
        ),
        (
            {"ENGRAM_RETENTION_SENSITIVITY_DAYS": "phi=30, secret = 90,"},
            ["all memories tagged phi after 30 days", "all memories tagged secret after 90 days"],
        ),
    ],
)
def test_rules_come_from_the_environment(environment: dict[str, str], rules: list[str]) -> None:
    assert [str(rule) for rule in Policy.from_environment(environment).rules] == rules


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"ENGRAM_RETENTION_EPISODIC_DAYS": "0"}, "greater than or equal to 1 (found '0')"),
        ({"ENGRAM_RETENTION_SEMANTIC_DAYS": "a year"}, "valid integer.* (found 'a year')"),
        ({"ENGRAM_RETENTION_SENSITIVITY_DAYS": "phi"}, "'phi' is no TAG=DAYS, such as phi=30"),
        ({"ENGRAM_RETENTION_SENSITIVITY_DAYS": "=30"}, "at least 1 character"),
        ({"ENGRAM_RETENTION_FILE": "/nowhere/at/all"}, "cannot be read: No such file"),
    ],
)
def test_a_wrong_environment_is_refused(environment: dict[str, str], text: str) -> None:
    with pytest.raises(PolicyRefused, match=text.replace("(", r"\(").replace(")", r"\)")):
        Policy.from_environment(environment)


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"rules": [{"memory_type": "dreams", "days": 3}]}, "rules.0.memory_type"),
        ({"rules": [{"memory_type": "episodic"}]}, "rules.0.days: Field required"),
        ({"rules": [{"days": 3, "forever": True}]}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, document: dict[str, Any], text: str) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps(document))
    with pytest.raises(PolicyRefused, match=text):
        Policy.of_file(str(file))


@pytest.mark.parametrize(
    ("rule", "words", "values"),
    [
        (Rule(days=1), "(created_at < %s)", []),
        (Rule(days=1, sensitivity="pii"), "(created_at < %s AND sensitivity ? %s)", ["pii"]),
        (
            Rule(days=1, memory_type="semantic", sensitivity="pii"),
            "(created_at < %s AND memory_type = %s AND sensitivity ? %s)",
            ["semantic", "pii"],
        ),
    ],
)
def test_a_rule_is_a_condition(rule: Rule, words: str, values: list[Any]) -> None:
    day_before = datetime(2026, 11, 22, tzinfo=UTC)
    assert rule.condition(NOW) == (words, [day_before, *values])
