"""Stop every process that this clone started, and nothing else; data stays."""

import argparse
from contextlib import ExitStack

from local.cloud.cluster import fleet
from local.cloud.postgres import supervisor
from local.cloud.workloads import pods
from local.commands.session import Session
from local.paths import Paths


def stop(paths: Paths) -> None:
    """Stop what runs of the memory, clusters and servers, each whatever becomes of the others.

    Raises ``LocalError`` in the end where one does not stop.
    """
    with ExitStack() as steps:
        steps.callback(supervisor.stop)
        steps.callback(fleet.stop_all)
        steps.callback(pods.stop_all, paths)


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 once nothing runs any more."""
    with session.alone_everywhere():
        stop(session.paths)
    if session.as_json:
        session.answer({"stopped": True})
    return 0
