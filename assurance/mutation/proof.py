"""Every mutant of a stack before the rules that could notice it, and what they said."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from assurance.mutation.mutants import UNCOVER, Breeder, Mutant
from assurance.mutation.paths import Path
from assurance.mutation.tracing import SHAPE, Looks, trace
from assurance.policies.judge import Finding, Verdict, judge_resource, judge_stack
from assurance.policies.model import Resource, Rule, Stack

Kind = tuple[str, str, str]
"""What mutants have in common: type of the resource, place and change."""
Announce = Callable[[str, int, int], None]
"""Is told in which stack how many mutants, of how many, have been judged."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """What became of one mutant."""

    environment: str
    mutant: Mutant
    asked: tuple[str, ...]
    """Rules whose verdict could be another one."""
    killers: tuple[str, ...]
    """Rules that accuse a resource which they did not accuse before."""
    stricter: bool
    """Nobody accuses, and someone who did no longer does: the change was for the better."""
    broken: tuple[str, ...]
    """Rules that could not judge it, but raised."""

    @property
    def survived(self) -> bool:
        """Whether a change went unnoticed."""
        return not self.killers and not self.stricter

    @property
    def kind(self) -> Kind:
        """What it has in common with its likes elsewhere."""
        return self.mutant.original.type, self.mutant.place, self.mutant.change


def prove(
    stacks: Iterable[Stack], rules: Sequence[Rule], announce: Announce = lambda *_: None
) -> "Proof":
    """Change one thing after the other in each stack, and have the rules judge each change.

    What several stacks declare alike, but for their names, is changed in the first of them only.
    """
    trials, known, types = [], set(), set()
    for stack in stacks:
        types |= {resource.type for resource in stack.resources}
        court = _Court(stack, rules)
        mutants = []
        for mutant in Breeder(stack, court.looks).mutants():
            likeness = (
                _anonymous(mutant.original, stack),
                mutant.path,
                mutant.place,
                mutant.change,
            )
            if likeness not in known:
                known.add(likeness)
                mutants.append(mutant)
        for number, mutant in enumerate(mutants, 1):
            if trial := court.try_(mutant):
                trials.append(trial)
            announce(stack.environment, number, len(mutants))
    return Proof(tuple(trials), frozenset(types))


def _anonymous(resource: Resource, stack: Stack) -> str:
    """Return what a resource is, without the name of its stack."""
    whole = f"{resource.urn} {resource.protect} {resource.raw!r}"
    return whole.replace(stack.environment, "<stack>")


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """What one rule says of one mutant that it did not say before."""

    accuses: bool = False
    acquits: bool = False
    failed: bool = False


class _Court:
    """Knows what was said before any change, and who needs to be asked about which."""

    def __init__(self, stack: Stack, rules: Sequence[Rule]) -> None:
        self.looks = {rule.name: trace(rule, stack) for rule in rules}
        self._stack = stack
        self._rules = {rule.name: rule for rule in rules}
        self._before = {rule.name: _accused_by(rule, stack, *stack.resources) for rule in rules}
        self._watchers = _watchers(self.looks)
        self._taken_long: set[Kind] = set()

    def try_(self, mutant: Mutant) -> Trial | None:
        """Ask whoever could notice; return nothing where that would take too long.

        A rule that goes through the whole stack takes a hundred times longer than others.  It is
        asked only about what nobody else has noticed, and of its kind only about the first.
        """
        asked, changed = self._asked(mutant), mutant.of(self._stack)
        wide = {name for name in asked if self.looks[name].everything}
        said = {name: self._said(name, mutant, changed) for name in sorted(asked - wide)}
        if wide and not any(answer.accuses for answer in said.values()):
            kind = (mutant.original.type, mutant.place, mutant.change)
            if kind in self._taken_long:
                return None
            self._taken_long.add(kind)
            said |= {name: self._said(name, mutant, changed) for name in sorted(wide)}
        killers = tuple(name for name, answer in said.items() if answer.accuses)
        return Trial(
            environment=self._stack.environment,
            mutant=mutant,
            asked=tuple(said),
            killers=killers,
            stricter=not killers and any(answer.acquits for answer in said.values()),
            broken=tuple(name for name, answer in said.items() if answer.failed),
        )

    def _said(self, name: str, mutant: Mutant, changed: Stack) -> _Answer:
        rule, before = self._rules[name], self._before[name]
        if not rule.of_stack:
            before = before & {mutant.original.urn}
        try:
            now = _accused_by(rule, changed, mutant.mutated)
        except Exception:  # noqa: BLE001 - what a rule cannot read is looked for, too
            return _Answer(failed=True)
        return _Answer(accuses=bool(now - before), acquits=bool(before - now))

    def _asked(self, mutant: Mutant) -> set[str]:
        urn = mutant.original.urn
        if mutant.mutated is None:
            return {
                name
                for name, looks in self.looks.items()
                if self._rules[name].of_stack
                and (looks.everything or mutant.original.type in looks.types)
            }
        if not mutant.path:
            options = (urn, mutant.place)
            return {name for name, looks in self.looks.items() if options in looks.options}
        watchers, (*way, _) = self._watchers[urn], mutant.path
        asked = watchers[mutant.path] | watchers[(*way, SHAPE)]
        if mutant.change != UNCOVER:
            return asked
        # Whoever goes through raw inputs goes through all of them, and looks for secrets.
        return asked | {name for name, looks in self.looks.items() if urn in looks.raw}


def _watchers(looks: Mapping[str, Looks]) -> Mapping[str, Mapping[Path, set[str]]]:
    """Return by URN and path who looked there, or further in."""
    watchers: dict[str, dict[Path, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name, its in looks.items():
        for urn, paths in its.paths.items():
            for path in paths:
                for length in range(1, len(path) + 1):
                    watchers[urn][path[:length]].add(name)
    return watchers


def _accused_by(rule: Rule, stack: Stack, *resources: Resource | None) -> set[str]:
    """Return the URNs of what a rule accuses; nothing stands for the stack itself."""
    findings: Iterable[Finding]
    if rule.of_stack:
        findings = judge_stack(stack, (rule,))
    else:
        findings = (found for r in resources if r for found in judge_resource(r, (rule,)))
    return {
        found.resource.urn if found.resource else ""
        for found in findings
        if found.verdict is Verdict.VIOLATION
    }


@dataclass(frozen=True)
class Proof:
    """All trials of all stacks."""

    trials: tuple[Trial, ...]
    types: frozenset[str] = frozenset()
    """Of the resources that the stacks declare."""

    @property
    def noticed(self) -> int:
        """How many mutants at least one rule accused."""
        return sum(bool(trial.killers) for trial in self.trials)

    @property
    def stricter(self) -> int:
        """How many changes were for the better."""
        return sum(trial.stricter for trial in self.trials)

    @property
    def kill_rate(self) -> float:
        """Which part of the changes that were not for the better was noticed, from 0 to 1."""
        weaker = len(self.trials) - self.stricter
        return self.noticed / weaker if weaker else 1.0

    @property
    def summary(self) -> str:
        """The numbers, as one sentence."""
        return (
            f"{len(self.trials):,} mutants: {self.noticed:,} noticed, {self.stricter:,} made"
            f" something stricter, {len(self.trials) - self.noticed - self.stricter:,} went"
            f" unnoticed; {self.kill_rate:.1%} of what could be noticed was."
        )

    @cached_property
    def survivors(self) -> dict[Kind, list[Trial]]:
        """Trials whose mutants nobody noticed, by their kind."""
        grouped: dict[Kind, list[Trial]] = defaultdict(list)
        for trial in self.trials:
            if trial.survived:
                grouped[trial.kind].append(trial)
        return dict(sorted(grouped.items()))

    @cached_property
    def kills(self) -> dict[str, int]:
        """How many mutants each rule noticed; a rule that noticed none is not in it."""
        counted: dict[str, int] = defaultdict(int)
        for trial in self.trials:
            for name in trial.killers:
                counted[name] += 1
        return dict(counted)
