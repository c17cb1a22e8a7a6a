"""The comment's other sections: what is in the way, every environment in a row, what changes."""

from collections.abc import Iterator, Mapping
from typing import Any

from assurance.review.blocks import (
    Block,
    Callout,
    Code,
    Heading,
    Listing,
    Paragraph,
    Source,
    Strong,
    Table,
    Text,
    Tone,
)
from assurance.review.changes import Change, Difference
from assurance.review.guards import GUARDS, Alarm, Guard
from assurance.review.holdings import INTERRUPTIONS
from assurance.review.lengths import cut, cut_rows
from assurance.review.review import Environment, Review
from assurance.review.words import alone, listed, prose

OPS = ("create", "update", "replace", "delete")
LOUD = {"replace": "⚠ replace", "delete": "⚠ delete"}
SHOWN_DIFFERENCES = 3
ERROR_LINES = 12


def alarms(review: Review, room: int | None) -> Iterator[Block]:
    """Yield what somebody has to want, guard by guard, with at most ``room`` resources each."""
    for guard in GUARDS:
        met = [a for each in review.environments for a in each.alarms if a.guard is guard]
        if met:
            yield _alarm(guard, met, room)


def _alarm(guard: Guard, met: list[Alarm], room: int | None) -> Callout:
    grouped: dict[tuple[str, str], list[Alarm]] = {}
    for alarm in met:
        grouped.setdefault((alarm.resource, alarm.says), []).append(alarm)
    items: list[Text] = [
        (Strong(listed(a.stack for a in same)), ": ", Code(resource), ": ", Code(says))
        for (resource, says), same in grouped.items()
    ]
    refused = sorted({a.stack for a in met if not a.allowed_by}, key=[a.stack for a in met].index)
    allowed = {a.allowed_by: None for a in met if a.allowed_by}
    last: Text = ()
    if refused:
        last = (f"Who wants this in {listed(refused)} sets the label ", Code(guard.label), ".")
    if allowed:
        by = [a.stack for a in met if a.allowed_by]
        words = " and ".join(allowed)
        last = (*last, f" Allowed in {listed(dict.fromkeys(by))} by ", Code(words), ".")
    tone = Tone.CAUTION if refused else Tone.WARNING
    return Callout(
        tone,
        (
            Paragraph((Strong(guard.title), ". ", *prose(guard.consequence))),
            Listing(cut(items, room)),
            Paragraph(last),
        ),
    )


def interruptions(review: Review) -> Iterator[Block]:
    """Yield what loses nothing, and is noticed all the same."""
    noticed: dict[str, list[str]] = {}
    for each in review.environments:
        for change in each.recording.changes:
            for difference in change.differences:
                first = difference.path.partition(".")[0]
                words = INTERRUPTIONS.get((change.type, first)) if change.op == "update" else None
                if words and each.stack not in noticed.setdefault(words, []):
                    noticed[words].append(each.stack)
    if noticed:
        items: list[Text] = [
            (Strong(listed(stacks)), ": ", words) for words, stacks in noticed.items()
        ]
        note = (Paragraph((Strong("Choose the hour"), ".")), Listing(tuple(items)))
        yield Callout(Tone.NOTE, note)


def failures(review: Review) -> Iterator[Block]:
    """Yield what the engine said where it could not get to the end."""
    grouped: dict[str, list[str]] = {}
    for each in review.environments:
        if each.recording.failure:
            grouped.setdefault(each.recording.failure, []).append(each.stack)
    for words, stacks in grouped.items():
        lines = words.splitlines()
        more = len(lines) - ERROR_LINES
        tail = [f"... and {alone(more, 'line')} more in the full report"] if more > 0 else []
        yield Callout(
            Tone.CAUTION,
            (
                Paragraph((Strong(f"{listed(stacks)} cannot be previewed"), ":")),
                Source("text", "\n".join([*lines[:ERROR_LINES], *tail])),
            ),
        )


def environments(review: Review) -> Iterator[Block]:
    """Yield one row for every environment."""
    yield Table(
        ("environment", "", *OPS, "same", "policies"),
        tuple(_environment(each) for each in review.environments),
        right=frozenset(range(2, 7)),
    )


