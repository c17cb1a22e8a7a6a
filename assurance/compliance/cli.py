"""``python -m assurance evidence``: collects what an auditor asks, and verifies a folder of it."""

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from assurance.cluster.references import VaultSecrets
from assurance.compliance import catalogue, folder, namespace, seal, sql
from assurance.compliance.assess import Assessment, assess
from assurance.compliance.checks.books import fields
from assurance.compliance.checks.database import schemas
from assurance.compliance.model import Verdict
from assurance.compliance.truths import Facts, Truths, of_preview
from assurance.errors import AssuranceError
from assurance.policies import exceptions, rules

STYLES = {
    Verdict.SATISFIED: "green",
    Verdict.EXCEPTED: "yellow",
    Verdict.NOT_SATISFIED: "red",
    Verdict.UNASSESSED: "dim",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``evidence``."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="action")
    collect = commands.add_parser(
        "collect",
        help="look at a deployment, and write a signed folder for the auditor",
        description=(
            "Reads, changes nothing. Without a way to the database (PGHOST, PGUSER, PGPASSWORD) or"
            " to the cluster (KUBECONFIG), what needs it is not assessed. Ends with 1 where"
            " something does not hold or is not there; known gaps and exceptions are said, and do"
            " not count."
        ),
    )
    _add_truths(collect)
    collect.add_argument("--out", type=Path, required=True, help="the folder, made anew")
    collect.add_argument(
        "--signing-key", type=Path, required=True, metavar="FILE", help="Ed25519, made at first use"
    )
    collect.add_argument("--at", type=_time, help="time of the collection; default: now")
    verify = commands.add_parser("verify", help="prove that a folder is what was signed")
    verify.add_argument("folder", type=Path)
    verify.add_argument(
        "--public-key", type=Path, metavar="FILE", help="the auditor's copy; default: the folder's"
    )
    for command in (collect, verify):
        command.add_argument("--json", action="store_true", help="one JSON document on stdout")


def _add_truths(parser: argparse.ArgumentParser) -> None:
    """Add what an assessment is made of."""
    parser.add_argument(
        "--preview",
        type=Path,
        required=True,
        metavar="FILE",
        help="of `pulumi preview --refresh --show-sames --json`; or /dev/stdin",
    )
    parser.add_argument("--database", action="store_true", help="look at the live database")
    parser.add_argument("--namespace", help="look at this namespace of the cluster")
    for name, says in (
        ("vault-secrets", "as of `cluster verify`"),
        ("key-versions", "of `az keyvault key list-versions`"),
        ("key-access", "rows of AZKVAuditLogs, as JSON"),
    ):
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=says)


def _time(text: str) -> datetime:
    """Return a time in UTC; one without a zone is taken as UTC."""
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def run(arguments: argparse.Namespace) -> int:
    """Do what was asked; return the exit code."""
    return _verify(arguments) if arguments.action == "verify" else _collect(arguments)


def _verify(arguments: argparse.Namespace) -> int:
    found = seal.verify(arguments.folder, arguments.public_key)
    if arguments.json:
        _print(vars(found))
    else:
        sys.stdout.write(
            f"{found.files} files of stack {found.stack}, collected {found.at}, are as they were "
            f"signed by the key {found.fingerprint}\n"
        )
    return 0


def _collect(arguments: argparse.Namespace) -> int:
    known = rules.load()
    truths = _truths(arguments)
    at = (arguments.at or datetime.now(UTC)).replace(microsecond=0)
    assessment = assess(catalogue.load(known), truths, at, rules=known, kept=exceptions.kept())
    key = seal.signing_key(arguments.signing_key)
    sealed = seal.seal(folder.files(assessment, truths), stack=truths.environment, at=at, key=key)
    folder.write(arguments.out, sealed)
    report = _report(assessment, arguments.out, seal.fingerprint(key.public_key()))
    if arguments.json:
        _print(report)
    else:
        _show(report)
    return exit_code(assessment)


def exit_code(assessment: Assessment) -> int:
    """Return 1 where something does not hold, or is declared and not there."""
    return int(bool(assessment.failing) or any(each.creates for each in assessment.changes))


def _truths(arguments: argparse.Namespace) -> Truths:
    declared, deployed, changes = of_preview(_json(arguments.preview))
    places = [(database, name) for database, name, _ in schemas(declared)]
    return Truths(
        declared=declared,
        deployed=deployed,
        changes=changes,
        database=sql.read(places, fields(declared)) if arguments.database else None,
        cluster=namespace.read(arguments.namespace, _vaults(arguments.vault_secrets))
        if arguments.namespace
        else None,
        key_versions=_records(arguments.key_versions),
        key_access=_records(arguments.key_access),
    )


def _vaults(file: Path | None) -> VaultSecrets | None:
    if file is None:
        return None
    return {vault: frozenset(names) for vault, names in _json(file).items()}


def _records(file: Path | None) -> tuple[Facts, ...] | None:
    if file is None:
        return None
    found = _json(file)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise AssuranceError(f"{file}: give a JSON list of objects, as `az` prints it")
    return tuple(found)


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AssuranceError(f"{file} cannot be read as JSON: {error}") from error


def _report(assessment: Assessment, out: Path, fingerprint: str) -> dict[str, Any]:
    return {
        "stack": assessment.environment,
        "at": assessment.at.isoformat(),
        "folder": str(out),
        "page": str(out / folder.PAGE),
        "key": fingerprint,
        "controls": {verdict.value: number for verdict, number in assessment.counts().items()},
        "not satisfied": sorted(assessment.red()),
        "failing": [
            {
                "check": seen.check,
                "truth": seen.truth.value,
                "severity": seen.severity,
                "title": seen.title,
                "found": seen.found,
            }
            for seen in assessment.failing
        ],
        "differences": [
            {"resource": change.resource, "action": change.action} for change in assessment.changes
        ],
    }


def _print(document: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(document, indent=1) + "\n")


def _show(report: dict[str, Any]) -> None:
    """Say what does not hold in a line each; the page says where, and what to do."""
    console = Console(highlight=False, soft_wrap=True)
    for title, truths in _by_title(report["failing"]).items():
        console.print(f"[red]NO[/red] {escape(title)} [dim]({truths})[/dim]")
    for change in report["differences"]:
        console.print(f"differs: {escape(change['resource'])}; `up` would {change['action']} it")
    for verdict, style in STYLES.items():
        number = report["controls"][verdict.value]
        console.print(f"{number:4} controls [{style}]{verdict}[/{style}]")
    console.print(f"\n{report['page']}\nsigned by {report['key']}")


def _by_title(failing: Sequence[dict[str, str]]) -> dict[str, str]:
    """Return where each thing was seen, what matters most first."""
    found: dict[str, list[str]] = {}
    for seen in failing:
        found.setdefault(f"{seen['title']}: {seen['check']}", []).append(seen["truth"])
    return {title: ", ".join(truths) for title, truths in found.items()}
