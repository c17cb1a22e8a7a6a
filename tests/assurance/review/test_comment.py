"""assurance/review/comment.py and what it is made of"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from assurance.review.comment import LIMIT, MARKER, comment, report
from assurance.review.html import html
from assurance.review.review import Review, assemble
from sizing.prices import PriceBook
from tests.assurance.review.states import Step, step, written

ALERT = "azure-native:monitor:MetricAlert"
SCHEMA = "pulumi-python:dynamic/memory:VectorSchema"
SERVER = "azure-native:dbforpostgresql:Server"
PROTECTED = step("same", "azure-native:keyvault:Key", "key", {}, {}, protect=True)


def reviewed(folder: Path, *labels: str) -> Review:
    return assemble(folder, frozenset(labels), PriceBook(), "USD")


def text_of(folder: Path, *labels: str) -> str:
    return comment(reviewed(folder, *labels)).markdown


def judged(folder: Path, name: str, found: Sequence[Mapping[str, Any]]) -> Path:
    (folder / "dev" / name).write_text(
        json.dumps({"rules": 7, "findings": list(found)}), encoding="utf-8"
    )
    return folder


def finding(rule: str, verdict: str = "violation") -> dict[str, str]:
    return {
        "rule": rule,
        "severity": "high",
        "verdict": verdict,
        "resource": f"dev/{SERVER}::engram-dev-server",
        "says": "x is a; allowed: b",
        "remediation": "Set `x` to b.",
        "reason": "",
    }


ALLOWED = "⚠ Allowed, with loss: dev would change"
STOPPED = "✖ Stop: this cannot go to dev as it is"
CHANGED = step("update", ALERT, "a", {"b": 1}, {"b": 2})
DELETED = step("delete", SERVER, "s", {})
TITLES: list[tuple[list[Step], tuple[str, ...], str, bool]] = [
    ([], (), "✔ No environment changes", True),
    ([CHANGED], (), "✔ Nothing is lost: dev would change", True),
    ([DELETED], (), ALLOWED, True),
    ([DELETED, PROTECTED], (), STOPPED, False),
    ([DELETED, PROTECTED], ("allow-data-deletion",), ALLOWED, True),
]


@pytest.mark.parametrize(("steps", "labels", "title", "ok"), TITLES)
def test_the_first_line_decides(
    steps: list[Step], labels: tuple[str, ...], title: str, ok: bool, tmp_path: Path
) -> None:
    folder = written(tmp_path, steps)
    assert text_of(folder, *labels).splitlines()[:2] == [MARKER, f"## {title}"]
    assert reviewed(folder, *labels).ok is ok


@pytest.mark.parametrize("missing", ["preview.json", "policies.json", "steps"])
def test_what_nobody_judged_is_in_the_way(missing: str, tmp_path: Path) -> None:
    folder = written(tmp_path, [])
    if missing == "steps":
        (folder / "dev" / "preview.json").write_text('{"steps": []}', encoding="utf-8")
    else:
        (folder / "dev" / missing).unlink()
    text = text_of(folder)
    assert text.splitlines()[1:4] == [f"## {STOPPED}", "", "- was not judged: dev"]
    assert "| **dev** | ✖ stopped |" in text


def test_what_is_lost_stands_before_what_is_counted(tmp_path: Path) -> None:
    text = text_of(written(tmp_path, [step("delete", SERVER, "s", {}), PROTECTED]))
    assert text.index("Data would be deleted") < text.index("| environment |")
    assert "sets the label `allow-data-deletion`" in text


def test_what_users_notice_is_said(tmp_path: Path) -> None:
    old, new = ({"sku": {"name": name}} for name in "ab")
    text = text_of(written(tmp_path, [step("update", SERVER, "s", old, new)]))
    assert "**dev**: Azure restarts the server for another size" in text


def test_a_failed_preview_is_part_of_the_comment(tmp_path: Path) -> None:
    folder = written(tmp_path, [])
    words = "\n".join(f"line {i}" for i in range(30))
    (folder / "dev" / "failure.txt").write_text(words, encoding="utf-8")
    text = text_of(folder)
    assert "✖ Stop" in text
    assert "**dev cannot be previewed**" in text
    assert "line 11\n> ... and 18 lines more" in text
    assert "line 29" in html("t", report(reviewed(folder)))
    assert not reviewed(folder).ok


def test_a_change_of_the_judges_is_said(tmp_path: Path) -> None:
    folder = written(tmp_path, [], files=["assurance/policies/exceptions.yaml", "README.md"])
    text = text_of(folder)
    assert "changes its own judges" in text
    assert "`assurance/policies/exceptions.yaml`" in text
    assert "README" not in text


@pytest.mark.parametrize(
    ("file", "judges"),
    [
        ("assurance/__main__.py", True),
        ("local/review/sources.py", True),
        ("memory/schema/plan_columns.py", True),
        ("sizing/prices.py", True),
        (".github/workflows/check.yml", True),
        ("Makefile", True),
        ("requirements.txt", True),
        ("requirements-dev.in", True),
        ("memory/server.py", False),
        ("components/postgres.py", False),
        ("docs/Makefile", False),
    ],
)
def test_whatever_judges_is_a_judge(file: str, judges: bool, tmp_path: Path) -> None:
    review = reviewed(written(tmp_path, [], files=[file]))
    assert review.judges_changed == ((file,) if judges else ())


def test_of_many_judges_the_strictest_are_named(tmp_path: Path) -> None:
    files = [f".github/{i}.yml" for i in range(20)]
    text = text_of(written(tmp_path, [], files=[*files, "assurance/policies/exceptions.yaml"]))
    assert "`assurance/policies/exceptions.yaml`" in text
    assert "and 11 more" in text


def test_words_only_need_one_line(tmp_path: Path) -> None:
    text = text_of(written(tmp_path, [], stacks=[], files=["README.md"]))
    assert text.splitlines()[1:] == [
        "## ✔ No environment changes",
        "",
        "1 file changed against `main`, and the program reads none of them: nothing was deployed "
        "to compare.",
    ]


def test_violations_of_the_change_come_before_those_of_the_base(tmp_path: Path) -> None:
    folder = judged(
        written(tmp_path, []), "policies-before.json", [finding("old"), finding("gone")]
    )
    judged(
        folder,
        "policies.json",
        [finding("old"), finding("new"), finding("soon", "not yet decidable")],
    )
    text = text_of(folder)
    assert text.index("### Rules that this change breaks") < text.index("`new`")
    assert text.index("`new`") < text.index("1 violation of the base, which")
    assert text.index("1 violation of the base, which") < text.index("`old`")
    assert "1 violation of the base would be gone" in text
    assert text.index("1 finding not yet decidable") < text.index("`soon`")
    assert "7 rules: 2 violations (advice here), 1 not yet decidable" in text


@pytest.mark.parametrize(("stack", "ok"), [("dev", True), ("uat", False)])
def test_a_violation_stops_where_the_rules_are_mandatory(
    stack: str, ok: bool, tmp_path: Path
) -> None:
    folder = judged(written(tmp_path, [], stacks=[stack]), "policies.json", [finding("new")])
    (folder / "dev").rename(folder / stack)
    assert reviewed(folder).ok is ok


def test_a_comment_always_fits(tmp_path: Path) -> None:
    wide = {f"property{i}": "x" * 70 for i in range(3)}
    steps = [step("update", ALERT, f"alert-{i}", {}, wide) for i in range(900)]
    folder = written(tmp_path, steps)
    long = [finding(f"rule-{i}") | {"says": "y" * 4000} for i in range(60)]
    judged(folder, "policies.json", long)
    text = text_of(folder)
    assert len(text.encode()) <= LIMIT
    assert "more in the full report" in text
    assert "alert-899" in html("t", report(reviewed(folder)))


def test_one_long_line_does_not_cost_the_rest(tmp_path: Path) -> None:
    folder = judged(
        written(tmp_path, [CHANGED]), "policies.json", [finding("r") | {"says": "y" * 70_000}]
    )
    text = text_of(folder)
    assert len(text.encode()) <= LIMIT
    assert "y…" in text
    assert "### What changes" in text


def test_a_comment_that_no_table_makes_fit_keeps_what_is_loud(tmp_path: Path) -> None:
    script = {"database": "d", "desired": None, "plan": {"a": ["SELECT 1" * 20] * 3000}}
    deleted = [step("delete", SERVER, f"@s{i}" * 200, {}) for i in range(300)]
    many = [step("create", SCHEMA, "", None, script), *deleted, PROTECTED]
    folder = written(tmp_path, many, files=["assurance/x.py"])
    text = text_of(folder)
    assert len(text.encode()) <= LIMIT
    assert f"## {STOPPED}" in text
    assert "`assurance/x.py`" in text
    assert "Data would be deleted" in text
    assert "`dbforpostgresql:Server @s0@s0" in text
    assert "and 280 more in the full report" in text
    assert "sets the label `allow-data-deletion`" in text
    assert "SELECT 1" not in text
    assert text.endswith("The rest is in the full report.\n")
    assert html("t", report(reviewed(folder))).count("SELECT 1") >= 3000


def test_the_same_recording_gives_the_same_words(tmp_path: Path) -> None:
    steps = [step("update", ALERT, name, {"b": 1}, {"b": 2}) for name in "cab"]
    folder = judged(written(tmp_path, steps), "policies.json", [finding("r")])
    assert text_of(folder) == text_of(folder)
