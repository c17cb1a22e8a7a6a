"""The workflows as data, and their scripts run beside a ``gh`` that notes what it was asked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

PROJECT = Path(__file__).parents[2]
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
}
GH = f"""#!{sys.executable}
import json, pathlib, sys
here = pathlib.Path(__file__).parent
given = "" if "--input" not in sys.argv else sys.stdin.read()
with (here / "asked").open("a") as log:
    log.write(json.dumps([*sys.argv[1:], given]) + "\\n")
if "--paginate" in sys.argv or "list" in sys.argv:
    print((here / "answer").read_text())
"""

Calls = list[list[str]]
Run = Callable[..., Calls]


def script(workflow: str, job: str, name: str, shell: str = "python") -> str:
    """Return the script of a step by its name."""
    steps: list[dict[str, Any]] = WORKFLOWS[workflow]["jobs"][job]["steps"]
    [found] = [step for step in steps if step.get("name") == name]
    assert found.get("shell", "bash") == shell
    return str(found["run"])


def bash(text: str, folder: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a script as GitHub does where a step names no shell."""
    return subprocess.run(
        ["bash", "-e", "-c", text],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script; return what ``gh`` was asked, and given.  It gives one answer to questions.

    ``fails``: words with which the script must end.
    """

    def run(text: str, answer: object = None, fails: str = "", **environment: str) -> Calls:
        tools = tmp_path / "bin"
        tools.mkdir(exist_ok=True)
        (tools / "answer").write_text(json.dumps(answer))
        (tools / "gh").write_text(GH)
        (tools / "gh").chmod(0o755)
        path = f"{tools}:{os.environ['PATH']}"
        finished = subprocess.run(
            [sys.executable, "-c", text],
            cwd=tmp_path,
            env={"PATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (finished.returncode != 0) == bool(fails), finished.stderr
        assert fails in finished.stderr
        asked = tools / "asked"
        lines = asked.read_text().splitlines() if asked.exists() else []
        return [json.loads(line) for line in lines]

    return run
