"""A whole pull request, judged: what happens to every environment, and what is in the way."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from assurance.review.costs import UNCHANGED, Costs, costs
from assurance.review.ddl import Ddl, ddl
from assurance.review.findings import Apart, apart
from assurance.review.guards import Alarm, alarms
from assurance.review.recording import Recording, Request, read_recording, read_request
from assurance.review.words import alone
from sizing.prices import PriceBook

MANDATORY = "mandatory"
ENFORCEMENT = Path(__file__).parents[1] / "policies" / "enforcement"
"""As the engine is told, in a file a stack: ``all`` or a rule's name, and how strict it is."""
RULES = (
    "assurance/", ".github/", "local/", "memory/schema/", "sizing/", "Makefile", "requirements",
)  # fmt: skip
"""Where a change could make the judges milder, this one included; the strictest first."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """One stack of the pull request, with all that is said of it."""

    recording: Recording
    alarms: tuple[Alarm, ...] = ()
    ddl: tuple[Ddl, ...] = ()
    costs: Costs = UNCHANGED

    @property
    def stack(self) -> str:
        """Its name."""
        return self.recording.stack

    @cached_property
    def obstacles(self) -> tuple[str, ...]:
        """What keeps the pull request from it, in a few words each."""
        return tuple(self._obstacles())

    @cached_property
    def apart(self) -> Apart:
        """What it breaks, what was broken before, what it repairs."""
        return apart(self.recording)

    def _obstacles(self) -> Iterator[str]:
        if self.recording.failure:
            yield "cannot be previewed"
        elif not self.recording.judged:
            yield "was not judged"
        yield from dict.fromkeys(a.guard.title for a in self.alarms if not a.allowed_by)
        if refused := self.refusing:
            yield f"{alone(refused, 'rule')} violated"
        if any(each.unreadable for each in self.ddl):
            yield "the schema cannot be judged"
        # another dimension has an alarm and a label: the table may have been re-embedded by now
        if any(each.refused_otherwise for each in self.ddl):
            yield "refused by the schema engine, whatever label is set"

    @property
    def refusing(self) -> int:
        """How many rules stop an `up`."""
        found = self.recording.after.violations if self.recording.after else ()
        strict = enforcement(self.stack)
        return len({each["rule"] for each in found if _level(strict, each) == MANDATORY})


@dataclass(frozen=True, kw_only=True)
class Review:
    """All environments, in the order of promotion."""

    request: Request
    environments: tuple[Environment, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing stands in the way."""
        return not any(each.obstacles for each in self.environments)

    @property
    def changing(self) -> tuple[str, ...]:
        """Stacks in which something happens."""
        return tuple(each.stack for each in self.environments if each.recording.changes)

    @property
    def judges_changed(self) -> tuple[str, ...]:
        """Files of the pull request that decide what is refused."""
        ranked = [[f for f in self.request.files if f.startswith(place)] for place in RULES]
        return tuple(file for files in ranked for file in files)


def enforcement(stack: str) -> Mapping[str, Any]:
    """Return how strict the rules are in a stack; a stack without a file takes all of them."""
    file = ENFORCEMENT / f"{stack}.json"
    found: Mapping[str, Any] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return found


def _level(strict: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    level = strict.get(found["rule"], strict.get("all", MANDATORY))
    return str(level["enforcementLevel"] if isinstance(level, Mapping) else level)


def assemble(folder: Path, labels: frozenset[str], book: PriceBook, currency: str) -> Review:
    """Read a folder that ``make review`` wrote, and judge it.

    Raises ``AssuranceError`` where the folder is not one.
    """
    request = read_request(folder)
    recordings = [read_recording(folder, stack) for stack in request.stacks]
    return Review(
        request=request,
        environments=tuple(
            Environment(
                recording=recording,
                alarms=tuple(alarms(recording, labels)),
                ddl=tuple(ddl(recording)),
                costs=costs(recording, book, currency, request.on),
            )
            for recording in recordings
        ),
    )
