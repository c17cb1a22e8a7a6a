"""What a stack says of its own size: how much is free, until when, and what comes next.

Reckoned from the settings alone.  Nothing here asks the clock, so that an `up` without changes
changes nothing; a date is counted from `workload.as_of`.
"""

from typing import TypedDict

from sizing.verdict import Finding
from stacks.settings.model import StackSettings
from stacks.settings.sizing import (
    NODES,
    Judgement,
    due_on,
    first_due,
    judgements,
    recommendation,
    workload_of,
)


class HeadroomOutput(TypedDict):
    """One thing that a server has, and how much of it today's workload takes."""

    needed: float
    available: float
    """The part that may be used, not the whole."""
    unit: str
    free_percent: int
    due_in_months: int | None
    """Months of growth that it lasts; null for ten years or more, and where rows take nothing."""
    due_on: str | None
    """ISO date of the same; null without `workload.as_of`."""


class RecommendedOutput(TypedDict):
    """The smallest server for the grown workload; what the sizer answers for these settings."""

    growth_factor: float
    """How many times today's rows it holds."""
    sku: str
    storage_gib: int
    storage_tier: str


class SizingOutput(TypedDict):
    """Whether the server is large enough, and how long."""

    rows: int
    """Of the memory table, as stated."""
    headroom: dict[str, HeadroomOutput]
    """By what it is: `storage`, `memory`, `connections`, `iops`; of a cluster's node `node …`."""
    due: str | None
    """What is outgrown first; null if nothing is within ten years."""
    due_in_months: int | None
    due_on: str | None
    recommended: RecommendedOutput | None
    """Null where no single server does for that many, and with an elastic cluster."""


def sizing_output(s: StackSettings) -> SizingOutput | None:
    """Return the sizes of a stack; None where the server is the customer's."""
    judged = list(judgements(s))
    if not judged:
        return None
    headroom = {
        _name(one, finding): _headroom(s, finding)
        for one in judged
        for finding in one.verdict.findings
    }
    first = first_due(judged)
    return SizingOutput(
        rows=workload_of(s).rows,
        headroom=headroom,
        due=_name(first.judgement, first.finding) if first else None,
        due_in_months=first.months if first else None,
        due_on=_day(s, first.months if first else None),
        recommended=_recommended(s),
    )


def _recommended(s: StackSettings) -> RecommendedOutput | None:
    found = recommendation(s)
    if found is None or found.outgrown:
        return None
    return RecommendedOutput(
        growth_factor=s.workload.growth_factor,
        sku=found.sku.name,
        storage_gib=found.disk.size_gib,
        storage_tier=found.storage_tier,
    )


def _name(one: Judgement, finding: Finding) -> str:
    return f"node {finding.what}" if one.path == NODES else finding.what


def _headroom(s: StackSettings, finding: Finding) -> HeadroomOutput:
    return HeadroomOutput(
        needed=round(finding.needed, 2),
        available=round(finding.available, 2),
        unit=finding.unit,
        free_percent=int(finding.headroom * 100),
        due_in_months=finding.due,
        due_on=_day(s, finding.due),
    )


def _day(s: StackSettings, months: int | None) -> str | None:
    day = None if months is None else due_on(s, months)
    return None if day is None else day.isoformat()
