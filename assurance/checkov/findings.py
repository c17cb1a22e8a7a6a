"""Runs checkov over manifests, ARM templates and plans; reads what it found."""

import json
import os
import subprocess
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assurance.errors import AssuranceError

SECONDS = 900
EXCEPTIONS = Path(__file__).parent / "exceptions.yaml"
"""What checkov finds and we keep."""
SINGLY = {"CREATE_EDGES": "", "CREATE_COMPLEX_VERTICES": ""}
"""Tells checkov not to look for what belongs together; it reads any text but this as yes."""
FRAMEWORKS = ("kubernetes", "arm", "terraform_plan")
OPTIONS = ("--framework", *FRAMEWORKS, "--output", "json", "--compact", "--skip-download")


@dataclass(frozen=True, order=True, kw_only=True)
class Finding:
    """One check that a resource failed."""

    check: str
    resource: str
    """``<file without suffix>/``, then ``<Kind>.<namespace>.<name>`` or ``<type>.<name>``."""
    says: str


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What failed, and what was looked at at all."""

    failed: tuple[Finding, ...]
    judged: frozenset[str]
    """Resources that any check looked at."""
    checks: frozenset[str] = frozenset()
    """Checks that looked at anything."""


def run(executable: Path, folder: Path, checks: Collection[str] = ()) -> Findings:
    """Judge the YAML and JSON files of a folder; nothing is fetched.

    ``checks`` are all that is asked for, each of one object at a time; by default all are, and how
    objects belong together is worked out first, which takes long where there are many alike.

    Raises ``AssuranceError`` where checkov is not installed, fails, or cannot read a file.
    """
    if not executable.exists():
        raise AssuranceError(
            f"{executable} is not there: install checkov with `make .local/checkov/.ready`"
        )
    chosen = ("--check", ",".join(sorted(checks))) if checks else ()
    done = subprocess.run(
        [str(executable), "--directory", str(folder), *OPTIONS, *chosen],
        env={**os.environ, **(SINGLY if checks else {})},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    try:
        return read(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError) as error:
        raise AssuranceError(
            f"checkov ended with {done.returncode} and no report: {error}\n{done.stderr[-2000:]}"
        ) from error


def read(report: Mapping[str, Any] | list[Mapping[str, Any]]) -> Findings:
    """Read checkov's report, or its list of them where it found files of several kinds.

    Raises ``AssuranceError`` where it could not parse a file, since it skips such a file silently;
    ``ValueError`` where it looked at nothing.
    """
    results = [one["results"] for one in (report if isinstance(report, list) else [report])]
    if not results:
        raise ValueError("it looked at nothing")
    unread = [file for one in results for file in one["parsing_errors"]]
    if unread:
        raise AssuranceError(f"checkov cannot read {', '.join(unread)}")
    failed = [entry for one in results for entry in one["failed_checks"]]
    passed = [entry for one in results for entry in one["passed_checks"]]
    return Findings(
        failed=tuple(sorted(_findings(failed))),
        judged=frozenset(_resource(entry) for entry in (*failed, *passed)),
        checks=frozenset(entry["check_id"] for entry in (*failed, *passed)),
    )


def _findings(entries: list[Mapping[str, Any]]) -> Iterator[Finding]:
    for entry in entries:
        yield Finding(check=entry["check_id"], resource=_resource(entry), says=entry["check_name"])


def _resource(entry: Mapping[str, Any]) -> str:
    return f"{Path(entry['file_path']).stem}/{entry['resource']}"
