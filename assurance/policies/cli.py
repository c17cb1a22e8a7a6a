"""``python -m assurance policies``: what the rules are, and what they say of a stack."""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assurance.errors import AssuranceError
from assurance.policies import exceptions, rules, state
from assurance.policies.judge import Finding, Verdict
from assurance.policies.model import Rule

STYLES = {Verdict.VIOLATION: "red", Verdict.UNDECIDED: "yellow", Verdict.EXCEPTION: "dim"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``policies``."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="action")
    commands.add_parser("list", help="what every environment must be").add_argument(
        "--json", action="store_true", help="one JSON document on stdout"
    )
    check = commands.add_parser(
        "check",
        help="judge a state or a preview",
        description=(
            "Judges every resource of a file, and the stack as a whole. Ends with 1 where a rule"
            " is violated; what a preview does not know yet is said, and does not count."
        ),
    )
    check.add_argument(
        "file",
        type=Path,
        help="of `pulumi stack export` or `pulumi preview --json --show-sames`; or /dev/stdin",
    )
    check.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; return the exit code."""
    known = tuple(rules.load().values())
    if arguments.action == "list":
        _print(_listing(known)) if arguments.json else _show_rules(known)
        return 0
    stack = state.stack(_document(arguments.file))
    found = exceptions.judged(stack, exceptions.kept(), _today())
    report = _report(stack.environment, len(stack.resources), len(known), found)
    _print(report) if arguments.json else _show_findings(report)
    return 1 if report["violations"] else 0


def _today() -> date:
    return datetime.now(UTC).date()


def _document(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AssuranceError(
            f"{file}: {error}; give what `pulumi stack export` or"
            " `pulumi preview --json --show-sames` writes"
        ) from error


def _listing(known: Sequence[Rule]) -> dict[str, Any]:
    return {
        "rules": [
            {
                "name": rule.name,
                "title": rule.title,
                "severity": rule.severity.value,
                "remediation": rule.remediation,
                "types": rule.types,
                "ai_rmf": rule.ai_rmf,
                "sp800_53": rule.sp800_53,
                "azure_policy": rule.azure_policy,
                "checkov": rule.checkov,
                "trivy": rule.trivy,
                "psrule": rule.psrule,
            }
            for rule in known
        ]
    }


def _report(
    environment: str, resources: int, known: int, found: Sequence[Finding]
) -> dict[str, Any]:
    counted = Counter(finding.verdict for finding in found)
    return {
        "stack": environment,
        "resources": resources,
        "rules": known,
        "violations": counted[Verdict.VIOLATION],
        "undecided": counted[Verdict.UNDECIDED],
        "exceptions": counted[Verdict.EXCEPTION],
        "findings": [
            {
                "rule": finding.rule.name,
                "severity": finding.rule.severity.value,
                "verdict": finding.verdict.value,
                "resource": finding.place(environment),
                "says": finding.says,
                "remediation": finding.rule.remediation,
                "reason": finding.kept.reason if finding.kept else "",
            }
            for finding in found
        ],
    }


def _print(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document) + "\n")


def _show_rules(known: Sequence[Rule]) -> None:
    table = Table("rule", "severity", "what is so", box=None)
    for rule in sorted(known, key=lambda rule: rule.name):
        table.add_row(rule.name, rule.severity.value, escape(rule.title))
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    console.print(f"{len(known)} rules")


def _show_findings(report: dict[str, Any]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    for finding in report["findings"]:
        style = STYLES[Verdict(finding["verdict"])]
        console.print(
            f"[{style}]{finding['verdict']}[/{style}] {finding['rule']} ({finding['severity']})"
            f" of {escape(finding['resource'])}\n  {escape(finding['says'])}"
        )
        because = finding["reason"] or finding["remediation"]
        if finding["verdict"] != Verdict.UNDECIDED:
            console.print(f"  {escape(because)}")
    console.print(
        f"{report['stack']}: {report['rules']} rules, {report['resources']} resources,"
        f" {report['violations']} violations, {report['undecided']} not yet decidable,"
        f" {report['exceptions']} exceptions"
    )
