"""Steps of a preview as the engine writes them, made by hand: what a test is about, and no more."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Step = dict[str, Any]


def step(
    op: str,
    type_: str,
    name: str,
    old: Mapping[str, Any] | None = None,
    new: Mapping[str, Any] | None = None,
    **more: Any,
) -> Step:
    """Return a step of stack dev between two sets of inputs; None where there is no state."""
    urn = f"urn:pulumi:dev::engram::{type_}::engram-dev-{name}".removesuffix("-")
    found: Step = {"op": op, "urn": urn}
    if old is not None:
        protect = more.pop("protect", False)
        outputs = more.pop("outputs", {})
        found["oldState"] = {"urn": urn, "type": type_, "inputs": dict(old), "outputs": outputs}
        found["oldState"]["protect"] = protect
    if new is not None:
        found["newState"] = {"urn": urn, "type": type_, "inputs": dict(new)}
    return {**found, **more}


STACK = step("same", "pulumi:pulumi:Stack", "", {}, {})
"""What the engine looks at in every preview."""


def written(folder: Path, steps: Sequence[Step], **more: Any) -> Path:
    """Write a recording of stack dev with these steps; ``more`` as in request.json."""
    place = folder / "dev"
    place.mkdir(parents=True)
    summary = {"same": sum(each["op"] == "same" for each in steps)}
    preview = {"steps": [STACK, *steps], "changeSummary": summary}
    (place / "preview.json").write_text(json.dumps(preview), encoding="utf-8")
    verdict = {"rules": 7, "findings": []}
    (place / "policies.json").write_text(json.dumps(verdict), encoding="utf-8")
    request = {
        "base": "main",
        "base_commit": "0" * 40,
        "files": ["Pulumi.dev.yaml"],
        "stacks": ["dev"],
        "on": "2026-11-23",
        **more,
    }
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    return folder
