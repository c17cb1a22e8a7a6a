"""What the rules say, as the commands ask for it and tell it."""

import argparse
import io
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from local.commands import policies, preview, up
from local.commands.session import STACKS, Session
from local.engine import PREVIEWED, UNATTENDED, Engine
from local.errors import LocalError
from local.paths import Paths

PROJECT = Path(policies.__file__).parents[2]
FOUND = {
    "rule": "postgres-customer-managed-key",
    "severity": "critical",
    "verdict": "violation",
    "resource": "engram-uat-server",
    "says": "dataEncryption.type is [system]; allowed: AzureKeyVault",
    "remediation": "name a key",
}
CLEAN: dict[str, Any] = {
    "rules": 2,
    "resources": 3,
    "violations": 0,
    "undecided": 1,
    "exceptions": 2,
    "findings": [{**FOUND, "verdict": "exception"}],
}
BROKEN = {**CLEAN, "violations": 1, "findings": [*CLEAN["findings"], FOUND]}


def _clone(folder: Path, enforcement: object, answer: str = "") -> Path:
    """A clone whose rules answer what they are told to."""
    enforced = folder / policies.PACK / "enforcement" / "uat.json"
    enforced.parent.mkdir(parents=True)
    enforced.write_text(json.dumps(enforcement))
    door = f"import json, sys\nassert json.load(sys.stdin) == {{'a': 1}}\n{answer}\n"
    (folder / "assurance" / "__main__.py").write_text(door)
    return folder


@pytest.mark.parametrize("stack", STACKS)
def test_every_stack_has_an_enforcement_that_the_engine_is_told(stack: str) -> None:
    pack, file = policies.flags(stack)[1::2]
    assert policies.flags(stack)[::2] == ("--policy-pack", "--policy-pack-config")
    assert (PROJECT / pack / "PulumiPolicy.yaml").exists()
    assert (PROJECT / file).name == f"{stack}.json"
    assert policies.may_stop(PROJECT, stack) == (stack in {"uat", "prod"})


@pytest.mark.parametrize(
    ("enforcement", "expected"),
    [
        ({"all": "advisory"}, False),
        ({"all": "mandatory"}, True),
        ({}, True),
        ({"all": "advisory", "a": "mandatory"}, True),
        ({"all": "advisory", "a": {"enforcementLevel": "mandatory"}}, True),
    ],
)
def test_a_violation_stops_where_any_rule_is_more_than_advice(
    tmp_path: Path, enforcement: object, expected: bool
) -> None:
    assert policies.may_stop(_clone(tmp_path, enforcement), "uat") == expected


def test_the_rules_are_asked_in_a_process_of_their_own(tmp_path: Path) -> None:
    clone = _clone(tmp_path, {}, f"print({json.dumps(json.dumps(CLEAN))}); sys.exit(1)")
    assert policies.judge({"a": 1}, clone) == CLEAN


@pytest.mark.parametrize(
    ("answer", "words"),
    [("sys.exit('no rules')", "no rules"), ("", "no answer"), ("print('?')", r"\?")],
)
def test_rules_that_do_not_answer_are_no_pass(tmp_path: Path, answer: str, words: str) -> None:
    clone = _clone(tmp_path, {}, answer)
    with pytest.raises(LocalError, match=f"the policies cannot be asked:\n{words}"):
        policies.judge({"a": 1}, clone)


def test_a_violation_is_told_with_rule_resource_and_remedy() -> None:
    words = (
        "postgres-customer-managed-key (critical): engram-uat-server: "
        "dataEncryption.type is [system]; allowed: AzureKeyVault\n  name a key"
    )
    assert policies.in_words(FOUND) == words


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        (CLEAN, "0 violations, 1 not yet decidable, 2 exceptions in use"),
        (BROKEN, "1 violation, 1 not yet decidable, 2 exceptions in use"),
    ],
)
def test_the_summary_counts_and_shows_every_violation(verdict: Any, words: str) -> None:
    shown = io.StringIO()
    policies.show_all(Console(file=shown, width=400, highlight=False), verdict)
    assert f"policies  2 rules judged 3 resources: {words}" in shown.getvalue()
    assert ("[system]" in shown.getvalue()) == (verdict == BROKEN)


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "error: preview failed\n",
            "cannot be previewed:\npostgres-customer-managed-key (critical)",
        ),
        ("error: no such SKU\n", "cannot be previewed:\nerror: no such SKU"),
    ],
)
def test_what_refuses_a_preview_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, message: str, words: str
) -> None:
    """A preview that failed for another reason is no plan that rules could judge."""
    diagnostics = [{"severity": "error", "message": message}]
    plan = json.dumps({"steps": [{}], "diagnostics": diagnostics})
    engine = SimpleNamespace(
        on_stack=lambda *_arguments, **_how: SimpleNamespace(returncode=1, stdout=plan)
    )
    monkeypatch.setattr(Session, "engine", lambda _session, _lock: engine)
    monkeypatch.setattr(policies, "judge", lambda _document, _project: BROKEN)
    paths = Paths(project=tmp_path, local=tmp_path)
    session = Session(paths=paths, stack="uat", console=Console(quiet=True), as_json=True)
    with pytest.raises(LocalError, match=re.escape(words)):
        preview.run(session, argparse.Namespace())


class _Engine:
    """An engine that ends as it is told, and notes how it was asked."""

    stack = "uat"

    def __init__(self, project: Path, code: int, runs: int) -> None:
        self.paths = Paths(project=project, local=project)
        self.asked: tuple[str, ...] = ()
        self._code, self._runs = code, runs

    @property
    def runs(self) -> int:
        return self._runs if self.asked else 0

    def on_stack(self, *arguments: str) -> SimpleNamespace:
        self.asked = arguments
        return SimpleNamespace(returncode=self._code)


@pytest.mark.parametrize(("level", "how"), [("mandatory", PREVIEWED), ("advisory", UNATTENDED)])
def test_a_preview_comes_first_where_it_may_stop_the_run(
    tmp_path: Path, level: str, how: tuple[str, ...]
) -> None:
    engine = _Engine(_clone(tmp_path, {"all": level}), code=0, runs=1)
    up.deploy(cast(Engine, engine))
    assert engine.asked == ("up", *how, *policies.flags("uat"))


@pytest.mark.parametrize(
    ("code", "runs", "words"),
    [
        (255, 0, "stack uat is not up, and nothing was changed; the messages above say why"),
        (255, 1, "stack uat is not up; the messages above say why. What was created stays"),
        (-9, 0, "stack uat is not up; the messages above say why. What was created stays"),
    ],
)
def test_a_failure_says_whether_anything_was_made(
    tmp_path: Path, code: int, runs: int, words: str
) -> None:
    engine = _Engine(_clone(tmp_path, {}), code=code, runs=runs)
    with pytest.raises(LocalError, match=words):
        up.deploy(cast(Engine, engine))
