"""Bring the stack up on this machine, and say what stands.

Tools are built at the first run. An earlier run that was interrupted is repaired
first: what it created is adopted, not created again. A second run changes nothing.
Where the stack's policies are mandatory, a preview comes first: what they refuse
stops the run before anything is made.
"""

import argparse
import time

from local.commands import policies, real_pods, recovery, summary
from local.commands.session import Session
from local.engine import PREVIEWED, UNATTENDED, Engine
from local.errors import LocalError


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 where the stack stands and every check passed."""
    started = time.monotonic()
    with session.alone() as lock:
        engine = session.engine(lock)
        recovered = recovery.recover(engine, session.console)
        deploy(engine)
        real_pods.start(session.paths, session.stack)
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


def deploy(engine: Engine) -> None:
    """Run the engine with the policies; raise ``LocalError`` where it does not get to the end."""
    runs = engine.runs
    stoppable = policies.may_stop(engine.paths.project, engine.stack)
    how = PREVIEWED if stoppable else UNATTENDED
    code = engine.on_stack("up", *how, *policies.flags(engine.stack)).returncode
    if not code:
        return
    # The history is written at the end: of an engine that was killed (below 0) it tells nothing.
    if code > 0 and engine.runs == runs:
        raise LocalError(
            f"stack {engine.stack} is not up, and nothing was changed; the messages above say "
            "why. Correct the cause and run the command again; an exception from a policy is "
            "an entry in assurance/policies/exceptions.yaml."
        )
    raise LocalError(
        f"stack {engine.stack} is not up; the messages above say why. What was created "
        "stays: correct the cause and run the command again."
    )
