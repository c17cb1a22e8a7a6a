"""The folder of evidence: what is in it, from what, and under which names."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from assurance.compliance import oscal, page, records, seal
from assurance.compliance.assess import Assessment
from assurance.compliance.model import Observation
from assurance.compliance.truths import Truths
from assurance.errors import AssuranceError

PAGE = "index.html"


def files(assessment: Assessment, truths: Truths) -> dict[str, bytes]:
    """Return every file by its name; the same truths and time give the same bytes."""
    evidence = {
        "tde-manifest.json": records.tde(truths),
        "key-rotation-log.json": records.rotation(truths),
        "audit-log.json": records.audit(truths),
        "access-list.json": records.access(truths),
        "observations.json": observations(assessment),
    }
    return {
        **{name: as_json(document) for name, document in evidence.items()},
        "assessment-results.json": as_json(oscal.document(assessment, tuple(evidence))),
        PAGE: page.render(assessment, records.summary(truths)).encode(),
    }


def as_json(document: Mapping[str, Any]) -> bytes:
    """Return a document as bytes that are the same for the same content."""
    return (json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def observations(assessment: Assessment) -> dict[str, Any]:
    """Return everything that was seen, and what follows for each objective."""
    return {
        "stack": assessment.environment,
        "at": assessment.at.isoformat(),
        "observations": [_plain(observation) for observation in assessment.observations],
        "objectives": list(_objectives(assessment)),
        "differences": [
            {"resource": change.resource, "up would": change.action}
            for change in assessment.changes
        ],
    }


def _plain(observation: Observation) -> dict[str, Any]:
    return {
        "check": observation.check,
        "truth": observation.truth.value,
        "title": observation.title,
        "outcome": observation.outcome.value,
        "found": observation.found,
        "deviations": [
            {"reason": each.reason, "owner": each.owner, "expires": each.expires.isoformat()}
            for each in observation.deviations
        ],
    }


def _objectives(assessment: Assessment) -> Iterator[dict[str, Any]]:
    for control in assessment.controls:
        for result in control.results:
            yield {
                "id": result.objective.id,
                "verdict": result.verdict.value,
                "rests on": [seen.key for seen in result.observations],
                "a person must supply": result.objective.person,
                "known gap": result.objective.gap,
            }


def write(out: Path, files: Mapping[str, bytes]) -> None:
    """Write the folder anew: what an earlier collection left is no evidence of this one.

    It is complete, or as it was before.  Raises ``AssuranceError`` where ``out`` is anything but a
    folder of evidence or an empty one.
    """
    out = out.resolve()
    if not _replaceable(out):
        raise AssuranceError(
            f"{out} holds files that are no evidence; --out names a folder that may be replaced"
        )
    fresh, old = (out.with_name(f".{out.name}.{word}-{os.getpid()}") for word in ("new", "old"))
    fresh.mkdir(parents=True)
    try:
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        if out.exists():
            out.rename(old)
        fresh.rename(out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        if old.exists() and not out.exists():
            old.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def _replaceable(out: Path) -> bool:
    """Return whether nothing is there, or what an earlier collection wrote."""
    if not out.exists():
        return True
    if not out.is_dir():
        return False
    return not any(out.iterdir()) or seal.is_sealed(out)
