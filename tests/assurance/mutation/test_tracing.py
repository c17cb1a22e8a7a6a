"""assurance/mutation/tracing.py: who looks at what."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from assurance.mutation.tracing import SHAPE, trace
from assurance.policies.model import Fault, Resource, Stack
from tests.assurance.mutation.small import LOCK, SERVER, resource, rule, small_stack

RAW = {"a": {"b": 1}, "l": ["x", {"y": 1}]}


def _looking(look: Callable[[Resource], Any]) -> Callable[[Resource], Iterator[str]]:
    def check(found: Resource) -> Iterator[str]:
        look(found)
        yield from ()

    return check


@pytest.mark.parametrize(
    ("look", "seen"),
    [
        (lambda r: r.get("a.b"), {("a",), ("a", "b")}),
        (lambda r: r.get("a.z"), {("a",), ("a", "z")}),
        (lambda r: "q" in r.inputs, {("q",)}),
        (lambda r: list(r.get("a")), {("a",), ("a", SHAPE)}),
        (lambda r: len(r.get("l")), {("l",), ("l", SHAPE)}),
        (lambda r: bool(r.get("a")), {("a",), ("a", SHAPE)}),
        (lambda r: dict(r.get("a")), {("a",), ("a", SHAPE), ("a", "b")}),
        (lambda r: r.get("l")[-1]["y"], {("l",), ("l", SHAPE), ("l", 1), ("l", 1, "y")}),
    ],
)
def test_every_look_is_noted(look: Callable[[Resource], Any], seen: set[Any]) -> None:
    one = resource(raw=RAW)
    looks = trace(rule("looks", _looking(look), SERVER), Stack((one,), "dev"))
    assert looks.paths == {one.urn: seen}


def test_an_iteration_looks_at_every_item() -> None:
    one = resource(raw=RAW)
    looks = trace(rule("all", _looking(lambda r: list(r.get("l"))), SERVER), Stack((one,), "dev"))
    assert {("l", 0), ("l", 1)} <= looks.paths[one.urn]


def test_options_and_raw_inputs_are_noted_too() -> None:
    one = resource(raw=RAW)

    def check(found: Resource) -> Iterator[str]:
        if not found.protect and not found.dependencies and found.raw:
            yield "bare"

    looks = trace(rule("options", check, SERVER), Stack((one,), "dev"))
    assert looks.options == {(one.urn, "protect"), (one.urn, "dependencies")}
    assert looks.raw == {one.urn}


def test_types_and_everything_are_told_apart() -> None:
    def of_type(stack: Stack) -> Iterator[Fault]:
        yield from ((found, "there") for found in stack.of_type(LOCK))

    def everything(stack: Stack) -> Iterator[Fault]:
        yield from ((found, "there") for found in stack.resources)

    narrow, wide = (trace(rule("r", check), small_stack()) for check in (of_type, everything))
    assert (narrow.types, narrow.everything) == ({LOCK}, False)
    assert (wide.types, wide.everything) == (set(), True)
