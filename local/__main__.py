"""The door of this room: ``python -m local <command>``, which the Makefile calls."""

import argparse
import os
import sys
from collections.abc import Sequence

from rich.console import Console

from local.commands import clean, destroy, down, preview, psql, refresh, setup, status, up
from local.commands.session import STACKS, Session
from local.engine import FOREIGN
from local.errors import LocalError
from local.paths import Paths

COMMANDS = {
    "setup": setup,
    "up": up,
    "preview": preview,
    "refresh": refresh,
    "destroy": destroy,
    "psql": psql,
    "status": status,
    "down": down,
    "clean": clean,
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands; each has its own ``--help``."""
    top = argparse.ArgumentParser(
        prog="python -m local", description="Runs the program against a local Azure."
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")
    for name, module in COMMANDS.items():
        summary, _, rest = (module.__doc__ or "").partition("\n")
        command = commands.add_parser(name, help=summary, description=summary + rest)
        command.add_argument("--stack", choices=STACKS, default="dev", help="default: dev")
        command.add_argument(
            "--json", action="store_true", help="one JSON document on stdout, words on stderr"
        )
        if module is destroy:
            destroy.add_arguments(command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    chosen = parser().parse_args(arguments)
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    session = Session(
        paths=Paths.current(),
        stack=chosen.stack,
        console=Console(stderr=chosen.json, highlight=False, soft_wrap=True),
        as_json=chosen.json,
    )
    try:
        code: int = COMMANDS[chosen.command].run(session, chosen)
    except LocalError as error:
        if chosen.json:
            session.answer({"error": str(error)})
        else:
            sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return code


if __name__ == "__main__":
    sys.exit(main())
