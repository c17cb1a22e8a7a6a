"""What the connection budget demands."""

from collections.abc import Iterator

from stacks.settings.budget import (
    application_connections,
    granted,
    has_azures_pooler,
    shares,
)
from stacks.settings.mistakes import Mistake
from stacks.settings.model import ManagedPostgres, StackSettings


def connections_fit_the_server(s: StackSettings) -> Iterator[Mistake]:
    """What all may open at once, by every way the network leaves open, fits the server."""
    server = s.postgres.sku if isinstance(s.postgres, ManagedPostgres) else s.postgres.host
    parts = shares(s)
    needed = sum(parts.values())
    if needed > granted(s):
        listed = " + ".join(f"{number} for {who}" for who, number in parts.items())
        yield Mistake(
            "connections",
            f"{needed} ({listed})",
            f"{granted(s)} on {server}",
            "make the pools smaller, bring the replicas down, or make the server larger",
        )


def clients_fit_azures_pooler(s: StackSettings) -> Iterator[Mistake]:
    """A pooler that turns away a full application is no pooler."""
    clients, pooler = application_connections(s), s.connections.pooler
    if has_azures_pooler(s) and clients > pooler.max_client_connections:
        yield Mistake(
            "connections.pooler.max_client_connections",
            str(pooler.max_client_connections),
            f"{clients} or more",
            "raise it to what all replicas may open, or make their pools smaller",
        )


def zep_fits_its_own_pooler(s: StackSettings) -> Iterator[Mistake]:
    """Zep opens 4 connections for each processor and cannot be told otherwise."""
    clients, pooler = s.workloads.zep.client_connections, s.connections.pooler
    if clients > pooler.max_client_connections:
        yield Mistake(
            "workloads.zep.processors",
            f"{s.workloads.zep.processors}, which is {clients} connections",
            f"{pooler.max_client_connections} connections"
            " (connections.pooler.max_client_connections)",
            "lower processors, or raise max_client_connections",
        )


RULES = (connections_fit_the_server, clients_fit_azures_pooler, zep_fits_its_own_pooler)
