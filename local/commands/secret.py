"""Keep a secret of the stack on this machine; its value is read from standard input.

It is encrypted as the local state is, and never in the stack file, whose own secrets only the
account opens that deploys to Azure.
"""

import argparse
import sys

from local.commands.session import Session
from local.errors import LocalError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this command has."""
    parser.add_argument("key", help="engram:postgresAdminPassword or engram:kubeconfig")
    parser.add_argument("--remove", action="store_true", help="forget it instead")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Return 0 where the secret is kept, or forgotten."""
    with session.alone() as lock:
        engine = session.engine(lock)
        command = ["rm"] if arguments.remove else ["set", "--secret"]
        value = "" if arguments.remove else sys.stdin.read()
        answer = engine.on_stack("config", *command, arguments.key, capture=True, given=value)
    if answer.returncode:
        raise LocalError(f"{arguments.key} is not kept:\n{answer.stderr.strip()}")
    if session.as_json:
        session.answer({"stack": session.stack, "key": arguments.key})
    return 0
