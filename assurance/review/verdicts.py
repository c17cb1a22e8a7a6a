"""The comment's sections on policies: the rules that a change breaks, and what else they say."""

from collections.abc import Iterable, Iterator

from assurance.review.blocks import Block, Code, Details, Heading, Paragraph, Table, Text
from assurance.review.findings import Alike, alike
from assurance.review.lengths import cut_rows
from assurance.review.review import Review
from assurance.review.words import alone, listed, prose

Grouped = dict[Alike, list[str]]
"""The stacks in which the same was found."""


def broken(review: Review, room: int | None) -> Iterator[Block]:
    """Yield the rules that this change breaks."""
    found = _grouped((e.stack, each) for e in review.environments for each in e.apart.come)
    if found:
        yield Heading("Rules that this change breaks")
        yield _findings(found, room)


def others(review: Review, room: int | None) -> Iterator[Block]:
    """Yield what else the rules say: of the base, and what only ``up`` decides."""
    gone = _grouped((e.stack, each) for e in review.environments for each in e.apart.go)
    old = _grouped((e.stack, each) for e in review.environments for each in e.apart.stay)
    undecided = _grouped(
        (e.stack, alike(e.stack, each))
        for e in review.environments
        if e.recording.after
        for each in e.recording.after.undecided
    )
    if gone or old or undecided:
        yield Heading("Other policy results")
    if gone:
        yield Paragraph((f"{alone(len(gone), 'violation')} of the base would be gone.",))
    if old:
        title = f"{alone(len(old), 'violation')} of the base, which this change leaves as they are"
        yield Details(title, (_findings(old, room),))
    if undecided:
        title = f"{alone(len(undecided), 'finding')} not yet decidable; up decides, and may stop"
        yield Details(title, (_findings(undecided, room),))


def _grouped(found: Iterable[tuple[str, Alike]]) -> Grouped:
    grouped: Grouped = {}
    for stack, each in found:
        stacks = grouped.setdefault(each, [])
        if stack not in stacks:
            stacks.append(stack)
    return grouped


def _findings(found: Grouped, room: int | None) -> Table:
    rows: list[tuple[Text, ...]] = [
        (
            (Code(each.rule), f" ({each.severity})"),
            (Code(each.place),),
            prose(each.says),
            prose(each.remediation),
            (listed(stacks),),
        )
        for each, stacks in found.items()
    ]
    return Table(
        ("rule", "resource", "found", "what to do", "where"), cut_rows(rows, room, columns=5)
    )
