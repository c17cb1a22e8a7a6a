"""Show what `up` would change, without changing it."""

import argparse
import json

from local.commands.session import Session
from local.errors import LocalError


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 where the program could be evaluated, whether it would change something or not."""
    with session.alone() as lock:
        engine = session.engine(lock)
        if not session.as_json:
            answer = engine.on_stack("preview", "--diff", "--skip-plugin-pre-install")
            return answer.returncode
        answer = engine.on_stack("preview", "--json", "--skip-plugin-pre-install", capture=True)
    if answer.returncode:
        raise LocalError(f"stack {session.stack} cannot be previewed:\n{diagnosis(answer.stdout)}")
    plan = json.loads(answer.stdout)
    session.answer({"stack": session.stack, "changes": plan.get("changeSummary", {})})
    return 0


def diagnosis(output: str) -> str:
    """Return the errors of the engine's JSON answer, or the answer where it is none."""
    try:
        diagnostics = json.loads(output).get("diagnostics", [])
    except ValueError:
        return output.strip()
    errors = [entry["message"].strip() for entry in diagnostics if entry["severity"] == "error"]
    return "\n".join(errors) or output.strip()
