"""The comment of a pull request: the first lines decide, what follows explains.

Loud things come first: what stands in the way, then what happens to every environment, then the
rest in the order in which a reviewer asks.  The same review gives the same words.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from assurance.review import sections, sizes, statements, verdicts
from assurance.review.blocks import Block, Callout, Code, Heading, Listing, Paragraph, Text, Tone
from assurance.review.lengths import narrow
from assurance.review.markdown import markdown
from assurance.review.review import Review
from assurance.review.words import alone, listed

MARKER = "<!-- engram review: this comment is edited in place -->"
"""By which the comment of an earlier run is found again."""
LIMIT = 60_000
"""Bytes; GitHub refuses a comment of more than 65,536 characters."""
SIZES = ((40, 2000), (20, 1500), (10, 1000), (5, 600), (3, 400), (1, 200))
"""How many rows a table may have, and how many characters a line: as many as fit."""
LOUD_SIZES = ((20, 400), (10, 200), (3, 80))
"""The same of what stays, should nothing else fit; the last always does."""
FILES = 10
"""Of the judges' own, that are named."""


@dataclass(frozen=True)
class Page:
    """A comment that fits, and how much of it had to be left to the report."""

    blocks: tuple[Block, ...]
    markdown: str


def comment(review: Review) -> Page:
    """Return the comment with as much of each table as GitHub takes."""
    attempts = [(page, room, width) for room, width in SIZES]
    attempts += [(loud, room, width) for room, width in LOUD_SIZES]
    for write, room, width in attempts:
        blocks = tuple(narrow(block, width) for block in write(review, room))
        text = f"{MARKER}\n{markdown(blocks)}"
        if len(text.encode()) <= LIMIT:
            break
    return Page(blocks, text)


def report(review: Review) -> tuple[Block, ...]:
    """Return everything, however long it is."""
    return (*page(review, None), *sections.in_full(review))


def loud(review: Review, room: int | None) -> Iterator[Block]:
    """Yield what nobody may overlook, with at most ``room`` resources for an alarm."""
    yield from headline(review)
    yield from judges(review)
    yield from sections.alarms(review, room)
    yield Paragraph(("The rest is in the full report.",))


def page(review: Review, room: int | None) -> Iterator[Block]:
    """Yield the page, with at most ``room`` rows in a table."""
    yield from headline(review)
    yield from judges(review)
    if review.environments:
        yield from sections.alarms(review, room and max(room, LOUD_SIZES[0][0]))
        yield from sections.interruptions(review)
        yield from sections.failures(review)
        yield from sections.environments(review)
        yield from verdicts.broken(review, room)
        yield from sections.changes(review, room)
        yield from statements.ddl(review, room)
        yield from sizes.sizes(review)
        yield from verdicts.others(review, room)
        yield from footer(review)


def headline(review: Review) -> Iterator[Block]:
    """Yield what a reviewer has to know, should he read no further."""
    request = review.request
    if not request.stacks:
        yield Heading("✔ No environment changes", 2)
        yield Paragraph(
            (f"{alone(len(request.files), 'file')} changed against ", Code(request.base),
             ", and the program reads none of them: nothing was deployed to compare.")
        )  # fmt: skip
        return
    yield Heading(_title(review), 2)
    obstacles = [(each.stack, each.obstacles) for each in review.environments if each.obstacles]
    if obstacles:
        grouped: dict[str, list[str]] = {}
        for stack, found in obstacles:
            for words in found:
                grouped.setdefault(words, []).append(stack)
        items: list[Text] = [(f"{words}: {listed(on)}",) for words, on in grouped.items()]
        yield Listing(tuple(items))


def _title(review: Review) -> str:
    stopped = [each.stack for each in review.environments if each.obstacles]
    breaking = [each.stack for each in review.environments if each.apart.come]
    if stopped:
        return f"✖ Stop: this cannot go to {listed(stopped)} as it is"
    if any(each.alarms for each in review.environments):
        return f"⚠ Allowed, with loss: {listed(review.changing)} would change"
    if breaking:
        return f"⚠ Nothing is lost, but rules are broken in {listed(breaking)}"
    if not review.changing:
        return "✔ No environment changes"
    return f"✔ Nothing is lost: {listed(review.changing)} would change"


def judges(review: Review) -> Iterator[Block]:
    """Yield a warning where the pull request could have made its judges milder."""
    if changed := review.judges_changed:
        shown: list[Text] = [(Code(file),) for file in changed[:FILES]]
        more: list[Text] = [(f"and {len(changed) - FILES} more",)] if len(changed) > FILES else []
        yield Callout(
            Tone.WARNING,
            (
                Paragraph(("This pull request changes its own judges. Read these files first:",)),
                Listing((*shown, *more)),
            ),
        )


def footer(review: Review) -> Iterator[Block]:
    """Yield how the comparison was made, and how to make it again."""
    request = review.request
    order = " → ".join(each.stack for each in review.environments)
    yield Paragraph(
        ("Promotion: ", order, ". Compared with ", Code(request.base), " (",
         Code(request.base_commit[:10]), ") on ", request.on.isoformat(),
         ", each environment brought up from it on an empty local cloud. Again: ",
         Code(f"make review BASE={request.base}"), ".")
    )  # fmt: skip
