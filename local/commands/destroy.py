"""Remove the resources of the stack.

Protected resources (the data of uat and prod) are refused, unless the protection is
lifted deliberately with --unprotect.
"""

import argparse
from collections.abc import Mapping
from typing import Any

from local.cloud.postgres import supervisor
from local.commands import recovery
from local.commands.session import Session
from local.engine import UNATTENDED
from local.errors import LocalError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this command has."""
    parser.add_argument(
        "--unprotect",
        action="store_true",
        help="lift the protection of all resources of the stack first; their data will be lost",
    )


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Return 0 where nothing of the stack is left."""
    with session.alone() as lock:
        engine = session.engine(lock)
        if arguments.unprotect:
            engine.run(["state", "unprotect", "--all", "--yes", "--stack", session.stack])
        refuse_protected(session.stack, engine.deployment())
        recovery.recover(engine, session.console)
        if engine.on_stack("destroy", *UNATTENDED).returncode:
            raise LocalError(
                f"stack {session.stack} is not fully removed; the messages above say why. "
                "Correct the cause and run the command again."
            )
        changes = engine.last_changes()
    if not supervisor.status():
        supervisor.stop()  # the last server is gone, and nobody needs the way to it
    if session.as_json:
        session.answer({"stack": session.stack, "changes": changes})
    return 0


def refuse_protected(stack: str, deployment: Mapping[str, Any]) -> None:
    """Raise ``LocalError`` where a resource is protected, before anything is removed."""
    resources = deployment.get("resources") or []
    names = [entry["urn"].rpartition("::")[2] for entry in resources if entry.get("protect")]
    if names:
        raise LocalError(
            f"stack {stack} is protected and nothing was removed: {', '.join(names)} would be "
            "lost with their data; if that is what you want, run "
            f"`make destroy STACK={stack} ARGS=--unprotect`."
        )
