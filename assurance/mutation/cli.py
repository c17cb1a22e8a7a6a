"""``python -m assurance mutate FILE...``: for people, and with ``--json`` for programs."""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from assurance.errors import AssuranceError
from assurance.mutation.explanations import FILE, faults, load
from assurance.mutation.proof import Announce, Proof, prove
from assurance.policies import rules
from assurance.policies.model import RULES, Stack
from assurance.policies.state import stack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``mutate``."""
    parser.description = (
        "Takes away, one by one, what the policies look at in a stack, and shows who notices."
        " Changes nothing anywhere. Ends with 1 where something goes unnoticed, and"
        " assurance/mutation/survivors.yaml does not say why it may."
    )
    parser.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="what `pulumi stack export` or `pulumi preview --json --show-sames` wrote",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")


def run(arguments: argparse.Namespace) -> int:
    """Prove, and say what was found; return the exit code."""
    stacks = [_stack(file) for file in arguments.files]
    with _progress() as announce:
        proof = prove(stacks, list(rules.load().values()), announce)
    wrong = faults(proof, load(FILE.read_text(encoding="utf-8")))
    if arguments.json:
        sys.stdout.write(json.dumps({**as_data(proof), "faults": wrong}) + "\n")
    else:
        _show(proof, wrong)
    return 1 if wrong else 0


def as_data(proof: Proof) -> dict[str, Any]:
    """Return a proof as plain data."""
    return {
        "mutants": len(proof.trials),
        "noticed": proof.noticed,
        "stricter": proof.stricter,
        "kill_rate": proof.kill_rate,
        "rules": {name: proof.kills.get(name, 0) for name in RULES},
        "survivors": [
            {"type": kind[0], "place": kind[1], "change": kind[2], "count": len(trials)}
            for kind, trials in proof.survivors.items()
        ],
    }


def _stack(file: Path) -> Stack:
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AssuranceError(f"{file}: {error}; give a file that Pulumi wrote as JSON") from error
    return stack(document)


@contextmanager
def _progress() -> Iterator[Announce]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("looking who looks at what", total=None)

        def announce(environment: str, done: int, total: int) -> None:
            words = f"mutants of {environment}"
            progress.update(task, description=words, completed=done, total=total)

        yield announce


def _show(proof: Proof, wrong: list[str]) -> None:
    console = Console(highlight=False, soft_wrap=True)
    table = Table("rule", "noticed", box=None)
    for name in RULES:
        table.add_row(name, str(proof.kills.get(name, 0)))
    console.print(table)
    console.print(proof.summary)
    for line in wrong:
        console.print(line, markup=False)
