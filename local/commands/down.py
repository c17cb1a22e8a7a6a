"""Stop every process that this clone started, and nothing else; data stays."""

import argparse

from local.cloud.postgres import supervisor
from local.commands.session import Session


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 once nothing runs any more."""
    with session.alone_everywhere():
        supervisor.stop()
    if session.as_json:
        session.answer({"stopped": True})
    return 0
