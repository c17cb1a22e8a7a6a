"""The comment's section on size and cost: how long a server is large enough, and for how much."""

from collections.abc import Iterator, Mapping
from typing import Any

from assurance.review.blocks import Block, Heading, Paragraph, Strong, Table, Text
from assurance.review.review import Environment, Review
from assurance.review.words import prose


def sizes(review: Review) -> Iterator[Block]:
    """Yield how long every server is large enough, and what it costs."""
    rows = [_size(each) for each in review.environments if each.recording.outputs_after]
    if not rows:
        return
    yield Heading("Size and cost")
    yield Table(("environment", "server", "large enough", "cost a month"), tuple(rows))
    why = dict.fromkeys(each.costs.why for each in review.environments if each.costs.why)
    if why:
        yield Paragraph(prose(f"Why a price is unknown: {'; '.join(why)}."))


def _size(each: Environment) -> tuple[Text, ...]:
    before, after = each.recording.outputs_before, each.recording.outputs_after
    return (
        (each.stack,),
        _apart(_server(before), _server(after)),
        _apart(_lasts(before), _lasts(after)),
        (each.costs.in_short,),
    )


def _apart(before: str, after: str) -> Text:
    return (after,) if before == after else (before, " → ", Strong(after))


def _server(outputs: Mapping[str, Any]) -> str:
    found = outputs.get("postgres")
    return str(found.get("sku") or "the customer's") if isinstance(found, Mapping) else "none"


def _lasts(outputs: Mapping[str, Any]) -> str:
    sizing = outputs.get("sizing")
    if not isinstance(sizing, Mapping):
        return "not ours to say"
    if sizing.get("due") is None:
        return "ten years or more"
    until = sizing.get("due_on") or f"{sizing.get('due_in_months')} months"
    return f"until {until}, then {sizing['due']}"
