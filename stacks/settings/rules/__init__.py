"""Rules across keys.  One rule, one function; each says where its demand comes from.

A rule reads settings and yields mistakes.  It asks neither the cloud nor the clock, so that a
stack file is judged on an aeroplane as it is in CI.
"""

from collections.abc import Callable, Iterator

from stacks.settings.mistakes import Mistake
from stacks.settings.model import StackSettings
from stacks.settings.rules import (
    cluster,
    connections,
    environment,
    keys,
    memory,
    network,
    production,
    scale_out,
    server,
    sizing,
    upkeep,
    workloads,
)

RULES: tuple[Callable[[StackSettings], Iterator[Mistake]], ...] = (
    *server.RULES,
    *keys.RULES,
    *memory.RULES,
    *connections.RULES,
    *network.RULES,
    *cluster.RULES,
    *workloads.RULES,
    *upkeep.RULES,
    *scale_out.RULES,
    *sizing.RULES,
    *environment.RULES,
    *production.RULES,
)


def broken(settings: StackSettings) -> list[Mistake]:
    """Return every mistake across the keys of complete settings."""
    return [mistake for rule in RULES for mistake in rule(settings)]


def broken_in_draft(settings: StackSettings) -> list[Mistake]:
    """Return what can be said of a draft: a rule ends where it reads a value that is not there."""
    found: list[Mistake] = []
    for rule in RULES:
        mistakes = rule(settings)
        while True:
            try:
                found.append(next(mistakes))
            except (StopIteration, AttributeError):
                break
    return found
