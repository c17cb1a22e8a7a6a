"""What the rules say of a change: what it breaks, what was broken before, what it repairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assurance.review.recording import Recording, Verdict, short_name

Finding = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Alike:
    """A finding without the stack in which it was made, so that environments can be compared."""

    rule: str
    severity: str
    place: str
    says: str
    remediation: str


@dataclass(frozen=True, kw_only=True)
class Apart:
    """The violations of one stack, by who is to blame."""

    come: tuple[Alike, ...] = ()
    stay: tuple[Alike, ...] = ()
    go: tuple[Alike, ...] = ()


def apart(recording: Recording) -> Apart:
    """Tell what the change breaks from what was broken before it.

    Where nobody judged the base, the change is to blame for all.
    """
    if recording.after is None:
        return Apart()
    before = _violations(recording.stack, recording.before)
    after = _violations(recording.stack, recording.after)
    return Apart(
        come=tuple(each for each in after if each not in before),
        stay=tuple(each for each in after if each in before),
        go=tuple(each for each in before if each not in after),
    )


def alike(stack: str, found: Finding) -> Alike:
    """Return a finding as it would be made in any environment."""
    type_, _, name = str(found["resource"]).removeprefix(f"{stack}/").partition("::")
    short = short_name(stack, f"::{PROJECT}::::{name}") if name else ""
    kind = type_.removeprefix("azure-native:").removeprefix("pulumi-python:dynamic/")
    return Alike(
        rule=found["rule"],
        severity=found["severity"],
        place=f"{kind} {short}".strip(),
        says=found["says"],
        remediation=found["remediation"],
    )


PROJECT = "engram"
"""What names begin with; a finding has no URN that says it."""


def _violations(stack: str, verdict: Verdict | None) -> dict[Alike, None]:
    """Return violations once each, in their order."""
    found = verdict.violations if verdict else ()
    return dict.fromkeys(alike(stack, each) for each in found)
