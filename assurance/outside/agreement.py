"""Whether a rule and the outside checks that it names mean the same.

The same change is shown to both.  Where a rule accuses and none of its checks does, or a check
accuses and no rule of ours, they disagree; that is allowed where ``disagreements.yaml`` says why.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import yaml

from assurance.checkov.findings import Findings
from assurance.errors import AssuranceError
from assurance.mutation.proof import Kind, Trial
from assurance.outside.files import write
from assurance.outside.plan import ENDPOINT, KINDS
from assurance.policies.model import Resource, Rule, Stack

FILE: Final = Path(__file__).parent / "disagreements.yaml"
WANTED: Final = frozenset({"rule", "alone", "type", "place", "change", "reason"})
OURS: Final = "ours"
THEIRS: Final = "theirs"
NEVER: Final = "never"
"""Stands for a side where no change at all made both accuse; the change is then the check."""
SIDES: Final = (OURS, THEIRS, NEVER)
CHANGES: Final = frozenset(
    {"remove", "empty", "flip", "switch on", "add", "opposite", "stranger", "less"}
)
"""Those that a check of one property could notice."""
LANGUAGES: Final = ("", "-arm", "-plan")
"""What the names of files end in; see ``files.write``."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One change, to be shown to the outside judge in files of its own."""

    name: str
    before: str
    """Name of the files without the change."""
    trial: Trial


@dataclass
class Agreement:
    """What became of all changes that concern one rule."""

    rule: Rule
    checks: tuple[str, ...]
    """Those of its checks that judge anything here."""
    together: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """By check, how often both accused."""
    alone: dict[tuple[str, Kind], int] = field(default_factory=lambda: defaultdict(int))
    """By side and kind of change, how often one accused and the other did not."""


def cases(trials: Iterable[Trial], rules: Iterable[Rule]) -> list[Case]:
    """Return, for each rule with outside checks, one change of each kind that concerns it.

    Of several the first that the rule noticed is taken.  Workloads are alike in what checks look
    at, so that one of them is enough.
    """
    concerned = {rule.name for rule in rules if rule.checkov}
    chosen: dict[tuple[str, str, str, str], Trial] = {}
    for trial in trials:
        typ, place, change = trial.kind
        if trial.mutant.mutated is None or change not in CHANGES:
            continue
        for name in concerned.intersection(trial.asked):
            key = (name, typ.split("/")[0], place, change)
            if key not in chosen or (name in trial.killers and name not in chosen[key].killers):
                chosen[key] = trial
    befores: dict[str, str] = {}
    return [
        Case(
            name=f"case-{number}",
            before=befores.setdefault(trial.mutant.original.urn, f"before-{len(befores)}"),
            trial=trial,
        )
        for number, trial in enumerate(sorted(set(chosen.values()), key=_order), 1)
    ]


def _order(trial: Trial) -> tuple[str, ...]:
    return (trial.mutant.original.urn, trial.mutant.place, trial.mutant.change)


def write_cases(folder: Path, shown: Iterable[Case], stack: Stack) -> None:
    """Write each change, and the same resources without it, for the outside judge."""
    originals = {case.before: case.trial.mutant.original for case in shown}
    mutated = {case.name: case.trial.mutant.mutated for case in shown}
    for name, resource in {**originals, **mutated}.items():
        if resource is not None:
            write(folder, name, _with_endpoints(resource, stack, name))


def _with_endpoints(resource: Resource, stack: Stack, label: str) -> list[Resource]:
    """Return a resource with the endpoints that lead to it, and what they lead to.

    The judge takes resources of the same name in two files for one, hence the label.
    """
    if resource.type not in KINDS:
        return [resource]
    others = [other for kind in KINDS for other in stack.of_type(kind) if other.urn != resource.urn]
    near = others if resource.type == ENDPOINT else [o for o in others if o.type == ENDPOINT]
    return [replace(r, name=f"{label}-{r.name}") for r in (resource, *near)]


def compare(shown: Sequence[Case], findings: Findings, rules: Iterable[Rule]) -> list[Agreement]:
    """Return how far each rule and those of its checks agree that judge anything here."""
    failed: dict[str, set[str]] = defaultdict(set)
    for finding in findings.failed:
        failed[finding.resource.split("/", 1)[0]].add(finding.check)
    compared = []
    for rule in rules:
        checks = tuple(c for c in rule.checkov if c in findings.checks)
        if checks:
            compared.append(_compared(Agreement(rule, checks), shown, failed))
    return compared


def _compared(
    agreement: Agreement, shown: Iterable[Case], failed: Mapping[str, set[str]]
) -> Agreement:
    name, checks = agreement.rule.name, set(agreement.checks)
    for case in shown:
        trial = case.trial
        if name not in trial.asked:
            continue
        before = {kind: failed.get(case.before + kind, set()) for kind in LANGUAGES}
        anew = checks & {
            check
            for kind in LANGUAGES
            for check in failed.get(case.name + kind, set()) - before[kind]
        }
        for check in anew if name in trial.killers else ():
            agreement.together[check] += 1
        if name in trial.killers and not anew:
            if not checks <= set().union(*before.values()):  # else they accuse already
                agreement.alone[OURS, trial.kind] += 1
        elif anew and not trial.killers:
            agreement.alone[THEIRS, trial.kind] += 1
    return agreement


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """Changes at which one side accuses alone, and why it may; ``*`` and ``?`` as in file names."""

    rule: str
    alone: str
    """``ours``, ``theirs`` or ``never``."""
    type: str
    place: str
    change: str
    reason: str

    def covers(self, rule: str, side: str, kind: Kind) -> bool:
        """Return whether it is about these changes."""
        patterns = (self.rule, self.alone, self.type, self.place, self.change)
        return all(fnmatchcase(*pair) for pair in zip((rule, side, *kind), patterns, strict=True))

    def __str__(self) -> str:
        """Return what tells it apart."""
        return f"{self.rule}, {self.alone} alone, {self.change} of {self.place} in {self.type}"


def load(text: str) -> tuple[Disagreement, ...]:
    """Read the file; raise ``AssuranceError`` for an entry that leaves something out."""
    return tuple(_entry(entry) for entry in yaml.safe_load(text) or ())


def _entry(entry: dict[str, Any]) -> Disagreement:
    if set(entry) != WANTED or entry["alone"] not in SIDES:
        raise AssuranceError(
            f"{FILE.name}: {entry} must say {', '.join(sorted(WANTED))}, all of them and no more;"
            f" alone is {', '.join(SIDES)}"
        )
    return Disagreement(**entry)


def faults(compared: Sequence[Agreement], explained: Sequence[Disagreement]) -> list[str]:
    """Return, one line each, disagreements that nobody explains, and explanations of none."""
    sides = [(a.rule.name, side, kind) for a in compared for side, kind in a.alone]
    sides += [
        (a.rule.name, NEVER, ("", "", check))
        for a in compared
        for check in a.checks
        if check not in a.together
    ]
    return [
        *(
            _words(rule, side, kind)
            for rule, side, kind in sides
            if not any(entry.covers(rule, side, kind) for entry in explained)
        ),
        *(
            f"{entry}: there is no such disagreement; remove the entry"
            for entry in explained
            if not any(entry.covers(*side) for side in sides)
        ),
    ]


def _words(rule: str, side: str, kind: Kind) -> str:
    typ, place, change = kind
    if side == NEVER:
        return f"{rule} and {change} never accused the same change"
    return f"{rule}: {side} alone at {change} of {place} in {typ}"