def _environment(each: Environment) -> tuple[Text, ...]:
    found = each.recording
    counts = [found.count(op) for op in OPS]
    cells: list[Text] = [(str(number),) if number else ("0",) for number in counts]
    return ((Strong(each.stack),), (_state(each),), *cells, (str(found.unchanged),), _judged(each))


def _state(each: Environment) -> str:
    if each.recording.failure:
        return "✖ cannot be previewed"
    if each.obstacles:
        return "✖ stopped"
    if each.alarms:
        return "⚠ loss allowed"
    if each.apart.come:
        return "⚠ breaks a rule"
    return "✔ ready" if each.recording.changes else "no change"


def _judged(each: Environment) -> Text:
    verdict = each.recording.after
    if verdict is None:
        return ("not judged",)
    parts = [
        _violations(each, len(verdict.violations)),
        f"{len(verdict.undecided)} not yet decidable" if verdict.undecided else "",
        alone(len(verdict.exceptions), "exception") if verdict.exceptions else "",
    ]
    said = ", ".join(filter(None, parts))
    return (f"{verdict.rules} rules: {said or 'all kept'}",)


def _violations(each: Environment, number: int) -> str:
    if not number:
        return ""
    return f"{alone(number, 'violation')}{'' if each.refusing else ' (advice here)'}"


def changes(review: Review, room: int | None) -> Iterator[Block]:
    """Yield what happens to resources, the same in several environments said once."""
    grouped: dict[tuple[str, str, tuple[Difference, ...]], list[str]] = {}
    for each in review.environments:
        for change in each.recording.changes:
            key = (change.op, change.label, change.differences)
            grouped.setdefault(key, []).append(each.stack)
    if not grouped:
        return
    ranked = sorted(grouped.items(), key=lambda item: _quietness(item[0][0]))
    rows: list[tuple[Text, ...]] = [
        ((LOUD.get(op, op),), (Code(resource),), _differences(found), (listed(stacks),))
        for (op, resource, found), stacks in ranked
    ]
    yield Heading("What changes")
    yield Table(("", "resource", "property", "where"), cut_rows(rows, room, columns=4))


def _quietness(op: str) -> int:
    return -OPS.index(op) if op in OPS else 1


def _differences(found: tuple[Difference, ...]) -> Text:
    parts: list[Any] = []
    for each in found[:SHOWN_DIFFERENCES]:
        parts += ["; "] if parts else []
        parts += [Code(each.path), ": ", Code(each.before), " → ", Code(each.after)]
    if len(found) > SHOWN_DIFFERENCES:
        parts.append(f"; and {len(found) - SHOWN_DIFFERENCES} more")
    return tuple(parts)


def in_full(review: Review) -> Iterator[Block]:
    """Yield what only the report has room for: every environment by itself."""
    for each in review.environments:
        yield Heading(f"{each.stack}, in full", 2)
        if each.recording.failure:
            yield Source("text", each.recording.failure)
        for change in each.recording.changes:
            yield from _change(change)
        for plan in each.ddl:
            statements = [" ".join(step.sql.split()) for step in plan.steps] or plan.statements
            yield Source("sql", "\n".join(f"{statement};" for statement in statements))
        if each.recording.after and each.recording.after.exceptions:
            yield Heading("Exceptions in use", 4)
            yield Listing(tuple(_kept(found) for found in each.recording.after.exceptions))


def _kept(found: Mapping[str, Any]) -> Text:
    return (
        Code(found["rule"]),
        " ",
        Code(str(found.get("resource"))),
        f": {found.get('reason', '')}",
    )


def _change(change: Change) -> Iterator[Block]:
    yield Heading(f"{change.op} {change.label}", 4)
    if change.forced_by:
        yield Paragraph(("Made anew because of ", Code(", ".join(change.forced_by)), "."))
    if change.differences:
        rows: list[tuple[Text, ...]] = [
            ((Code(each.path),), (Code(each.before),), (Code(each.after),))
            for each in change.differences
        ]
        yield Table(("property", "before", "after"), tuple(rows))
