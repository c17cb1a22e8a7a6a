"""Remove the resources of the stack.

Protected resources (the data of uat and prod) are refused, unless the protection is
lifted deliberately with --unprotect.
"""

import argparse
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from local.cloud.postgres import supervisor
from local.cloud.workloads import pods
from local.commands import recovery
from local.commands.session import Session
from local.engine import UNATTENDED, Engine
from local.errors import BusyError, LocalError


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
        recovery.recover(engine, session.console)  # it may adopt something protected
        if arguments.unprotect:
            unprotect(engine)
        refuse_protected(session.stack, engine.deployment())
        if engine.on_stack("destroy", *UNATTENDED).returncode:
            raise LocalError(
                f"stack {session.stack} is not fully removed; the messages above say why. "
                "Correct the cause and run the command again."
            )
        changes = engine.last_changes()
    stop_if_last(session)
    if session.as_json:
        session.answer({"stack": session.stack, "changes": changes})
    return 0


def unprotect(engine: Engine) -> None:
    """Lift the protection of all resources; raise ``LocalError`` where that fails."""
    command = ["state", "unprotect", "--all", "--yes", "--stack", engine.stack]
    answer = engine.run(command, capture=True)
    if answer.returncode:
        raise LocalError(
            f"the protection of stack {engine.stack} cannot be lifted, and nothing was removed:\n"
            f"{answer.stderr.strip()}\nCorrect the cause and run the command again."
        )


def stop_if_last(session: Session) -> None:
    """Stop the way to the servers, and the door to the vaults, with the last of the servers.

    Another stack's ``up`` may just be about to use them: then they stay, and stop with
    that stack.
    """
    with suppress(BusyError), session.alone_everywhere(patient=False):
        if not supervisor.status():
            pods.stop_all(session.paths)
            supervisor.stop()


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
