"""Which findings are kept, why, and until when; what is kept for too long is a finding, too."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

from assurance.exceptions import Kept, expired, load
from assurance.policies.judge import Finding, Verdict, judge, place
from assurance.policies.model import Fault, Rule, Severity, Stack

FILE = Path(__file__).parent / "exceptions.yaml"
"""``check`` is a rule's name; ``resource`` is ``<stack>/<type>::<name>``, or ``<stack>/stack``."""


def _says_nothing_by_itself(_: Stack) -> Iterator[Fault]:
    """It judges the exceptions, which no rule is shown: see ``overdue``."""
    yield from ()


RULE = Rule(
    name="stack-exceptions",
    title="No exception has outlived its day",
    severity=Severity.HIGH,
    remediation="Repair what the exception is about and remove it, or give it a new day.",
    ai_rmf=("MAP 1.5", "MANAGE 1.4"),
    sp800_53=("CA-5",),
    check=_says_nothing_by_itself,
)
"""Not among the others: it is about data of ours."""


def kept() -> tuple[Kept, ...]:
    """Return all exceptions; raise ``AssuranceError`` for one that leaves something out."""
    return load(FILE.read_text(encoding="utf-8"))


def judged(stack: Stack, entries: Sequence[Kept], today: date) -> list[Finding]:
    """Return what all rules say, exceptions heard, and what is wrong with the exceptions."""
    found = judge(stack)
    return [
        *(heard(finding, stack.environment, entries, today) for finding in found),
        *overdue(stack, entries, today),
    ]


def heard(finding: Finding, environment: str, entries: Sequence[Kept], today: date) -> Finding:
    """Return a violation as an exception, where one covers it today; anything else as it is."""
    if finding.verdict is not Verdict.VIOLATION:
        return finding
    place = finding.place(environment)
    for entry in entries:
        if today < entry.expires and entry.covers(finding.rule.name, place, finding.says):
            return replace(finding, verdict=Verdict.EXCEPTION, kept=entry)
    return finding


def overdue(stack: Stack, entries: Sequence[Kept], today: date) -> Iterator[Finding]:
    """Yield the exceptions whose day has come, and that are about something declared here.

    Of one that nothing needs any more the rules say nothing: a customer's own database has no use
    for what is said of ours.  The tests ask of each whether one of the four stacks needs it.
    """
    places = [place(None, stack.environment)]
    places += [place(it, stack.environment) for it in stack.resources if it.declared]
    for entry in entries:
        if entry.expires <= today and any(fnmatchcase(it, entry.resource) for it in places):
            words = expired(entry)
            yield Finding(rule=RULE, verdict=Verdict.VIOLATION, resource=None, says=words)
