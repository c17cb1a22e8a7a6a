"""actionlint and zizmor find nothing in the workflows."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflows.conftest import PROJECT

ACTIONLINT = PROJECT / ".local" / "bin" / "actionlint"
ZIZMOR = Path(sys.prefix) / "bin" / "zizmor"
# What the machine happens to have installed must not decide whether the tests pass.
ACTIONLINT_FLAGS = ("-no-color", "-shellcheck=", "-pyflakes=")
UNSAFE = """\
on: pull_request_target
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ github.event.pull_request.title }}
"""


def _judged(*command: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)


def _actionlint(*files: Path) -> "subprocess.CompletedProcess[str]":
    assert ACTIONLINT.exists(), "actionlint is not built: run `make .local/bin/actionlint`"
    return _judged(ACTIONLINT, *ACTIONLINT_FLAGS, *files)


def _zizmor(place: Path) -> "subprocess.CompletedProcess[str]":
    config = PROJECT / ".github" / "zizmor.yml"
    return _judged(ZIZMOR, "--offline", "--persona=auditor", "--config", config, place)


def test_actionlint_finds_nothing() -> None:
    answer = _actionlint(*sorted((PROJECT / ".github" / "workflows").glob("*.yml")))
    assert (answer.stdout, answer.returncode) == ("", 0)


def test_zizmor_finds_nothing() -> None:
    answer = _zizmor(PROJECT / ".github")
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(
    ("judge", "words"), [(_actionlint, "is potentially untrusted"), (_zizmor, "dangerous-triggers")]
)
def test_both_judges_see_what_is_wrong(judge: object, words: str, tmp_path: Path) -> None:
    workflow = tmp_path / "unsafe.yml"
    workflow.write_text(UNSAFE)
    answer = judge(workflow)  # type: ignore[operator] # a table of functions
    assert answer.returncode != 0
    assert words in answer.stdout + answer.stderr
