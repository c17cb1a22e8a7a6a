"""What the rules of ``assurance/policies`` say of a stack: during a run, and of what came of it.

The engine asks the pack about every resource and stops where the stack's enforcement wants it; the
same rules judge a state or a preview as a document, which is where the numbers come from.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from local.commands.session import table
from local.engine import Engine
from local.errors import LocalError

PACK = Path("assurance", "policies")
"""As the engine is told; it starts in the clone's folder."""

SECONDS = 120
MANDATORY = "mandatory"
ADVISORY = "advisory"
VIOLATION = "violation"

Verdict = Mapping[str, Any]
"""How many ``rules`` judged how many ``resources``, how often they said what, and each finding."""


def flags(stack: str) -> tuple[str, ...]:
    """Return what lets the engine ask the pack, as strictly as the stack wants it."""
    return ("--policy-pack", str(PACK), "--policy-pack-config", str(_enforcement(stack)))


def may_stop(project: Path, stack: str) -> bool:
    """Tell whether a violation stops a run on the stack: whether any rule is more than advice."""
    text = (project / _enforcement(stack)).read_text(encoding="utf-8")
    enforcement: dict[str, Any] = json.loads(text)
    return enforcement.get("all") != ADVISORY or MANDATORY in json.dumps(enforcement)


def judge(document: Mapping[str, Any], project: Path) -> Verdict:
    """Return what the rules say of a state as exported, or of a preview as JSON.

    Raises ``LocalError`` where the rules cannot be asked.
    """
    answer = subprocess.run(
        [sys.executable, "-m", "assurance", "policies", "check", "--json", "/dev/stdin"],
        input=json.dumps(document),
        cwd=project,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    try:
        verdict: Verdict = json.loads(answer.stdout)
    except ValueError as error:
        words = (answer.stderr or answer.stdout).strip() or "no answer"
        raise LocalError(f"the policies cannot be asked:\n{words}") from error
    return verdict


def judge_state(engine: Engine) -> Verdict:
    """Return what the rules say of what the stack's state holds; see ``judge``."""
    return judge({"version": 3, "deployment": engine.deployment()}, engine.paths.project)


def violations(verdict: Verdict) -> list[Mapping[str, Any]]:
    """Return what is against the rules, and no exception."""
    return [found for found in verdict["findings"] if found["verdict"] == VIOLATION]


def in_words(found: Mapping[str, Any]) -> str:
    """Say which rule, of which resource, what is wrong and what to do."""
    said = f"{found['rule']} ({found['severity']}): {found['resource']}: {found['says']}"
    return f"{said}\n  {found['remediation']}"


def counted(verdict: Verdict) -> str:
    """Say in one line what was judged, and what came of it."""
    return (
        f"{verdict['rules']} rules judged {verdict['resources']} resources: "
        f"{_plural(verdict['violations'], 'violation')}, "
        f"{verdict['undecided']} not yet decidable, "
        f"{_plural(verdict['exceptions'], 'exception')} in use"
    )


def show(console: Console, verdict: Verdict) -> None:
    """Print the count; what is broken, the engine has said already."""
    console.print(f"[bold]policies[/bold]  {counted(verdict)}\n")


def show_all(console: Console, verdict: Verdict) -> None:
    """Print the count, and every violation with what to do."""
    show(console, verdict)
    broken = violations(verdict)
    if not broken:
        return
    listed = table("rule", "resource", "found", "what to do")
    for found in broken:
        columns = ("rule", "resource", "says", "remediation")
        listed.add_row(*(escape(found[column]) for column in columns))
    console.print(listed)


def _enforcement(stack: str) -> Path:
    return PACK / "enforcement" / f"{stack}.json"


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
