"""assurance/mutation/operators.py and paths.py: blind changes, one by one."""

from typing import Any

import pytest

from assurance.mutation.operators import additions, changes
from assurance.mutation.paths import (
    ABSENT,
    found,
    removed,
    replaced,
    secrets,
    shown,
    uncovered,
)
from assurance.policies.model import UNKNOWN, Secret


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, [("flip", False)]),
        (30, [("less", 0), ("more", 30000)]),
        (0, [("less", -1), ("more", 1000)]),
        ("westeurope", [("empty", ""), ("stranger", "mutant")]),
        ("Enabled", [("empty", ""), ("stranger", "mutant"), ("opposite", "Disabled")]),
        ("2Gi", [("empty", ""), ("less", "0Gi"), ("more", "2000Gi")]),
        ("7", [("empty", ""), ("less", "0"), ("more", "7000")]),
        ("0", [("empty", ""), ("less", "-1"), ("more", "1000")]),
        ("", [("stranger", "mutant")]),
        ({"a": 1}, [("empty", {})]),
        ({}, []),
        (["get"], [("empty", []), ("widen", ["get", "*"])]),
        (
            ["a", "b"],
            [("empty", []), ("drop", ["b"]), ("drop", ["a"]), ("widen", ["a", "b", "*"])],
        ),
        ([{"a": 1}], [("empty", []), ("widen", [{"a": 1}, {}])]),
        ([1], [("empty", [])]),
        (None, []),
        (UNKNOWN, []),
    ],
)
def test_a_value_is_weakened_by_its_kind(value: Any, expected: list[tuple[str, Any]]) -> None:
    assert list(changes(value)) == expected


def test_a_text_is_swapped_with_what_stands_elsewhere() -> None:
    assert next(changes("a", "b")) == ("swap", "b")
    assert not [change for change, _ in changes("a", "a") if change == "swap"]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("privileged", [("switch on", True)]),
        ("enableNodePublicIP", [("switch on", True)]),
        ("hostNetwork", [("switch on", True)]),
        ("hostPort", [("add", 443)]),
        ("hostnames", []),
        ("name", []),
    ],
)
def test_what_protects_by_its_absence_is_added(key: str, expected: list[Any]) -> None:
    assert list(additions(key)) == expected


RAW = {"a": {"b": [{"c": 1}, {"c": 2}]}, "s": Secret({"p": "x"}), "t": Secret("y")}


@pytest.mark.parametrize(
    ("path", "there"),
    [(("a", "b", 1, "c"), 2), (("s", "p"), "x"), (("a", "z"), ABSENT), (("a", "b", 7), ABSENT)],
)
def test_a_path_leads_through_lists_and_secrets(path: Any, there: Any) -> None:
    assert found(RAW, path) == there


def test_a_copy_differs_in_one_place() -> None:
    assert replaced(RAW, ("a", "b", 0, "c"), 9) == {**RAW, "a": {"b": [{"c": 9}, {"c": 2}]}}
    assert removed(RAW, ("a", "b", 0)) == {**RAW, "a": {"b": [{"c": 2}]}}
    assert removed(RAW, ("a",)) == {"s": RAW["s"], "t": RAW["t"]}
    assert replaced(RAW, ("a", "new"), 1)["a"] == {**RAW["a"], "new": 1}  # type: ignore[dict-item]  # it is one
    assert RAW["a"] == {"b": [{"c": 1}, {"c": 2}]}


def test_what_was_secret_stays_so_until_it_is_uncovered() -> None:
    assert replaced(RAW, ("t",), "z")["t"] == Secret("z")
    assert replaced(RAW, ("s", "p"), "z")["s"] == Secret({"p": "z"})
    assert secrets(RAW) == [("s",), ("t",)]
    assert uncovered(RAW, ("t",))["t"] == "y"


def test_a_path_in_words_says_no_index() -> None:
    assert shown(("spec", "containers", 3, "image")) == "spec.containers.*.image"
