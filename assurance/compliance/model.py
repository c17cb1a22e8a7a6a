"""Controls, what was seen of them, and what follows: a control never holds by being left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Truth(StrEnum):
    """Where something was seen."""

    PROGRAM = "program"
    """What the program asks for."""
    DEPLOYED = "deployed"
    """What Azure and the cluster answered when the deployment was refreshed."""
    SQL = "live SQL"
    CLUSTER = "API server"
    RECORDS = "records"
    """What the operator supplied, such as the versions of a key."""


class Outcome(StrEnum):
    """What one look found."""

    HOLDS = "holds"
    EXCEPTED = "excepted"
    """It does not hold, and somebody answers for that until a day."""
    UNASSESSED = "not assessed"
    FAILS = "fails"


class Verdict(StrEnum):
    """What is said of a control; in this order, the worst of its objectives decides."""

    SATISFIED = "satisfied"
    EXCEPTED = "satisfied with exceptions"
    """Part of it does not hold, and somebody answers for that part until a day."""
    UNASSESSED = "not assessed"
    NOT_SATISFIED = "not satisfied"


SEVERITY = tuple(Verdict)


@dataclass(frozen=True, kw_only=True)
class Deviation:
    """Who answers for something that does not hold, and until when."""

    reason: str
    owner: str
    expires: date


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One look at one truth."""

    check: str
    """Name of a rule of the policy pack or of a live check."""
    title: str
    """What should be so."""
    truth: Truth
    outcome: Outcome
    found: str
    remedy: str = ""
    severity: str = "high"
    """How much depends on it; a rule's own, in Pulumi's words."""
    deviations: tuple[Deviation, ...] = ()

    @property
    def key(self) -> str:
        """What tells it apart within one assessment."""
        return f"{self.truth}/{self.check}"


@dataclass(frozen=True, kw_only=True)
class Objective:
    """One thing that a control asks for."""

    id: str
    text: str
    rules: tuple[str, ...] = ()
    """Of the policy pack; program and deployment are both judged by them."""
    checks: tuple[str, ...] = ()
    """Live ones."""
    person: str = ""
    """What somebody must supply, since no program can know it."""
    gap: str = ""
    """Why it is known not to hold."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """Something that an auditor asks for."""

    id: str
    title: str
    group: str
    """The document and the part of it that it comes from."""
    objectives: tuple[Objective, ...]


@dataclass(frozen=True, kw_only=True)
class ObjectiveResult:
    """An objective, and all that was seen of it."""

    objective: Objective
    observations: tuple[Observation, ...]

    @property
    def verdict(self) -> Verdict:
        """Satisfied only where everything was seen, and everything that was seen holds."""
        outcomes = {observation.outcome for observation in self.observations}
        if self.objective.gap or Outcome.FAILS in outcomes:
            return Verdict.NOT_SATISFIED
        if self.objective.person or not outcomes or Outcome.UNASSESSED in outcomes:
            return Verdict.UNASSESSED
        return Verdict.EXCEPTED if Outcome.EXCEPTED in outcomes else Verdict.SATISFIED

    @property
    def deviations(self) -> list[Deviation]:
        """Who answers for what does not hold of it, each once."""
        return list(dict.fromkeys(each for seen in self.observations for each in seen.deviations))


@dataclass(frozen=True, kw_only=True)
class ControlResult:
    """A control, and what is said of it."""

    control: Control
    results: tuple[ObjectiveResult, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of its objectives."""
        return worst([result.verdict for result in self.results])

    @property
    def observations(self) -> list[Observation]:
        """Everything that was seen of it, each look once."""
        return list({o.key: o for result in self.results for o in result.observations}.values())


def worst(verdicts: Sequence[Verdict]) -> Verdict:
    """Return the worst verdict; nothing at all is not assessed."""
    return max(verdicts, key=SEVERITY.index, default=Verdict.UNASSESSED)
