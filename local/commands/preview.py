"""Show what `up` would change and what the policies say of it, without changing anything."""

import argparse
import json
from typing import Any

from local.commands import policies
from local.commands.session import Session
from local.errors import LocalError

REFUSED = "error: preview failed"
"""All that the engine's JSON says where nothing but a policy stands in the way."""


def run(session: Session, _arguments: argparse.Namespace) -> int:
    """Return 0 where `up` could run, whether it would change something or not."""
    flags = ("--skip-plugin-pre-install", *policies.flags(session.stack))
    with session.alone() as lock:
        engine = session.engine(lock)
        if not session.as_json:
            return engine.on_stack("preview", "--diff", *flags).returncode
        # What stays as it is, too: a rule may look at the whole stack.
        answer = engine.on_stack("preview", "--json", "--show-sames", *flags, capture=True)
    plan = _plan(answer.stdout)
    verdict = policies.judge(plan, session.paths.project) if plan else None
    if answer.returncode:
        words = diagnosis(answer.stdout)
        if verdict and words == REFUSED:
            words = "\n".join(map(policies.in_words, policies.violations(verdict)))
        raise LocalError(f"stack {session.stack} cannot be previewed:\n{words}")
    changes = plan.get("changeSummary", {})
    session.answer({"stack": session.stack, "changes": changes, "policies": verdict})
    return 0


def _plan(output: str) -> dict[str, Any]:
    """Return the engine's answer as data; nothing where it did not get so far."""
    try:
        plan: dict[str, Any] = json.loads(output)
    except ValueError:
        return {}
    return plan if plan.get("steps") else {}


def diagnosis(output: str) -> str:
    """Return the errors of the engine's JSON answer, or the answer where it is none."""
    try:
        diagnostics = json.loads(output).get("diagnostics", [])
    except ValueError:
        return output.strip()
    errors = [entry["message"].strip() for entry in diagnostics if entry["severity"] == "error"]
    return "\n".join(errors) or output.strip()
