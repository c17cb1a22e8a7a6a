"""The controls, from the files in ``controls/``; every mistake in them is refused by its place."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from assurance.compliance.checks import CHECKS
from assurance.compliance.model import Control, Objective
from assurance.errors import AssuranceError
from assurance.policies.model import Rule

FOLDER = Path(__file__).parent / "controls"
AI_RMF = "ai-rmf.yaml"
MISSION = "mission.yaml"
FUNCTION = {
    "GOVERN": "NIST AI RMF 1.0: Govern",
    "MAP": "NIST AI RMF 1.0: Map",
    "MEASURE": "NIST AI RMF 1.0: Measure",
    "MANAGE": "NIST AI RMF 1.0: Manage",
}
T = TypeVar("T")
Text = Annotated[str, Field(min_length=1)]


class Entry(BaseModel):
    """What every entry may say; see ``Objective``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Text
    text: Text
    rules: tuple[Text, ...] = ()
    checks: tuple[Text, ...] = ()
    person: str = ""
    gap: str = ""

    def objective(self, *more_rules: str) -> Objective:
        """Return what is asked, with the rules that name it themselves."""
        return Objective(
            id=self.id,
            text=self.text,
            rules=tuple(dict.fromkeys((*self.rules, *more_rules))),
            checks=self.checks,
            person=self.person,
            gap=self.gap,
        )


class Whole(BaseModel):
    """A control of several objectives."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Text
    title: Text
    group: Text
    objectives: tuple[Entry, ...] = Field(min_length=1)


SUBCATEGORIES = TypeAdapter(tuple[Entry, ...])
CONTROLS = TypeAdapter(tuple[Whole, ...])


def load(rules: Mapping[str, Rule], folder: Path = FOLDER) -> tuple[Control, ...]:
    """Return all controls; the mission's come first.

    A subcategory of the AI RMF is supported by the rules that name it.  Raises ``AssuranceError``
    where a file is wrong, or names a rule or check that does not
    exist.
    """
    mission = tuple(_whole(found) for found in _read(folder / MISSION, CONTROLS))
    framework = tuple(
        _subcategory(entry, rules.values()) for entry in _read(folder / AI_RMF, SUBCATEGORIES)
    )
    controls = (*mission, *framework)
    _refuse_unknown(controls, rules)
    return controls


def _read(file: Path, adapter: TypeAdapter[T]) -> T:
    try:
        return adapter.validate_python(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise AssuranceError(f"{file.name}: {error}") from error


def _whole(found: Whole) -> Control:
    return Control(
        id=found.id,
        title=found.title,
        group=found.group,
        objectives=tuple(entry.objective() for entry in found.objectives),
    )


def _subcategory(entry: Entry, rules: Iterable[Rule]) -> Control:
    naming = (rule.name for rule in rules if entry.id in rule.ai_rmf)
    return Control(
        id=entry.id,
        title=entry.text,
        group=FUNCTION[entry.id.split()[0]],
        objectives=(entry.objective(*naming),),
    )


def _refuse_unknown(controls: Iterable[Control], rules: Mapping[str, Rule]) -> None:
    for objective in (each for control in controls for each in control.objectives):
        for name in objective.rules:
            if name not in rules:
                raise AssuranceError(
                    f"{objective.id} names the rule {name}, which the policy pack does not have; "
                    "`python -m assurance policies list` shows those that it has"
                )
        for name in objective.checks:
            if name not in CHECKS:
                raise AssuranceError(
                    f"{objective.id} names the check {name}, which does not exist; "
                    f"there are {', '.join(CHECKS)}"
                )
