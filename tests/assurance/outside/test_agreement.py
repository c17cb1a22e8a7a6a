"""assurance/outside/agreement.py: our rules and checkov's mean the same, or it is said why."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from assurance.checkov.findings import Finding, Findings, run
from assurance.errors import AssuranceError
from assurance.mutation.proof import Trial, prove
from assurance.outside.agreement import (
    FILE,
    NEVER,
    OURS,
    THEIRS,
    Agreement,
    Case,
    Disagreement,
    cases,
    compare,
    faults,
    load,
    write_cases,
)
from assurance.policies.model import Rule
from assurance.policies.rules import load as load_rules
from local.toolchain.environments import ENVIRONMENTS
from tests.assurance.mutation.small import SERVER, rule, small_stack
from tests.assurance.recorded import stack

STACK = "prod"
"""The one with the fewest exceptions: what is accused before the change tells nothing."""


# -- the whole program ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> list[Agreement]:
    """Show every change to both sides, in one run of checkov."""
    checkov = ENVIRONMENTS["checkov"]
    assert checkov.in_step, "checkov is not installed, or not as its lock says"
    rules = [rule for rule in load_rules().values() if rule.checkov]
    shown = cases(prove([stack(STACK)], rules).trials, rules)
    folder = tmp_path_factory.mktemp("cases")
    write_cases(folder, shown, stack(STACK))
    named = {check for rule in rules for check in rule.checkov}
    return compare(shown, run(checkov.tool("checkov"), folder, named), rules)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_our_rules_and_checkovs_agree_or_it_is_said_why(compared: list[Agreement]) -> None:
    assert faults(compared, load(FILE.read_text(encoding="utf-8"))) == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_agreement_is_not_of_nothing(compared: list[Agreement]) -> None:
    assert len(compared) > 40
    assert sum(sum(agreement.together.values()) for agreement in compared) > 200


# -- agreement -----------------------------------------------------------------------------


def _checked(name: str, killing: bool, *checks: str) -> Rule:
    def check(server: Any) -> Any:
        if server.get("key.type") != "own" and killing:
            yield "not encrypted"

    made = rule(name, check, SERVER)
    return Rule(**{**vars(made), "checkov": checks})


def _case(rules: Sequence[Rule]) -> Case:
    trials: dict[Any, Trial] = {t.kind: t for t in prove([small_stack()], rules).trials}
    return Case(name="case-1", before="before-0", trial=trials[SERVER, "key.type", "remove"])


def _found(*files: str) -> Findings:
    failed = tuple(Finding(check="CKV_1", resource=f"{file}/it", says="no") for file in files)
    return Findings(failed=failed, judged=frozenset(), checks=frozenset({"CKV_1"}))


@pytest.mark.parametrize(
    ("killing", "found", "together", "alone"),
    [
        (True, _found("case-1"), 1, []),
        (True, _found("case-1-arm", "case-1-plan"), 1, []),
        (True, _found(), 0, [OURS]),
        (True, _found("before-0", "case-1"), 0, []),
        (True, _found("before-0-arm", "case-1-arm", "case-1-plan"), 1, []),
        (False, _found("case-1"), 0, [THEIRS]),
        (False, _found(), 0, []),
    ],
)
def test_who_accuses_a_change_is_compared(
    killing: bool, found: Findings, together: int, alone: list[str]
) -> None:
    rules = [_checked("encrypted", killing, "CKV_1", "CKV_UNKNOWN")]
    (agreement,) = compare([_case(rules)], found, rules)
    assert agreement.checks == ("CKV_1",)
    assert agreement.together.get("CKV_1", 0) == together
    assert [side for side, _ in agreement.alone] == alone


def test_what_another_rule_of_ours_accuses_is_no_disagreement() -> None:
    rules = [_checked("silent", False, "CKV_1"), _checked("speaking", True)]
    (agreement,) = compare([_case(rules)], _found("case-1"), rules)
    assert dict(agreement.alone) == {}


def test_one_change_of_each_kind_is_shown_where_a_rule_names_checks() -> None:
    rules = [_checked("encrypted", True, "CKV_1"), _checked("other", True)]
    shown = cases(prove([small_stack()], rules).trials, rules)
    assert {case.trial.kind[1] for case in shown} == {"key", "key.type"}
    assert {case.before for case in shown} == {"before-0"}
    assert cases(prove([small_stack()], rules[1:]).trials, rules[1:]) == []


ENTRY = Disagreement(
    rule="encrypted", alone=OURS, type="*", place="key*", change="*", reason="they read no type"
)


def test_what_is_explained_is_no_fault_and_what_explains_nothing_is() -> None:
    rules = [_checked("encrypted", True, "CKV_1")]
    apart = compare([_case(rules)], _found(), rules)
    assert faults(apart, [ENTRY]) == ["encrypted and CKV_1 never accused the same change"]
    never = replace(ENTRY, alone=NEVER, type="", place="", change="CKV_1")
    assert faults(apart, [ENTRY, never]) == []
    assert faults(apart, [])[0] == "encrypted: ours alone at remove of key.type in azure:Server"
    agreed = compare([_case(rules)], _found("case-1"), rules)
    assert faults(agreed, [ENTRY]) == [
        "encrypted, ours alone, * of key* in *: there is no such disagreement; remove the entry"
    ]


@pytest.mark.parametrize("text", ["[{rule: a}]", "[{rule: a, alone: b}]"])
def test_an_entry_that_leaves_something_out_is_refused(text: str) -> None:
    with pytest.raises(AssuranceError, match="must say alone, change, place, reason, rule, type"):
        load(text)
