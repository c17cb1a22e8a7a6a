"""policies.md: every rule, what it asks for, and who else asks for the same."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from assurance.outside.agreement import FILE, NEVER, OURS, THEIRS, Disagreement
from assurance.outside.agreement import load as load_differences
from assurance.policies.exceptions import kept
from assurance.policies.model import Rule
from assurance.policies.rules import load
from docs.generator.text import document, prose, table

OUTSIDE = Path(__file__).parent.parent.parent / "assurance/policies/outside_rules.csv"
NONE = "none"
WHO = {OURS: "the rule", THEIRS: "the check", NEVER: "never both"}
SUBJECTS = {
    "postgres": "PostgreSQL",
    "vault": "Key vaults",
    "key": "Keys",
    "secret": "Secrets",
    "network": "Network",
    "cluster": "The cluster",
    "nodes": "Nodes",
    "namespace": "Namespaces",
    "pod": "Pods",
    "container": "Containers",
    "service": "Services",
    "rbac": "Rights",
    "storage": "Storage",
    "monitoring": "Monitoring",
    "naming": "Names",
    "residency": "Residency",
    "schema": "The schema of the memory",
    "stack": "The stack as a whole",
}
"""What the first word of a rule's name stands for, in the order of the page."""


def page() -> str:
    """Return the whole page."""
    rules = list(load().values())
    blocks = [
        f"{len(rules)} rules, mandatory in uat and prod, advisory in dev and test. What a preview"
        " does not know yet is reported as not yet decidable, and decided by the update."
        " Absence is a violation.",
        "That each rule notices what it guards is shown in"
        " [the proof by mutation](policy-proof.md). Exceptions are in"
        " `assurance/policies/exceptions.yaml`.",
    ]
    for subject, title in SUBJECTS.items():
        blocks += _chapter(title, [rule for rule in rules if _subject(rule) == subject])
    blocks += _differences()
    return document("Policies", "`assurance/policies/rules/`", blocks)


def subjects(rules: Iterable[Rule]) -> set[str]:
    """Return the first words of the rules' names; the page has a chapter for each."""
    return {_subject(rule) for rule in rules}


def _subject(rule: Rule) -> str:
    return rule.name.split("-", 1)[0]


def _chapter(title: str, rules: Sequence[Rule]) -> Iterator[str]:
    if rules:
        yield f"## {title}"
        yield table(
            ("rule", "severity", "what is so", "what to do otherwise", "exceptions"),
            (
                (
                    f"`{rule.name}`",
                    rule.severity,
                    rule.title,
                    rule.remediation,
                    str(_exceptions().get(rule.name, "")),
                )
                for rule in rules
            ),
        )
        yield "Who else asks for it:"
        yield table(
            ("rule", "NIST AI RMF", "NIST SP 800-53", "Azure Policy", "checkov", "trivy", "PSRule"),
            (_crosswalk(rule) for rule in rules),
        )


def _crosswalk(rule: Rule) -> tuple[str, ...]:
    policies = [f"{_titles().get(guid, '')} (`{guid}`)".strip() for guid in rule.azure_policy]
    return (
        f"`{rule.name}`",
        _listed(rule.ai_rmf),
        _listed(rule.sp800_53),
        _listed(policies),
        _listed(rule.checkov),
        _listed(rule.trivy),
        _listed(rule.psrule),
    )


def _differences() -> Iterator[str]:
    yield "## Where a rule and its checks of checkov differ"
    yield (
        "Every change that [the proof](policy-proof.md) makes to something that both look at is"
        " shown to both. They accuse the same, but for these; the tests fail at any other"
        " difference, and at a line here that is none any more."
    )
    yield table(
        ("rule", "who accuses alone", "at", "why"),
        (
            (f"`{entry.rule}`", WHO[entry.alone], _place(entry), entry.reason)
            for entry in load_differences(FILE.read_text(encoding="utf-8"))
        ),
    )


def _place(entry: Disagreement) -> str:
    if entry.alone == NEVER:
        return f"`{entry.change}`"
    return "all that it reads" if entry.place == "*" else f"`{entry.place}`"


def _listed(words: Sequence[str]) -> str:
    return "; ".join(words) or NONE


@cache
def _titles() -> dict[str, str]:
    """Return the titles of outside rules by their ids."""
    with OUTSIDE.open(encoding="utf-8", newline="") as file:
        return {row["id"]: prose(row["title"]) for row in csv.DictReader(file)}


@cache
def _exceptions() -> dict[str, int]:
    counted: dict[str, int] = {}
    for entry in kept():
        counted[entry.check] = counted.get(entry.check, 0) + 1
    return counted
