"""The assessment as OSCAL assessment results, https://pages.nist.gov/OSCAL/.

What was not assessed has no finding: OSCAL knows only satisfied and not satisfied, and neither
would be true. Such controls are excluded by name, with what somebody has to supply. What is
satisfied with exceptions has the reason ``other`` and says so, beside a risk for each exception.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID, uuid5

from assurance.compliance.assess import Assessment
from assurance.compliance.model import (
    ControlResult,
    Deviation,
    ObjectiveResult,
    Observation,
    Outcome,
    Truth,
    Verdict,
)

VERSION = "1.2.1"
"""Of OSCAL."""
NAMESPACE = UUID("4f8c1f0e-6f0b-5a35-9a8e-0d1f6f9f2c77")
"""All ids of documents are made in it, from what they are about."""
OURS = "https://engram.example/ns/oscal"
LIVE = {Truth.SQL, Truth.CLUSTER}
TITLE = "Assessment of the memory infrastructure"
Json = dict[str, Any]


def document(assessment: Assessment, evidence: Sequence[str]) -> Json:
    """Return the document; ``evidence`` are the names of the files beside it."""
    ids = _Ids(assessment)
    return {
        "assessment-results": {
            "uuid": ids.of("document"),
            "metadata": {
                "title": f"{TITLE}, stack {assessment.environment}",
                "last-modified": assessment.at.isoformat(),
                "version": assessment.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "oscal-version": VERSION,
            },
            "import-ap": {
                "href": f"#{ids.of('plan')}",
                "remarks": "There is no separate plan: docs/evidence.md says what is looked at.",
            },
            "results": [_result(assessment, ids)],
            "back-matter": {"resources": list(_resources(ids, evidence))},
        }
    }


class _Ids:
    """Ids that depend on stack, time and subject only."""

    def __init__(self, assessment: Assessment) -> None:
        self._place = f"{assessment.environment}/{assessment.at.isoformat()}"

    def of(self, kind: str, name: str = "") -> str:
        """Return the id of something."""
        return str(uuid5(NAMESPACE, f"{self._place}/{kind}/{name}"))


def _result(assessment: Assessment, ids: _Ids) -> Json:
    at = assessment.at.isoformat()
    found: Json = {
        "uuid": ids.of("result"),
        "title": f"Stack {assessment.environment}",
        "description": "Program, deployment, live database, API server and supplied records,"
        " judged by rules; each observation says by which, and from where.",
        "start": at,
        "end": at,
        "reviewed-controls": _reviewed(assessment),
        "observations": [_observation(seen, at, ids) for seen in assessment.observations],
    }
    risks = [*_gaps(assessment, ids), *_deviations(assessment, ids)]
    findings = list(_findings(assessment, ids))
    return {
        **found,
        **({"risks": risks} if risks else {}),
        **({"findings": findings} if findings else {}),
    }


def _reviewed(assessment: Assessment) -> Json:
    assessed = [each for each in assessment.controls if each.verdict is not Verdict.UNASSESSED]
    left_out = [each for each in assessment.controls if each.verdict is Verdict.UNASSESSED]
    selection: Json = {
        "description": "Controls that a program can assess.",
        **_selected("include-controls", assessed),
        **_selected("exclude-controls", left_out),
    }
    return {
        "control-selections": [selection if assessed else {"include-all": {}, **selection}],
        "remarks": "Not assessed by automation:\n\n"
        + "\n".join(f"- {each.control.id}: {missing(each)}" for each in left_out),
    }


def _selected(key: str, controls: Sequence[ControlResult]) -> Json:
    listed = [{"control-id": token(each.control.id)} for each in controls]
    return {key: listed} if listed else {}


def missing(result: ControlResult) -> str:
    """Return what is needed before a control that was not assessed can be."""
    persons = [each.objective.person for each in result.results if each.objective.person]
    unseen = [
        f"{seen.title}: {seen.found}."
        for seen in result.observations
        if seen.outcome is Outcome.UNASSESSED
    ]
    return " ".join(dict.fromkeys((*persons, *unseen))) or "Nothing here looks at it yet."


def _observation(seen: Observation, at: str, ids: _Ids) -> Json:
    return {
        "uuid": ids.of("observation", seen.key),
        "title": seen.title,
        "description": f"{seen.truth}: {seen.outcome}. {seen.found}",
        "props": [
            _property("check", seen.check),
            _property("truth", token(seen.truth)),
            _property("outcome", token(seen.outcome)),
        ],
        "methods": ["TEST" if seen.truth in LIVE else "EXAMINE"],
        "types": ["control-objective"],
        "relevant-evidence": [
            {
                "href": f"#{ids.of('evidence', 'observations.json')}",
                "description": f"The entry of {seen.check}, {seen.truth}.",
            }
        ],
        "collected": at,
    }


def _property(name: str, value: str) -> Json:
    return {"name": name, "ns": OURS, "value": value}


def _findings(assessment: Assessment, ids: _Ids) -> Iterator[Json]:
    for control in assessment.controls:
        for result in control.results:
            if result.verdict is not Verdict.UNASSESSED:
                yield _finding(control, result, ids)


def _finding(control: ControlResult, result: ObjectiveResult, ids: _Ids) -> Json:
    objective = result.objective
    found: Json = {
        "uuid": ids.of("finding", objective.id),
        "title": objective.id,
        "description": objective.text,
        "target": {
            "type": "objective-id",
            "target-id": token(objective.id),
            "title": control.control.title,
            "status": _status(result),
        },
    }
    if result.observations:
        found["related-observations"] = [
            {"observation-uuid": ids.of("observation", seen.key)} for seen in result.observations
        ]
    risks = [ids.of("gap", objective.id)] if objective.gap else []
    risks += [ids.of("deviation", seen.key) for seen in result.observations if seen.deviations]
    if risks:
        found["related-risks"] = [{"risk-uuid": risk} for risk in risks]
    return found


def _status(result: ObjectiveResult) -> Json:
    if result.verdict is not Verdict.EXCEPTED:
        good = result.verdict is Verdict.SATISFIED
        return {
            "state": "satisfied" if good else "not-satisfied",
            "reason": "pass" if good else "fail",
        }
    kept = " ".join(map(_answered_for, result.deviations))
    return {
        "state": "satisfied",
        "reason": "other",
        "remarks": f"{Verdict.EXCEPTED.capitalize()}. {kept}",
    }


def _answered_for(deviation: Deviation) -> str:
    return f"{deviation.reason} Owner: {deviation.owner}, until {deviation.expires}."


def _gaps(assessment: Assessment, ids: _Ids) -> Iterator[Json]:
    for control in assessment.controls:
        for result in control.results:
            if result.objective.gap:
                yield {
                    "uuid": ids.of("gap", result.objective.id),
                    "title": f"Known gap of {result.objective.id}",
                    "description": result.objective.text,
                    "statement": result.objective.gap,
                    "status": "open",
                }


def _deviations(assessment: Assessment, ids: _Ids) -> Iterator[Json]:
    for seen in assessment.observations:
        if seen.deviations:
            yield {
                "uuid": ids.of("deviation", seen.key),
                "title": f"Exception of {seen.check}",
                "description": seen.found,
                "statement": " ".join(map(_answered_for, seen.deviations)),
                "status": "deviation-approved",
            }


def _resources(ids: _Ids, evidence: Sequence[str]) -> Iterator[Json]:
    yield {"uuid": ids.of("plan"), "title": "What is looked at, and how: docs/evidence.md"}
    for name in evidence:
        yield {"uuid": ids.of("evidence", name), "title": name, "rlinks": [{"href": name}]}


def token(words: str) -> str:
    """Return an id as OSCAL spells ids: ``GOVERN 1.1`` is ``govern-1.1``."""
    return re.sub(r"[^\w.]+", "-", words.lower())
