"""assurance/policies/exceptions.py: what is kept has a reason and a day, and is needed."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from assurance.exceptions import Kept
from assurance.policies import exceptions
from assurance.policies.exceptions import judged, kept
from assurance.policies.model import RULES, Fault, Resource, Rule, Severity, Stack
from assurance.policies.rules import load

TODAY = date(2026, 11, 1)
ABOUT: dict[str, Any] = {
    "title": "It is so",
    "severity": Severity.LOW,
    "remediation": "Make it so.",
    "ai_rmf": ("MAP 1.1",),
}


def entry(**changes: Any) -> Kept:
    known = {
        "check": "of-one",
        "resource": "dev/a:b:C::*",
        "reason": "it has to be",
        "owner": "us",
        "expires": date(2027, 1, 1),
    }
    return Kept(**{**known, **changes})


def of_one(it: Resource) -> Iterator[str]:
    if it.get("size") != 1:
        yield "size is not 1"


def of_all(stack: Stack) -> Iterator[Fault]:
    yield stack.resources[0], f"there is {stack.resources[0].get('other', 'nothing')}"


@pytest.fixture(autouse=True)
def _two_rules() -> Iterator[None]:
    """Leave two rules; the others come back in their order, for other tests of this process."""
    before = dict(load())
    RULES.clear()
    RULES["of-one"] = Rule(name="of-one", types=("a:b:C",), check=of_one, **ABOUT)
    RULES["of-all"] = Rule(name="of-all", check=of_all, **ABOUT)
    yield
    RULES.clear()
    RULES.update(before)


def verdicts(*entries: Kept, size: object = 2, **more: object) -> list[tuple[str, str]]:
    it = Resource(type="a:b:C", name="it", urn="urn:it", raw={"size": size, **more})
    found = judged(Stack((it,), "dev"), entries, TODAY)
    return [(finding.rule.name, finding.verdict.value) for finding in found]


WHOLE = entry(check="of-all", resource="*/a:b:C::it")
VIOLATED = [("of-one", "violation"), ("of-all", "exception")]


def test_what_is_kept_is_an_exception_and_says_why() -> None:
    assert verdicts(entry(), WHOLE) == [("of-one", "exception"), ("of-all", "exception")]
    it = Resource(type="a:b:C", name="it", urn="urn:it", raw={})
    (found, _) = judged(Stack((it,), "dev"), [entry(), WHOLE], TODAY)
    assert found.kept == entry()
    assert found.place("dev") == "dev/a:b:C::it"


@pytest.mark.parametrize(
    ("says", "verdict"), [("size is not *", "exception"), ("size is not 2", "violation")]
)
def test_an_exception_may_be_for_some_of_what_a_rule_says(says: str, verdict: str) -> None:
    assert verdicts(entry(says=(says,)), WHOLE)[0] == ("of-one", verdict)


@pytest.mark.parametrize(
    "other", ["prod/a:b:C::*", "*/a:b:D::*", "dev/a:b:D::*", "dev/a:b:C::other"]
)
def test_an_exception_for_what_this_stack_has_not_is_none_of_its_own(other: str) -> None:
    assert verdicts(entry(resource=other, expires=TODAY), WHOLE) == VIOLATED


def test_an_expired_exception_is_a_violation_and_keeps_nothing() -> None:
    expired = entry(expires=TODAY)
    assert verdicts(expired, WHOLE) == [*VIOLATED, ("stack-exceptions", "violation")]


def test_the_list_says_who_and_until_when() -> None:
    listed = kept()
    assert {it.owner for it in listed} == {"platform-team@example.com"}
    assert len({(it.check, it.resource) for it in listed}) == len(listed)
    assert all(len(it.reason) > len("As in dev") for it in listed)


def test_the_list_is_data() -> None:
    assert exceptions.FILE.read_text(encoding="utf-8").startswith("# What our own rules find")
