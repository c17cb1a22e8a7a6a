"""The door of this room: ``python -m local <command>``, which the Makefile calls."""

import argparse
import os
import sys
from collections.abc import Sequence

from rich.console import Console

from local.commands import (
    clean,
    demo,
    destroy,
    down,
    evidence,
    kubectl,
    memory,
    outputs,
    preview,
    psql,
    refresh,
    restart,
    review,
    secret,
    setup,
    status,
    up,
)
from local.commands.database import TUNNEL
from local.commands.failures import FAILURES, in_words
from local.commands.session import STACKS, Session
from local.engine import FOREIGN
from local.paths import Paths

COMMANDS = {
    "setup": setup,
    "up": up,
    "preview": preview,
    "review": review,
    "refresh": refresh,
    "destroy": destroy,
    "restart": restart,
    "psql": psql,
    "kubectl": kubectl,
    "outputs": outputs,
    "secret": secret,
    "status": status,
    "evidence": evidence,
    "memory": memory,
    "demo": demo,
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
        if module in (destroy, kubectl, memory, review, secret):
            module.add_arguments(command)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit code."""
    chosen = parser().parse_args(arguments)
    tunnel = {name: os.environ[name] for name in TUNNEL if name in os.environ}
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    session = Session(
        paths=Paths.current(),
        stack=chosen.stack,
        console=Console(stderr=chosen.json, highlight=False, soft_wrap=True),
        as_json=chosen.json,
        tunnel=tunnel,
    )
    try:
        session.paths.claim()
        code: int = COMMANDS[chosen.command].run(session, chosen)
    except FAILURES as error:
        return _fail(session, in_words(error), 1)
    except KeyboardInterrupt:
        return _fail(session, "interrupted; run the command again, it goes on from here", 130)
    return code


def _fail(session: Session, words: str, code: int) -> int:
    if session.as_json:
        session.answer({"error": words})
    else:
        sys.stderr.write(f"{words}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
