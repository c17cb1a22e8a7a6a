"""Shows every rule what it asks for, and collects what they say: pure, and without Pulumi."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from assurance.exceptions import Kept
from assurance.policies.model import RULES, Fault, Resource, Rule, Stack, Undecidable

UNREADABLE: Final = (LookupError, TypeError, ValueError, AttributeError)
"""What a rule raises that reads inputs of another shape than it knows; that is no pass."""


class Verdict(StrEnum):
    """What a rule can say; where it says nothing, all is well."""

    VIOLATION = "violation"
    UNDECIDED = "not yet decidable"
    EXCEPTION = "exception"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One rule about one resource, or about the stack."""

    rule: Rule
    verdict: Verdict
    resource: Resource | None
    says: str
    """What is wrong; or the path of what is not known yet."""
    kept: Kept | None = None
    """Why it is kept, of an exception."""

    def place(self, environment: str) -> str:
        """Return whom it is about, as exceptions name it."""
        return place(self.resource, environment)


def place(resource: Resource | None, environment: str) -> str:
    """Return ``<stack>/<type>::<name>``, or ``<stack>/stack`` for what is about all of it."""
    if resource is None:
        return f"{environment}/stack"
    return f"{environment}/{resource.type}::{resource.name}"


def judge_resource(resource: Resource, rules: Iterable[Rule] | None = None) -> Iterator[Finding]:
    """Yield what the rules for its type have to say of one resource."""
    for rule in RULES.values() if rules is None else rules:
        if resource.type in rule.types:
            faults = ((resource, words) for words in rule.check(resource))
            yield from _findings(rule, faults, resource)


def judge_stack(stack: Stack, rules: Iterable[Rule] | None = None) -> Iterator[Finding]:
    """Yield what the rules for whole stacks have to say."""
    for rule in RULES.values() if rules is None else rules:
        if rule.of_stack:
            yield from _findings(rule, rule.check(stack), None)


def judge(stack: Stack) -> list[Finding]:
    """Return what all rules say of a stack and of each of its resources, exceptions unheard."""
    singly = [finding for resource in stack.resources for finding in judge_resource(resource)]
    return [*singly, *judge_stack(stack)]


def _findings(rule: Rule, faults: Iterable[Fault], about: Resource | None) -> Iterator[Finding]:
    """Yield a rule's faults, and why it could not go on where it could not."""
    try:
        for resource, words in faults:
            yield Finding(rule=rule, verdict=Verdict.VIOLATION, resource=resource, says=words)
    except Undecidable as early:
        yield Finding(rule=rule, verdict=Verdict.UNDECIDED, resource=about, says=early.path)
    except UNREADABLE as error:
        words = f"it is of a shape that the rule does not know ({type(error).__name__})"
        yield Finding(rule=rule, verdict=Verdict.VIOLATION, resource=about, says=words)
