"""Bring the stack up on this machine, and say what stands.

Tools are built at the first run. An earlier run that was interrupted is repaired
first: what it created is adopted, not created again. A second run changes nothing.
"""

import argparse
import time

from local.commands import recovery, summary
from local.commands.session import Session
from local.engine import UNATTENDED
from local.errors import LocalError


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 where the stack stands and every check passed."""
    started = time.monotonic()
    with session.alone() as lock:
        engine = session.engine(lock)
        recovered = recovery.recover(engine, session.console)
        answer = engine.on_stack("up", *UNATTENDED)
        if answer.returncode:
            raise LocalError(
                f"stack {session.stack} is not up; the messages above say why. What was created "
                "stays: correct the cause and run the command again."
            )
        result = summary.collect(engine)
    report = {
        "stack": session.stack,
        "seconds": round(time.monotonic() - started, 1),
        "recovered": recovered,
        **result.as_dict(),
    }
    if session.as_json:
        session.answer(report)
    else:
        summary.show(session.console, report)
    return 0 if result.ok else 1
