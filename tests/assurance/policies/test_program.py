"""assurance/policies: the program keeps all rules, and each rule says what it is for."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from assurance.policies.exceptions import RULE, judged, kept
from assurance.policies.judge import Verdict, judge
from assurance.policies.model import UNKNOWN, Resource, Rule, Stack
from assurance.policies.rules import load
from tests.assurance.recorded import stack
from tests.stacks.files import STACKS

SUBJECTS = {
    *("postgres", "vault", "key", "secret", "network", "cluster", "nodes", "pod", "container"),
    *("workload", "namespace", "rbac", "identity", "service", "storage", "monitoring", "naming"),
    *("residency", "schema", "stack"),
}
FUNCTIONS = re.compile(r"(GOVERN|MAP|MEASURE|MANAGE) [1-6]\.\d{1,2}")
CONTROLS = re.compile(r"[A-Z]{2}-\d{1,2}(\(\d{1,2}\))?")
RULES = [*load().values(), RULE]


@pytest.mark.parametrize("name", STACKS)
def test_an_environment_keeps_every_rule_or_says_why_not(name: str) -> None:
    found = judged(stack(name), kept(), datetime.now(UTC).date())
    wrong = [f"{it.rule.name} of {it.place(name)}: {it.says}" for it in found
             if it.verdict is not Verdict.EXCEPTION]  # fmt: skip
    assert wrong == []
    assert found != []


def test_every_exception_is_for_something_that_the_program_declares() -> None:
    """One for nothing is unused nowhere, and would be kept for ever."""
    covered = {
        str(entry)
        for name in STACKS
        for it in judge(stack(name))
        for entry in kept()
        if entry.covers(it.rule.name, it.place(name), it.says)
    }
    assert [str(entry) for entry in kept() if str(entry) not in covered] == []


def test_a_first_preview_violates_nothing_that_an_update_will_not() -> None:
    """Whatever comes from another resource is not known then, and nothing has an id."""
    fresh = [replace(it, raw=_before_any(it), id="", outputs={}) for it in stack("prod").resources]
    found = judged(Stack(tuple(fresh), "prod"), kept(), datetime.now(UTC).date())
    assert [it.rule.name for it in found if it.verdict is Verdict.VIOLATION] == []
    early = {it.rule.name for it in found if it.verdict is Verdict.UNDECIDED}
    assert {"postgres-customer-managed-key", "pod-not-root"} <= early
    assert not {"key-granted-before-use", "postgres-locked", "postgres-logs-kept"} & early


def _before_any(resource: Resource) -> dict[str, Any]:
    wired = {key for key, urns in resource.property_dependencies.items() if urns}
    return {key: UNKNOWN if key in wired else given for key, given in resource.raw.items()}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_what_it_is_for(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", rule.name)
    assert rule.name.split("-")[0] in SUBJECTS
    assert rule.title[0].isupper() or rule.title[0] in "'\"`"
    assert not rule.title.endswith(".")
    assert len(rule.title) < 100
    assert rule.remediation.endswith(".")
    assert rule.ai_rmf
    assert all(FUNCTIONS.fullmatch(it) for it in rule.ai_rmf)
    assert all(CONTROLS.fullmatch(it) for it in rule.sp800_53)


def test_every_type_of_the_program_is_looked_at_or_needs_no_look() -> None:
    declared = {resource.type for name in STACKS for resource in stack(name).resources}
    judged_types = {kind for rule in RULES for kind in rule.types}
    unseen = {it for it in declared - judged_types if not it.startswith("pulumi:providers:")}
    assert unseen <= LOOKED_AT_BY_RULES_OF_THE_STACK


LOOKED_AT_BY_RULES_OF_THE_STACK = {
    "azure-native:authorization:ManagementLockByScope",
    "azure-native:dbforpostgresql:AdministratorsMicrosoftEntra",
    "azure-native:dbforpostgresql:Configuration",
    "azure-native:monitor:DiagnosticSetting",
    "azure-native:network:PrivateDnsZoneGroup",
    "kubernetes:scheduling.k8s.io/v1:PriorityClass",
    "random:index/randomString:RandomString",
}
"""Each is worth something only for another resource; a suffix and a priority guard nothing."""
