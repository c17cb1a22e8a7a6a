"""assurance/policies/model.py: what is absent or not known is not taken for granted."""

from collections.abc import Mapping
from typing import Any

import pytest

from assurance.policies.judge import Verdict, judge_resource, judge_stack
from assurance.policies.model import (
    RULES,
    UNKNOWN,
    Fault,
    Resource,
    Rule,
    Secret,
    Severity,
    Stack,
    Undecidable,
    resource_rule,
)


def resource(name: str = "it", **about: Any) -> Resource:
    return Resource(**{"type": "a:b:C", "name": name, "urn": f"urn:{name}", "raw": {}, **about})


RAW = {"a": {"b": [{"c": 1}, Secret("s")], "none": None}, "far": UNKNOWN}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("a.b.0.c", 1),
        ("a.b.1", "s"),
        ("a.b.2", "absent"),
        ("a.b.c", "absent"),
        ("a.none", "absent"),
        ("a.x.y", "absent"),
    ],
)
def test_what_stands_at_a_path_is_read_or_absent(path: str, found: object) -> None:
    assert resource(raw=RAW).get(path, "absent") == found


def test_items_of_a_list_have_paths() -> None:
    assert resource(raw=RAW).items("a.b") == ["a.b.0", "a.b.1"]
    assert resource(raw=RAW).items("a") == []


@pytest.mark.parametrize("path", ["far", "far.away.0"])
def test_what_is_not_known_says_so(path: str) -> None:
    with pytest.raises(Undecidable, match=r"^far$"):
        resource(raw=RAW).get(path)


def test_a_secret_is_not_shown_by_accident() -> None:
    assert "hidden" not in repr(Secret("hidden"))


WIRED = {"scope": ("urn:server",)}
SERVER = resource("server", id="/Server/1", raw={"serverName": "psql"}, outputs={"principal": "p"})
FRESH = resource("server", raw={"serverName": UNKNOWN})


@pytest.mark.parametrize(
    ("value", "wiring", "other", "own", "refers"),
    [
        ("/server/1", {}, SERVER, "id", True),
        ("/Server/2", WIRED, SERVER, "id", False),
        ("psql", {}, SERVER, "serverName", True),
        ("p", {}, SERVER, "principal", True),
        ("q", WIRED, SERVER, "principal", False),
        (UNKNOWN, WIRED, SERVER, "id", True),
        (UNKNOWN, {}, SERVER, "id", False),
        ("anything", WIRED, FRESH, "id", True),
        ("anything", WIRED, FRESH, "serverName", True),
        ("anything", {}, FRESH, "id", False),
        (None, WIRED, FRESH, "id", False),
    ],
)
def test_values_decide_and_before_them_the_wiring(
    value: object, wiring: Mapping[str, tuple[str, ...]], other: Resource, own: str, *, refers: bool
) -> None:
    lock = resource("lock", raw={"scope": value}, property_dependencies=wiring)
    assert lock.refers("scope", other, own=own) is refers


AZURES = resource("server", type="azure-native:x:Server", raw={"serverName": "psql"})


@pytest.mark.parametrize(
    ("scope", "refers"),
    [
        ("/sub/servers/PSQL", True),
        ("/sub/servers/psql/databases/other", False),
        ("/sub/servers/not-psql", False),
        ("/subscriptions/other", False),
        (UNKNOWN, True),
    ],
)
def test_where_no_id_is_told_the_own_name_is_the_end_of_it(scope: object, *, refers: bool) -> None:
    """So it is in an update: the engine tells the pack no ids."""
    lock = resource("lock", raw={"scope": scope}, property_dependencies=WIRED)
    assert lock.refers("scope", AZURES) is refers


def test_a_like_name_elsewhere_is_not_it_where_nothing_wires_them() -> None:
    lock = resource("lock", raw={"scope": "/elsewhere/servers/psql"})
    assert not lock.refers("scope", AZURES)


def test_waiting_is_seen_through_others() -> None:
    first, second = resource("a"), resource("b", dependencies=("urn:a",))
    third = resource("c", dependencies=("urn:b", "urn:gone", "urn:c"))
    stack = Stack((first, second, third), "dev")
    assert stack.waits_for(third, first)
    assert not stack.waits_for(first, third)


ABOUT: dict[str, Any] = {
    "title": "It is so",
    "severity": Severity.LOW,
    "remediation": "Make it so.",
    "ai_rmf": ("MAP 1.1",),
}


def test_a_rule_has_a_name_of_its_own_and_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, "taken", Rule(name="taken", check=iter, **ABOUT))
    with pytest.raises(ValueError, match="a rule for resources names at least one type"):
        resource_rule(name="nothing", **ABOUT)
    with pytest.raises(ValueError, match="two rules are called taken"):
        resource_rule("a:b:C", name="taken", **ABOUT)(lambda _: iter(()))


def test_a_rule_that_cannot_decide_says_what_is_missing() -> None:
    def of_one(it: Resource) -> Any:
        yield "one thing is wrong"
        yield str(it.get("far"))

    def of_all(stack: Stack) -> Any:
        found: Fault = (stack.resources[0], str(stack.resources[0].get("far.away")))
        yield found

    it = resource(raw=RAW)
    singly = Rule(name="one", types=("a:b:C",), check=of_one, **ABOUT)
    whole = Rule(name="all", check=of_all, **ABOUT)
    found = [*judge_resource(it, [singly, whole]), *judge_stack(Stack((it,), "dev"), [whole])]
    assert [(finding.rule.name, finding.verdict, finding.says) for finding in found] == [
        ("one", Verdict.VIOLATION, "one thing is wrong"),
        ("one", Verdict.UNDECIDED, "far"),
        ("all", Verdict.UNDECIDED, "far"),
    ]


@pytest.mark.parametrize("raw", [{}, {"a": 1}, {"a": None}, {"a": {"b": "text"}}])
def test_what_has_another_shape_than_a_rule_knows_is_no_pass(raw: Mapping[str, Any]) -> None:
    def check(it: Resource) -> Any:
        yield from (it.inputs["a"]["b"] + 1 for _ in "a")

    rule = Rule(name="one", types=("a:b:C",), check=check, **ABOUT)
    (found,) = judge_resource(resource(raw=raw), [rule])
    assert found.verdict is Verdict.VIOLATION
    assert "of a shape that the rule does not know (" in found.says
