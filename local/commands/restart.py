"""Restart the server of the stack, so that static parameters take effect.

Every session of the server is cut. The state learns of it, and so the warnings of
`up` and `preview` end.
"""

import argparse

from local.cloud.postgres import supervisor
from local.commands import recovery
from local.commands.database import server_of
from local.commands.session import Session
from local.commands.summary import waiting
from local.engine import UNATTENDED
from local.errors import LocalError


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 once the server accepts connections again."""
    with session.alone() as lock:
        engine = session.engine(lock)
        recovery.recover(engine, session.console)
        name = server_of(session.stack, engine.outputs())
        supervisor.restart_server(name)
        parameters = waiting(engine.deployment())
        targets = [f"--target={urn}" for urn in parameters.values()]
        if targets and engine.on_stack("refresh", *UNATTENDED, *targets).returncode:
            raise LocalError(
                f"{name} was restarted, but its parameters cannot be read; the messages above say "
                f"why. `make refresh STACK={session.stack}` reads them again."
            )
    if session.as_json:
        document = {"stack": session.stack, "restarted": name, "in_effect": sorted(parameters)}
        session.answer(document)
    else:
        session.console.print(f"{name} was restarted; {', '.join(parameters) or 'nothing'} waited")
    return 0
