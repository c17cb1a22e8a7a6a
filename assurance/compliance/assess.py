"""From truths to what is said of each control: pure, so that the same truths say the same."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from typing_extensions import override

from assurance.compliance.checks import CHECKS
from assurance.compliance.model import (
    Control,
    ControlResult,
    Deviation,
    ObjectiveResult,
    Observation,
    Outcome,
    Truth,
    Verdict,
)
from assurance.compliance.truths import Change, Truths
from assurance.exceptions import Kept
from assurance.policies import exceptions
from assurance.policies.judge import Finding, judge_stack
from assurance.policies.judge import Verdict as Said
from assurance.policies.model import Resource, Rule, Stack

GRAVITY = ("critical", "high", "medium", "low")
SHOWN = 12
"""Faults of one rule that are told apart; of more, the number."""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """What is said of a deployment, and by what it was seen."""

    environment: str
    at: datetime
    controls: tuple[ControlResult, ...]
    observations: tuple[Observation, ...]
    """Every look, each once; a control shows those that it rests on."""
    changes: tuple[Change, ...]

    def counts(self) -> dict[Verdict, int]:
        """Return how many controls got which verdict."""
        counted = Counter(result.verdict for result in self.controls)
        return {verdict: counted[verdict] for verdict in Verdict}

    @property
    def failing(self) -> list[Observation]:
        """Return what does not hold, and nobody answers for; what matters most comes first."""
        found = [seen for seen in self.observations if seen.outcome is Outcome.FAILS]
        return sorted(found, key=lambda seen: (GRAVITY.index(seen.severity), seen.check))

    def red(self) -> set[str]:
        """Return the ids of the objectives that are not satisfied."""
        return {
            result.objective.id
            for control in self.controls
            for result in control.results
            if result.verdict is Verdict.NOT_SATISFIED
        }


def assess(
    controls: Sequence[Control],
    truths: Truths,
    at: datetime,
    *,
    rules: Mapping[str, Rule],
    kept: Sequence[Kept] = (),
) -> Assessment:
    """Judge every control; ``kept`` are the exceptions of the policy pack."""
    observations = (
        *_by_rules(truths.declared, Truth.PROGRAM, rules, kept, at),
        *_deployed(truths, rules, kept, at),
        *(check.observe(truths, at) for check in CHECKS.values()),
    )
    seen: dict[str, list[Observation]] = defaultdict(list)
    for observation in observations:
        seen[observation.check].append(observation)
    return Assessment(
        environment=truths.environment,
        at=at,
        controls=tuple(_control(control, seen) for control in controls),
        observations=observations,
        changes=truths.changes,
    )


def _control(control: Control, seen: Mapping[str, Sequence[Observation]]) -> ControlResult:
    results = tuple(
        ObjectiveResult(
            objective=objective,
            observations=tuple(
                observation
                for name in (*objective.rules, *objective.checks)
                for observation in seen.get(name, ())
            ),
        )
        for objective in control.objectives
    )
    return ControlResult(control=control, results=results)


def _by_rules(
    stack: Stack, truth: Truth, rules: Mapping[str, Rule], kept: Sequence[Kept], at: datetime
) -> Iterator[Observation]:
    """Yield what each rule saw; one that has nothing to look at in this stack is left out."""
    said: dict[str, list[Finding]] = defaultdict(list)
    for finding in exceptions.judged(stack, kept, at.date()):
        said[finding.rule.name].append(finding)
    for rule in (*rules.values(), exceptions.RULE):
        if rule.of_stack or stack.of_type(*rule.types):
            yield _observation(rule, said[rule.name], stack, truth)


def _deployed(
    truths: Truths, rules: Mapping[str, Rule], kept: Sequence[Kept], at: datetime
) -> Iterator[Observation]:
    """Yield what each rule saw of the deployment: what is not there complies with nothing."""
    judged = {
        seen.check: seen for seen in _by_rules(truths.deployed, Truth.DEPLOYED, rules, kept, at)
    }
    absent = truths.absent()
    for rule in rules.values() if absent else ():
        gone = [resource for resource in absent if resource.type in _needed(rule, truths)]
        seen = judged.get(rule.name)
        if gone and (seen is None or seen.outcome is not Outcome.FAILS):
            judged[rule.name] = replace(
                _observation(rule, (), truths.deployed, Truth.DEPLOYED),
                outcome=Outcome.FAILS,
                found=_listed(f"{each.name}: declared, and not there" for each in gone),
                remedy="`up` makes it again; find out who removed it. " + rule.remediation,
            )
    yield from judged.values()


def _needed(rule: Rule, truths: Truths) -> set[str]:
    """Return the types of which a rule misses a resource that is gone.

    A rule about resources misses each one.  One about the stack judges by itself what is left; only
    of a type that is gone altogether does it say nothing.
    """
    if not rule.of_stack:
        return {*rule.types}
    watched = _Watched(truths.declared.resources, truths.environment)
    list(judge_stack(watched, [rule]))
    return {typ for typ in watched.asked if not truths.deployed.of_type(typ)}


@dataclass(frozen=True)
class _Watched(Stack):
    """A stack that remembers what it was asked for."""

    asked: set[str] = field(default_factory=set, compare=False)

    @override
    def of_type(self, *types: str) -> list[Resource]:
        self.asked.update(types)
        return super().of_type(*types)


def _observation(
    rule: Rule, findings: Sequence[Finding], stack: Stack, truth: Truth
) -> Observation:
    outcome, words = _judged(rule, findings, stack)
    return Observation(
        check=rule.name,
        title=rule.title,
        truth=truth,
        outcome=outcome,
        found=words,
        remedy=rule.remediation if outcome is Outcome.FAILS else "",
        severity=rule.severity.value,
        deviations=tuple(_deviations(findings)) if outcome is Outcome.EXCEPTED else (),
    )


def _judged(rule: Rule, findings: Sequence[Finding], stack: Stack) -> tuple[Outcome, str]:
    by_verdict = {
        verdict: [finding for finding in findings if finding.verdict is verdict] for verdict in Said
    }
    for verdict, outcome in (
        (Said.VIOLATION, Outcome.FAILS),
        (Said.UNDECIDED, Outcome.UNASSESSED),
        (Said.EXCEPTION, Outcome.EXCEPTED),
    ):
        if found := by_verdict[verdict]:
            return outcome, _listed(_words(finding) for finding in found)
    if rule.of_stack:
        return Outcome.HOLDS, f"the stack with its {len(stack.resources)} resources"
    number = len(stack.of_type(*rule.types))
    return Outcome.HOLDS, f"{number} resource{'s' if number > 1 else ''}"


def _words(finding: Finding) -> str:
    whom = finding.resource.name if finding.resource else "the stack"
    unknown = " is not known" if finding.verdict is Said.UNDECIDED else ""
    return f"{whom}: {finding.says}{unknown}"


def _listed(words: Iterable[str]) -> str:
    listed = sorted(set(words))
    more = f"; and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return "; ".join(listed[:SHOWN]) + more


def _deviations(findings: Sequence[Finding]) -> Iterator[Deviation]:
    entries = {str(finding.kept): finding.kept for finding in findings if finding.kept}
    for _, entry in sorted(entries.items()):
        yield Deviation(reason=entry.reason, owner=entry.owner, expires=entry.expires)
