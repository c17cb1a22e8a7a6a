"""The assessment as one page that needs nothing else: no script, no font, no network."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from assurance.compliance.assess import Assessment
from assurance.compliance.model import (
    ControlResult,
    Observation,
    Outcome,
    Truth,
    Verdict,
)
from assurance.compliance.oscal import missing

SIGNS = {
    Verdict.SATISFIED: "✓",
    Verdict.EXCEPTED: "△",
    Verdict.NOT_SATISFIED: "✗",
    Verdict.UNASSESSED: "○",
    Outcome.HOLDS: "✓",
    Outcome.FAILS: "✗",
    Outcome.UNASSESSED: "○",
    Outcome.EXCEPTED: "△",
}
"""Read without colour, too; the words stand beside them."""
EVIDENCE = (
    ("PostgreSQL TDE configuration manifest", "tde-manifest.json",
     "servers, disks and volumes with their keys, as asked for and as deployed"),
    ("Key rotation workflow logs", "key-rotation-log.json",
     "every key with its policy and all of its versions"),
    ("Encryption metadata in memory records", "",
     "not assessed: nothing encrypts single fields in this release"),
    ("Audit logs of key access", "audit-log.json",
     "what is logged where, and who used the keys"),
    ("Access controls", "access-list.json",
     "who may do what in Azure, in the cluster and in the databases"),
    ("Everything that was seen", "observations.json", "each look, with what was found"),
    ("Assessment results", "assessment-results.json", "the same as OSCAL"),
)  # fmt: skip


def render(assessment: Assessment, summary: Mapping[str, Any]) -> str:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["sign"] = lambda state: SIGNS[state]
    environment.filters["slug"] = lambda state: state.replace(" ", "-")
    environment.filters["together"] = _together
    environment.filters["id"] = lambda name: name.lower().replace(" ", "-")
    return environment.get_template("page.html.j2").render(
        assessment=assessment,
        summary=summary,
        counts=assessment.counts(),
        groups=_groups(assessment.controls),
        failing=_together(assessment.failing),
        partly=sum(map(_partly, assessment.controls)),
        gaps=_gaps(assessment.controls),
        excepted=_together([seen for seen in assessment.observations if seen.deviations]),
        evidence=EVIDENCE,
        by_truth=_by_truth(assessment.observations),
        missing=missing,
        Verdict=Verdict,
        Outcome=Outcome,
    )


def _groups(controls: Sequence[ControlResult]) -> list[dict[str, Any]]:
    return [
        {"name": name, "controls": listed, "counts": Counter(each.verdict for each in listed)}
        for name, group in groupby(controls, key=lambda result: result.control.group)
        for listed in [list(group)]
    ]


def _partly(result: ControlResult) -> bool:
    """Return whether nothing but people's part is missing."""
    outcomes = {seen.outcome for seen in result.observations}
    return (
        result.verdict is Verdict.UNASSESSED
        and bool(outcomes)
        and not outcomes & {Outcome.FAILS, Outcome.UNASSESSED}
    )


def _together(observations: Sequence[Observation]) -> list[dict[str, Any]]:
    """Return each thing once, with all the places where it was seen."""
    found: dict[tuple[str, Outcome], list[Observation]] = {}
    for seen in observations:
        found.setdefault((seen.check, seen.outcome), []).append(seen)
    return [
        {
            "title": same[0].title,
            "check": check,
            "outcome": outcome,
            "severity": same[0].severity,
            "remedy": same[0].remedy,
            "deviations": same[0].deviations,
            "seen": _places(same),
        }
        for (check, outcome), same in found.items()
    ]


def _places(same: Sequence[Observation]) -> dict[str, str]:
    """Return where it was seen, by what was found there."""
    found: dict[str, str] = {}
    for seen in same:
        found[seen.found] = ", ".join(filter(None, [found.get(seen.found), seen.truth.value]))
    return found


def _gaps(controls: Sequence[ControlResult]) -> list[dict[str, str]]:
    return [
        {"id": result.objective.id, "text": result.objective.text, "gap": result.objective.gap}
        for control in controls
        for result in control.results
        if result.objective.gap
    ]


def _by_truth(observations: Sequence[Observation]) -> list[dict[str, Any]]:
    return [
        {
            "truth": truth,
            "observations": sorted(
                (seen for seen in observations if seen.truth is truth), key=lambda seen: seen.check
            ),
        }
        for truth in Truth
    ]
