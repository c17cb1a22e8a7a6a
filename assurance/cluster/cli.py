"""``python -m assurance cluster verify``: for people, and with ``--json`` for programs."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assurance.cluster.live import Cluster
from assurance.cluster.references import VaultSecrets
from assurance.cluster.verify import Check, verify
from assurance.errors import AssuranceError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``cluster``."""
    commands = parser.add_subparsers(dest="action", required=True, metavar="action")
    command = commands.add_parser(
        "verify",
        help="prove that the namespace is what it was meant to be",
        description=(
            "Reads one namespace of the cluster in KUBECONFIG's current context and changes "
            "nothing. Ends with 1 where a check fails."
        ),
    )
    command.add_argument("--namespace", default="zep", help="default: zep")
    command.add_argument(
        "--vault-secrets",
        type=Path,
        metavar="FILE",
        help='names of the secrets by vault, as JSON: {"vault": ["name"]}; or /dev/stdin',
    )
    command.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Verify, and say what was found; return the exit code."""
    vaults = _vaults(arguments.vault_secrets)
    checks = verify(Cluster.reach(arguments.namespace), vaults)
    if arguments.json:
        sys.stdout.write(json.dumps({"checks": [check.as_dict() for check in checks]}) + "\n")
    else:
        _show(checks)
    return 0 if all(check.ok for check in checks) else 1


def _vaults(file: Path | None) -> VaultSecrets | None:
    if file is None:
        return None
    try:
        listed: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return {vault: frozenset(names) for vault, names in listed.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise AssuranceError(
            f'--vault-secrets {file}: {error}; give JSON such as {{"my-vault": ["zep-api-key"]}}'
        ) from error


def _show(checks: tuple[Check, ...]) -> None:
    table = Table("check", "", "found", box=None)
    for check in checks:
        mark = "[green]ok[/green]" if check.ok else "[red]NO[/red]"
        wanted = "" if check.ok else f"; wanted {check.wanted}"
        table.add_row(check.name, mark, escape(check.found + wanted))
    Console(highlight=False, soft_wrap=True).print(table)
