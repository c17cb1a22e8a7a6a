"""``python -m memory zep …``: what is done to Zep's own database by hand."""

import argparse
import json
import sys
from collections.abc import Callable

from memory.operations.errors import OperationError
from memory.operations.migration_lock import SCALE_DOWN, Report, repair, status
from memory.schema.cli import CONNECTION
from memory.schema.connection import from_environment
from memory.schema.errors import SchemaError

ADVICE = f"First bring Zep to rest: `{SCALE_DOWN}`. "


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``zep`` with its commands to a parser."""
    zep = commands.add_parser("zep", help="Zep's own database")
    verbs = zep.add_subparsers(dest="verb", required=True)
    looking = verbs.add_parser(
        "status",
        help="say whether a killed migration keeps Zep from starting, and what a repair would do",
        epilog=CONNECTION,
    )
    looking.set_defaults(run=lambda _: status, command=run)
    mending = verbs.add_parser(
        "repair", help="repair what a killed migration left behind", epilog=ADVICE + CONNECTION
    )
    mending.add_argument("--yes", action="store_true", help="do it; without it, only look")
    mending.set_defaults(run=lambda given: repair if given.yes else status, command=run)
    for verb in (looking, mending):
        verb.add_argument("--json", action="store_true", help="machine-readable output")
        verb.add_argument("--schema", default="zep", help="the schema of Zep's tables")


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen command: 0 when Zep can start, 1 when it cannot, 2 for an error."""
    work: Callable[..., Report] = arguments.run(arguments)
    try:
        report = work(from_environment(), arguments.schema)
    except (OperationError, SchemaError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if arguments.json:
        sys.stdout.write(json.dumps(report.as_data(), indent=2) + "\n")
    else:
        sys.stdout.write(report.as_text())
        if work is status and not report.ok:
            sys.stdout.write(f"Nothing was changed. Bring Zep to rest: {SCALE_DOWN}\n")
            sys.stdout.write("Then: python -m memory zep repair --yes\n")
    return 0 if report.ok else 1
