"""Run an operation of the memory as its job in the cluster would: make memory ARGS="verify".

What follows is `python -m memory`'s own. It gets the environment of the job's pod, from the live
cluster: its identity, its login, its vault.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from local.cloud.workloads.pods import Pods
from local.commands import real_pods
from local.commands.session import Session
from local.errors import LocalError
from local.paths import Paths

LOGINS = ("app", "migrator", "reader")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this command has."""
    parser.add_argument(
        "--as", dest="login", choices=LOGINS, default="app", help="login in the database"
    )
    parser.add_argument(
        "--as-owner",
        action="store_true",
        help="towards Azure, be the owner of the subscription instead of the job's identity",
    )
    parser.add_argument("words", nargs=argparse.REMAINDER, help="python -m memory's own arguments")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Return the exit code of the operation."""
    outputs = session.engine().outputs()
    pods = real_pods.start(session.paths, session.stack)
    if pods is None or "memory" not in outputs:
        raise LocalError(
            f"stack {session.stack} has no memory here; run `make up STACK={session.stack}` first."
        )
    more: dict[str, str] = {}
    if arguments.login != "app":
        login = outputs["memory"]["roles"][arguments.login]
        more |= real_pods.as_login(session.paths, session.stack, login)
    if arguments.as_owner:
        more |= real_pods.as_owner(session.paths)
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    return operate(session.paths, pods, words, more)


def operate(paths: Paths, pods: Pods, words: Sequence[str], more: dict[str, str]) -> int:
    """Run one operation to its end, in our terminal; return its exit code."""
    return _run(paths, pods, words, more, capture=False).returncode


def asked(paths: Paths, pods: Pods, words: Sequence[str]) -> "subprocess.CompletedProcess[str]":
    """Run one operation, and return what it said."""
    return _run(paths, pods, words, {}, capture=True)


def _run(
    paths: Paths, pods: Pods, words: Sequence[str], more: dict[str, str], *, capture: bool
) -> "subprocess.CompletedProcess[str]":
    with real_pods.operations_environment(pods) as told:
        environment = {**os.environ, **told, **more}
        if "AZURE_CLIENT_SECRET" in more:
            environment.pop("AZURE_FEDERATED_TOKEN_FILE", None)
        # Not every word reads the file, and every one reads the variable.
        file = environment.pop("ENGRAM_DATABASE_PASSWORD_FILE", None)
        if file is not None and "PGPASSWORD" not in more:
            environment["PGPASSWORD"] = Path(file).read_text(encoding="utf-8").strip()
        return subprocess.run(
            [sys.executable, "-m", "memory", *words],
            cwd=paths.project,
            env=environment,
            capture_output=capture,
            text=True,
            check=False,
        )
