"""Differences are found where they are, and carried over without noise."""

import pytest

from local.cloud.arm import Body
from local.cloud.diff import Change, apply_changes, changes

REPLACING = frozenset({"name", "storage.tier", "subnet", "rules.port"})
CASES: list[tuple[Body, Body, list[Change]]] = [
    ({"a": 1}, {"a": 1}, []),
    ({"a": 1}, {"a": 2}, [Change("a", "UPDATE", False)]),
    ({}, {"a": 2}, [Change("a", "ADD", False)]),
    ({"a": 1}, {}, [Change("a", "DELETE", False)]),
    ({"name": "x"}, {"name": "y"}, [Change("name", "UPDATE", True)]),
    (
        {"storage": {"tier": "P4"}},
        {"storage": {"tier": "P6"}},
        [Change("storage.tier", "UPDATE", True)],
    ),
    ({"storage": {"gb": 1}}, {"storage": {"gb": 2}}, [Change("storage.gb", "UPDATE", False)]),
    ({"subnet": {"id": "a"}}, {"subnet": {"id": "b"}}, [Change("subnet.id", "UPDATE", True)]),
    ({"rules": [{"port": 1}]}, {"rules": [{"port": 2}]}, [Change("rules[0].port", "UPDATE", True)]),
    ({"l": [1, 2]}, {"l": [1]}, [Change("l[1]", "DELETE", False)]),
    ({"l": [1]}, {"l": [1, 2]}, [Change("l[1]", "ADD", False)]),
    ({"tags": {"a b": 1}}, {"tags": {"a b": 2}}, [Change('tags.["a b"]', "UPDATE", False)]),
    ({"location": "West Europe"}, {"location": "westeurope"}, []),
    ({"__flag": True}, {}, []),
]


@pytest.mark.parametrize(("old", "new", "found"), CASES)
def test_finds(old: Body, new: Body, found: list[Change]) -> None:
    assert changes(old, new, REPLACING) == found


@pytest.mark.parametrize(
    ("values", "old", "new", "result"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1}),
        ({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2}),
        ({"a": 1}, {"a": 1}, {}, {}),
        ({"p": "path"}, {}, {}, {"p": "path"}),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, {"a": {"x": 3, "y": 2}}, {"a": {"x": 3}}),
        (
            {"l": [{"x": 1}]},
            {"l": [{"x": 1, "y": 2}]},
            {"l": [{"x": 5, "y": 2}]},
            {"l": [{"x": 5}]},
        ),
        ({"l": [1]}, {"l": [1]}, {"l": [1, 2]}, {"l": [1, 2]}),
        ({}, {}, {"new": 1}, {"new": 1}),
    ],
)
def test_carries_over_only_what_changed(values: Body, old: Body, new: Body, result: Body) -> None:
    assert apply_changes(values, old, new) == result
