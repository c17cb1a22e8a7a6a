"""The door of this room: ``python -m assurance <what> <action>``."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from assurance.cluster import cli as cluster
from assurance.compliance import cli as evidence
from assurance.errors import AssuranceError
from assurance.mutation import cli as mutate
from assurance.policies import cli as policies
from assurance.review import cli as review


class Command(Protocol):
    """What the module of a command has."""

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Add the command's arguments."""

    def run(self, arguments: argparse.Namespace, /) -> int:
        """Do what was asked; return the exit code."""


COMMANDS: Final[Mapping[str, tuple[Command, str]]] = {
    "cluster": (cluster, "the workloads, as the cluster has them"),
    "evidence": (evidence, "what an auditor asks, and what was seen of it"),
    "mutate": (mutate, "whether the policies notice what is taken away"),
    "policies": (policies, "what every environment must be"),
    "review": (review, "what a pull request would do to every environment"),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each has its own ``--help``."""
    top = argparse.ArgumentParser(
        prog="python -m assurance", description="Checks what runs against what was meant."
    )
    commands = top.add_subparsers(dest="what", required=True, metavar="what")
    for name, (command, does) in COMMANDS.items():
        command.add_arguments(commands.add_parser(name, help=does))
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    given = parser().parse_args(arguments)
    try:
        return COMMANDS[given.what][0].run(given)
    except AssuranceError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
