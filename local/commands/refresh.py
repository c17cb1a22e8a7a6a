"""Compare the stack with what really stands, and show the drift.

The state then says what is there; the next `up` repairs what differs from the program.
The policies judge what was found, too.
"""

import argparse

from local.commands import policies, recovery
from local.commands.session import Session
from local.engine import UNATTENDED
from local.errors import LocalError


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 where the comparison was possible, drift or not."""
    with session.alone() as lock:
        engine = session.engine(lock)
        recovery.recover(engine, session.console)
        if engine.on_stack("refresh", "--diff", *UNATTENDED).returncode:
            raise LocalError(
                f"stack {session.stack} cannot be compared; the messages above say why."
            )
        changes = engine.last_changes()
        verdict = policies.judge_state(engine)
    if session.as_json:
        session.answer({"stack": session.stack, "changes": changes, "policies": verdict})
    else:
        policies.show_all(session.console, verdict)
    return 0
