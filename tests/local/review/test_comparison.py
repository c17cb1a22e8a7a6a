"""local/commands/review.py, local/review/scratch.py and record.py, without an engine"""

import argparse
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from assurance.policies.model import UNKNOWN, Secret
from assurance.policies.state import plain
from local.commands import review
from local.commands.session import Session
from local.errors import LocalError
from local.paths import Paths
from local.review import record, scratch
from local.review.scratch import Base

Answer = subprocess.CompletedProcess[str]
Call = tuple[str, ...]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, Answer]], list[Call]]:
    """Answer commands of ``local`` by their first word, and note them with program and cloud."""

    def answering(answers: dict[str, Answer]) -> list[Call]:
        seen: list[Call] = []

        def run(_python: Path, program: Path, folder: Path, *words: str) -> Answer:
            seen.append((program.name, str(folder), *words))
            return answers.get(words[0], subprocess.CompletedProcess(words, 0, "", ""))

        monkeypatch.setattr(scratch, "run", run)
        return seen

    return answering


def failed(words: str) -> Answer:
    return subprocess.CompletedProcess((), 1, "", words)


def based(tmp_path: Path, *stacks: str) -> Base:
    folder = tmp_path / "base"
    folder.mkdir()
    for stack in stacks:
        (folder / f"Pulumi.{stack}.yaml").touch()
    return Base(folder=folder)


def test_the_base_comes_up_and_the_head_is_previewed_in_one_cloud_of_its_own(
    calls: Callable[[dict[str, Answer]], list[Call]], tmp_path: Path
) -> None:
    seen = calls({})
    head = tmp_path / "head"
    review.compare(head, based(tmp_path, "uat"), "uat", tmp_path / "out")
    assert [(program, words[0]) for program, _, *words in seen] == [
        ("base", "up"), ("head", "review"), ("head", "clean"),
    ]  # fmt: skip
    clouds = {cloud for _, cloud, *_ in seen}
    assert len(clouds) == 1
    assert not Path(clouds.pop()).exists(), "it is gone afterwards"


def test_a_new_stack_is_previewed_against_nothing(
    calls: Callable[[dict[str, Answer]], list[Call]], tmp_path: Path
) -> None:
    seen = calls({})
    review.compare(tmp_path, based(tmp_path), "uat", tmp_path / "out")
    assert [words[0] for _, _, *words in seen] == ["review", "clean"]


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"up": failed("no space left")}, "the base cannot be brought up:\nno space left"),
        ({"review": failed("no such module")}, "no such module"),
    ],
)
def test_what_fails_is_written_for_the_comment_and_the_cloud_is_removed(
    answers: dict[str, Answer],
    words: str,
    calls: Callable[[dict[str, Answer]], list[Call]],
    tmp_path: Path,
) -> None:
    seen = calls(answers)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "preview.json").write_text("{}", encoding="utf-8")
    review.compare(tmp_path, based(tmp_path, "dev"), "dev", tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["failure.txt"]
    assert (tmp_path / "out" / "failure.txt").read_text(encoding="utf-8") == words
    assert seen[-1][2:] == ("clean",)


def test_a_base_that_stands_and_fails_a_check_can_be_compared(
    calls: Callable[[dict[str, Answer]], list[Call]], tmp_path: Path
) -> None:
    calls({"up": failed("a check says NO")})
    history = tmp_path / "cloud" / "state" / ".pulumi" / "history" / "engram" / "dev"
    history.mkdir(parents=True)
    (history / "dev-1.history.json").write_text('{"result": "succeeded"}', encoding="utf-8")
    assert review.bring_up(based(tmp_path, "dev"), "dev", tmp_path / "cloud") == ""


@pytest.mark.parametrize(("theirs", "made"), [("1", 0), ("2", 1)])
def test_the_base_borrows_the_environment_only_where_the_locks_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str, made: int
) -> None:
    project, base = tmp_path / "project", tmp_path / "base"
    for folder, lock in ((project, "1"), (base, theirs)):
        folder.mkdir()
        (folder / "requirements-dev.txt").write_text(lock, encoding="utf-8")
    bootstraps: list[Path] = []

    def run(_line: object, *, cwd: Path, **_how: object) -> Answer:
        bootstraps.append(cwd)
        return Answer([], 0, "", "")

    monkeypatch.setattr("local.review.scratch.subprocess.run", run)
    scratch._lend_environment(project, base)
    assert bootstraps == [base] * made
    assert (base / ".local" / "venv").is_symlink() == (not made)


