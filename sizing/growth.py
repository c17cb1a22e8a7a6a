"""A workload some months on, and how many months until something no longer fits."""

import math
from collections.abc import Callable
from dataclasses import replace

from sizing.workload import Workload

HORIZON_MONTHS = 120
"""Beyond ten years nobody plans a server."""


def grown(workload: Workload, factor: float) -> Workload:
    """The same shape with ``factor`` times the sessions and the facts."""
    return replace(
        workload,
        sessions=math.ceil(workload.sessions * factor),
        facts=math.ceil(workload.facts * factor),
    )


def after(workload: Workload, months: int) -> Workload:
    """The workload after that many months of its own growth."""
    return grown(workload, (1 + workload.growth_per_month) ** months)


def months_until(workload: Workload, fits: Callable[[Workload], bool]) -> int | None:
    """The first whole month in which it no longer ``fits``: 0 if it does not today.

    None if it still does at the horizon.  ``fits`` must not become true again once it is false, as
    everything here that grows with rows.
    """
    if not fits(workload):
        return 0
    if fits(after(workload, HORIZON_MONTHS)):
        return None
    holds, full = 0, HORIZON_MONTHS
    while full - holds > 1:
        middle = (holds + full) // 2
        if fits(after(workload, middle)):
            holds = middle
        else:
            full = middle
    return full
