"""assurance/policies: what outside judges ask for is asked for here, or is said not to apply."""

import csv
from collections import Counter
from pathlib import Path

import pytest
import yaml

from assurance import policies
from assurance.policies.rules import load

FOLDER = Path(policies.__file__).parent
LISTS = ("not_applicable.yaml", "not_applicable_azure.yaml")
FIELDS = ("azure_policy", "checkov", "trivy")


def known() -> dict[str, str]:
    """Return the outside rules: id and title."""
    with (FOLDER / "outside_rules.csv").open(encoding="utf-8", newline="") as file:
        return {row["id"]: row["title"] for row in csv.DictReader(file)}


def named() -> set[str]:
    """Return the ids that rules of ours name."""
    return {id_ for rule in load().values() for field in FIELDS for id_ in getattr(rule, field)}


def left_out() -> list[str]:
    """Return the ids that do not apply."""
    entries = [
        entry
        for name in LISTS
        for entry in yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    ]
    assert all(set(entry) == {"rules", "reason"} and entry["reason"] for entry in entries)
    return [id_ for entry in entries for id_ in entry["rules"]]


def test_there_are_as_many_outside_rules_as_were_collected() -> None:
    with (FOLDER / "outside_rules.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["source"], row["id"]) for row in csv.DictReader(file)]
    assert len(rows) == len(set(rows)) > 360
    assert rows == sorted(rows)


def test_every_outside_rule_is_ours_too_or_does_not_apply() -> None:
    missing = {id_: title for id_, title in known().items() if id_ not in {*named(), *left_out()}}
    assert missing == {}


def test_none_is_both_and_none_is_listed_twice() -> None:
    counted = Counter(left_out())
    assert [id_ for id_, times in counted.items() if times > 1] == []
    assert sorted(set(counted) & named()) == []


@pytest.mark.parametrize("origin", ["rules", "lists"])
def test_no_id_is_invented(origin: str) -> None:
    given = named() if origin == "rules" else set(left_out())
    assert sorted(given - set(known())) == []
