"""Talk to the cluster of the stack with kubectl, as its administrator.

What follows is kubectl's own: make kubectl ARGS="get pods --namespace zep".
"""

import argparse
import os

from local.commands import workloads
from local.commands.session import Session


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what only this command has."""
    parser.add_argument("words", nargs=argparse.REMAINDER, help="kubectl's own arguments")


def run(session: Session, arguments: argparse.Namespace) -> int:
    """Become kubectl; its exit code is ours."""
    engine = session.engine()
    file = workloads.kubeconfig(session.paths, session.stack, engine.outputs())
    mine = {k: v for k, v in os.environ.items() if not k.startswith("KUBE")}
    # Neither the user's preferences count, nor is anything written beside them.
    ours = {"KUBERC": "off", "KUBECACHEDIR": str(session.paths.local / "cache" / "kubectl")}
    environment = mine | ours | {"KUBECONFIG": str(file)}
    kubectl = session.paths.bin / "kubectl"
    words = arguments.words[1:] if arguments.words[:1] == ["--"] else arguments.words
    os.execve(kubectl, [str(kubectl), *words], environment)  # noqa: S606 - a fixed program, no shell