def test_no_policy_stops_the_base(tmp_path: Path) -> None:
    folder = tmp_path / "assurance" / "policies" / "enforcement"
    folder.mkdir(parents=True)
    (folder / "uat.json").write_text('{"all": "mandatory"}', encoding="utf-8")
    scratch._mute_policies(tmp_path)
    assert json.loads((folder / "uat.json").read_text(encoding="utf-8")) == {"all": "advisory"}


def test_without_a_base_says_how_to_name_one(tmp_path: Path) -> None:
    session = Session(
        paths=Paths(project=tmp_path, local=tmp_path),
        stack="dev",
        console=Console(quiet=True),
        as_json=True,
    )
    with pytest.raises(LocalError, match="say `make review BASE=main`"):
        review.run(session, argparse.Namespace(into=None, base=None))


def test_a_label_that_begins_like_an_option_is_a_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_how: Any) -> Answer:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    (tmp_path / review.PAGES[-1]).touch()
    session = SimpleNamespace(paths=Paths(project=tmp_path, local=tmp_path))
    chosen = argparse.Namespace(allow=["-wip", "allow-x"], prices=None, currency=None)
    assert review.render(cast(Session, session), chosen, tmp_path) == 0
    [command] = asked
    assert command[-3:] == [str(tmp_path), "--allow=-wip", "--allow=allow-x"]


STACK = {"type": "pulumi:pulumi:Stack", "new": {"outputs": {"sizing": 1}}}
EARLIER = {**STACK, "new": {"outputs": {"sizing": 0}}}


@pytest.mark.parametrize(
    ("events", "outputs"),
    [
        (
            [{"resOutputsEvent": {"metadata": each}} for each in (EARLIER, STACK)],
            {"sizing": 1},
        ),
        ([{"resOutputsEvent": {"metadata": {**STACK, "new": None}}}], {}),
        ([{"resourcePreEvent": {"metadata": STACK}}], {}),
        ([], {}),
    ],
)
def test_reads_what_the_stack_would_export(
    events: list[dict[str, Any]], outputs: dict[str, Any]
) -> None:
    assert record.outputs_after(iter(events)) == outputs


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("", False),
        ("error: no", False),
        ("[]", False),
        ('{"steps": []}', False),
        ('{"steps": [1]}', True),
    ],
)
def test_an_engine_that_failed_early_has_no_document(output: str, found: bool) -> None:
    assert bool(record.as_document(output)) is found


@pytest.mark.parametrize(
    ("code", "output", "failure"),
    [
        (0, "", "the engine wrote no preview"),
        (0, '{"steps": []}', "the engine wrote no preview"),
        (1, "error: no", "error: no"),
        (1, "", "the engine wrote no preview"),
        (0, '{"steps": [1]}', ""),
        (1, '{"steps": [1], "diagnostics": [{"severity": "error", "message": "no"}]}', "no"),
    ],
)
def test_a_stack_without_a_preview_says_why(code: int, output: str, failure: str) -> None:
    answer = subprocess.CompletedProcess((), code, output, "")
    assert record.failure_of(answer) == failure


def test_the_word_for_a_secret_is_one_to_the_rules() -> None:
    inputs = {"a": ["[secret]"], "b": 1}
    document = record.as_document(json.dumps({"steps": [{"newState": {"inputs": inputs}}]}))
    (step,) = document["steps"]
    assert plain(step["newState"]["inputs"]) == {"a": [Secret(UNKNOWN)], "b": 1}
