"""Why a mutant may go unnoticed, and a rule may notice none: data, each with a reason.

An entry that explains nothing any more is as wrong as a survivor that nothing explains.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import yaml

from assurance.errors import AssuranceError
from assurance.mutation.proof import Kind, Proof
from assurance.policies.model import Rule

FILE: Final = Path(__file__).parent / "survivors.yaml"
SURVIVOR: Final = frozenset({"type", "place", "change", "reason"})
UNPROVED: Final = frozenset({"rule", "reason"})


@dataclass(frozen=True, kw_only=True)
class Explained:
    """Mutants that may survive; ``*`` and ``?`` as in file names."""

    type: str
    place: str
    change: str
    reason: str

    def __str__(self) -> str:
        """Return what tells it apart."""
        return f"{self.change} of {self.place or 'the resource'} in {self.type}"

    def covers(self, kind: Kind) -> bool:
        """Return whether it is about these mutants."""
        patterns = (self.type, self.place, self.change)
        return all(fnmatchcase(*pair) for pair in zip(kind, patterns, strict=True))


@dataclass(frozen=True, kw_only=True)
class Unproved:
    """A rule that no change of the program can set off."""

    rule: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """All entries of the file."""

    survivors: tuple[Explained, ...] = ()
    unproved: tuple[Unproved, ...] = ()

    def of(self, kind: Kind) -> Explained | None:
        """Return the first entry that is about these mutants."""
        return next((entry for entry in self.survivors if entry.covers(kind)), None)


def load(text: str) -> Explanations:
    """Read the file; raise ``AssuranceError`` for an entry that leaves something out."""
    document = yaml.safe_load(text) or {}
    return Explanations(
        survivors=tuple(Explained(**_whole(e, SURVIVOR)) for e in document.get("survivors") or ()),
        unproved=tuple(Unproved(**_whole(e, UNPROVED)) for e in document.get("unproved") or ()),
    )


def _whole(entry: dict[str, Any], wanted: frozenset[str]) -> dict[str, Any]:
    if set(entry) != wanted or not entry["reason"]:
        raise AssuranceError(
            f"{FILE.name}: {entry} must say {', '.join(sorted(wanted))}, all of them and no more"
        )
    return entry


def faults(proof: Proof, explanations: Explanations) -> list[str]:
    """Return, one line each, which survivors nobody explains, and which rules fail on a mutant."""
    unexplained = (
        f"{_words(kind)}: noticed by nobody, {len(trials)} times, first in"
        f" {trials[0].environment}, {trials[0].mutant.original.name};"
        f" asked: {', '.join(trials[0].asked) or 'nobody'}"
        for kind, trials in proof.survivors.items()
        if explanations.of(kind) is None
    )
    broken = sorted({(name, trial.kind) for trial in proof.trials for name in trial.broken})
    return [
        *unexplained,
        *(f"{name} raises where there is {_words(kind)}" for name, kind in broken),
    ]


def outdated(proof: Proof, explanations: Explanations, rules: Iterable[Rule]) -> list[str]:
    """Return what the file says and is not so, and which rules are neither proved nor in it.

    ``proof`` is of all stacks: what explains nothing in one may explain something in another.
    """
    kinds, proved, known = list(proof.survivors), set(proof.kills), {rule.name for rule in rules}
    excused = {entry.rule for entry in explanations.unproved}
    unneeded = (e for e in explanations.survivors if not any(e.covers(kind) for kind in kinds))
    absent = {rule.name for rule in without_resources(proof, rules)}
    return [
        *(f"{entry}: no such mutant survives; remove the entry" for entry in unneeded),
        *(f"{name}: there is no such rule; remove it" for name in sorted(excused - known)),
        *(f"{name}: it noticed a mutant; remove it" for name in sorted(excused & proved)),
        *(
            f"{name}: it noticed no mutant; say why, or mend it"
            for name in sorted(known - proved - excused - absent)
        ),
    ]


def without_resources(proof: Proof, rules: Iterable[Rule]) -> list[Rule]:
    """Return the rules for resources of which the program declares none."""
    return [rule for rule in rules if rule.types and not proof.types.intersection(rule.types)]


def _words(kind: Sequence[str]) -> str:
    typ, place, change = kind
    return f"{change} of {place or 'the resource'} in {typ}"
