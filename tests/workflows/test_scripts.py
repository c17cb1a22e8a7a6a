"""The scripts inside the workflows: they edit in place, and never say a thing twice."""

import json
from pathlib import Path
from typing import Any

import pytest

from assurance.review.comment import MARKER
from tests.workflows.conftest import Calls, Run, bash, script

TEXT = f'{MARKER}\n"new" `x`\n'
RUN_URL = "https://github.example/o/r/actions/runs/1"
TITLE = "Drift: uat differs from main"
LINES = "- update: `a`\n"
BODY = f"{LINES}\nThe comparison and its evidence: {RUN_URL}\nWhat to do: docs/pipeline.md."


def _comment(number: int, body: str, author: str = "Bot") -> dict[str, Any]:
    return {"id": number, "body": body, "user": {"type": author}}


@pytest.mark.parametrize(
    ("pages", "asked"),
    [
        ([[]], ["--method", "POST", "comments"]),
        ([[_comment(7, "another bot's")]], ["--method", "POST", "comments"]),
        ([[_comment(7, f"{MARKER}\nforged", "User")]], ["--method", "POST", "comments"]),
        (
            [[_comment(7, "no")], [_comment(8, f"{MARKER}\nold")]],
            ["--method", "PATCH", "edited/8"],
        ),
    ],
)
def test_the_comment_is_written_once_and_then_edited(
    run: Run, tmp_path: Path, pages: object, asked: list[str]
) -> None:
    (tmp_path / "comment.md").write_text(TEXT)
    text = script("preview", "comment", "write or edit the comment")
    calls = run(text, pages, COMMENTS="comments", EDITED="edited")
    given = json.dumps({"body": TEXT})
    assert calls[1:] == [["api", *asked, "--input", "-", given]]


def test_a_text_that_is_no_review_is_not_written(run: Run, tmp_path: Path) -> None:
    """The text is the pull request's: it must not choose which comment is edited."""
    (tmp_path / "comment.md").write_text(f"<!-- another bot's -->\n{MARKER}\n")
    text = script("preview", "comment", "write or edit the comment")
    pages = [[_comment(7, "<!-- another bot's -->\nits own")]]
    environment = {"COMMENTS": "comments", "EDITED": "edited"}
    assert run(text, pages, fails=f"does not begin with {MARKER}", **environment) == []


@pytest.mark.parametrize(
    ("report", "known", "asked"),
    [
        ("", [], []),
        ("", [TITLE], [["issue", "close", "5", "--comment", f"Gone: {RUN_URL}", ""]]),
        (LINES, [], [["issue", "create", "--title", TITLE, "--body", BODY, ""]]),
        (LINES, [f"{TITLE} twice"], [["issue", "create", "--title", TITLE, "--body", BODY, ""]]),
        (LINES, [TITLE], [["issue", "edit", "5", "--body", BODY, ""]]),
    ],
)
def test_an_environment_that_drifts_has_one_issue(
    run: Run, tmp_path: Path, report: str, known: list[str], asked: Calls
) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "drift-uat.md").write_text(report)
    text = script("drift", "tell", "open, edit or close the issue of each environment")
    issues = [{"number": 5, "title": title} for title in known]
    assert run(text, issues, RUN=RUN_URL, STACKS="uat")[1:] == asked


def test_an_environment_that_cannot_be_compared_is_no_agreement(run: Run) -> None:
    text = script("drift", "tell", "open, edit or close the issue of each environment")
    calls = run(text, [], RUN=RUN_URL, STACKS="uat")
    assert calls[1][1] == "create"
    assert calls[1][5].startswith("It could not be compared.\n")


@pytest.mark.parametrize(
    ("operations", "told", "summary"),
    [
        (
            ["same", "refresh", "update", "update", "read"],
            "- update: `azure-native:keyvault:Vault::vault`\n",
            "- update: `azure-native:keyvault:Vault::vault`\n",
        ),
        (["same", "refresh"], "", "Nothing differs.\n"),
    ],
)
def test_only_what_differs_is_told(
    run: Run, tmp_path: Path, operations: list[str], told: str, summary: str
) -> None:
    urn = "urn:pulumi:dev::engram::azure-native:keyvault:Vault::vault"
    steps = [{"op": operation, "urn": urn, "newState": "canary"} for operation in operations]
    (tmp_path / "preview.json").write_text(json.dumps({"steps": steps}))
    run(
        script("drift", "compare", "say what differs"),
        STACK="dev",
        GITHUB_STEP_SUMMARY=str(tmp_path / "summary"),
    )
    assert (tmp_path / "report" / "drift-dev.md").read_text() == told
    assert (tmp_path / "summary").read_text() == summary


@pytest.mark.parametrize("labels", [[], ["allow: dimension change", "$(touch evil)", "-wip"]])
def test_labels_reach_the_review_as_they_are(run: Run, tmp_path: Path, labels: list[str]) -> None:
    python = tmp_path / ".local" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nfor word; do echo "$word"; done > arguments\n')
    python.chmod(0o755)
    text = script("preview", "review", "compare with the base")
    run(text, BASE="HEAD^1", LABELS=json.dumps(labels))
    words = (tmp_path / "arguments").read_text().splitlines()
    allowed = [f"--allow={label}" for label in labels]
    assert words == ["-m", "local", "review", "--out", "review", "--base", "HEAD^1", *allowed]


@pytest.mark.parametrize(("size", "is_cut"), [(900_000, False), (900_001, True)])
def test_an_approver_is_told_that_a_plan_is_cut(tmp_path: Path, size: int, is_cut: bool) -> None:
    (tmp_path / "plan.txt").write_text("+" * size)
    text = script("deploy-stack", "plan", "show the plan", "bash")
    summary = tmp_path / "summary"
    assert bash(text, tmp_path, STACK="uat", GITHUB_STEP_SUMMARY=str(summary)).returncode == 0
    first, *middle, last = summary.read_text().splitlines()
    assert middle == ["```", "+" * 900_000, "```"]
    where = "is plan.txt in the artifact plan-uat of this run"
    assert ((where in first), (where in last)) == (is_cut, is_cut)


def _collected(tmp_path: Path, key: str) -> tuple[str, list[str]]:
    """Collect the evidence with a secret; return what was said, and what was asked."""
    python = tmp_path / ".local" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\nfor word; do echo "$word"; done > arguments\n')
    python.chmod(0o755)
    text = script("drift", "compare", "collect the evidence", "bash")
    told = bash(text, tmp_path, STACK="uat", SIGNING_KEY=key, RUNNER_TEMP=str(tmp_path))
    asked = tmp_path / "arguments"
    return told.stderr, asked.read_text().splitlines() if asked.exists() else []


def test_no_evidence_is_signed_by_a_key_that_nobody_knows(tmp_path: Path) -> None:
    said, asked = _collected(tmp_path, "")
    assert "the environment uat-plan has no secret EVIDENCE_SIGNING_KEY" in said
    assert asked == []


def test_the_evidence_is_signed_with_the_key_of_the_environment(tmp_path: Path) -> None:
    said, asked = _collected(tmp_path, "the key")
    key = tmp_path / "evidence.pem"
    assert (said, asked[-2:]) == ("", ["--signing-key", str(key)])
    assert (key.read_text(), key.stat().st_mode & 0o777) == ("the key\n", 0o600)
