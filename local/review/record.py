"""Writes down what the working tree would do to a stack that stands, for ``assurance.review``.

The engine's JSON has every resource with its order, and its log of events the stack's outputs; no
policy pack is loaded, so that a preview only fails where the program does: the same rules judge
what was previewed, and what stood before.
"""

import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from local.commands import policies
from local.commands.preview import diagnosis
from local.commands.session import Session
from local.engine import Engine

STACK_TYPE = "pulumi:pulumi:Stack"
# The flag of the log is the engine's own and hidden without it.
WITH_EVENTS = {"PULUMI_DEBUG_COMMANDS": "true"}
FAILURE = "failure.txt"
NO_PREVIEW = "the engine wrote no preview"


def record(session: Session, folder: Path) -> None:
    """Write what ``up`` would do, what the rules say before and after, and why it failed."""
    folder.mkdir(parents=True, exist_ok=True)
    with session.alone() as lock, tempfile.TemporaryDirectory() as place:
        engine = session.engine(lock)
        events = Path(place) / "events.jsonl"
        words = ("preview", "--json", "--show-sames", "--skip-plugin-pre-install")
        answer = _with_events(engine).on_stack(*words, "--event-log", str(events), capture=True)
        if failure := failure_of(answer):
            (folder / FAILURE).write_text(failure, encoding="utf-8")
        _write(folder / "outputs.json", outputs_after(_lines(events)))
        if engine.deployment().get("resources"):
            _write(folder / "policies-before.json", policies.judge_state(engine))
        if preview := as_document(answer.stdout):
            _write(folder / "preview.json", preview)
            if not answer.returncode:
                judged = policies.judge(preview, session.paths.project)
                _write(folder / "policies.json", judged)


def failure_of(answer: "subprocess.CompletedProcess[str]") -> str:
    """Return why there is no whole preview, in the engine's words; nothing where there is one."""
    if answer.returncode == 0 and as_document(answer.stdout):
        return ""
    said = answer.stdout or answer.stderr
    return (diagnosis(said) if answer.returncode else "") or NO_PREVIEW


def outputs_after(events: Iterator[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return what the stack would export; nothing where the preview did not get so far.

    The engine tells of the stack twice, at first with its earlier outputs.
    """
    found: Mapping[str, Any] = {}
    for event in events:
        metadata = event.get("resOutputsEvent", {}).get("metadata", {})
        if metadata.get("type") == STACK_TYPE:
            found = (metadata.get("new") or {}).get("outputs") or {}
    return found


def as_document(output: str) -> Mapping[str, Any]:
    """Return the engine's answer; nothing where it failed before it had one."""
    try:
        document = json.loads(output)
    except ValueError:
        return {}
    return document if isinstance(document, dict) and document.get("steps") else {}


def _with_events(engine: Engine) -> Engine:
    return replace(engine, extra={**engine.extra, **WITH_EVENTS})


def _lines(file: Path) -> Iterator[Mapping[str, Any]]:
    if file.exists():
        with file.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _write(file: Path, document: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(document), encoding="utf-8")
