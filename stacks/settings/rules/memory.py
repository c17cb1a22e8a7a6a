"""What pgvector and the connection budget demand."""

from collections.abc import Iterator

from memory.schema.model import INDEXABLE_DIMENSIONS, STORABLE_DIMENSIONS
from stacks.settings.mistakes import Mistake
from stacks.settings.model import (
    HnswSettings,
    IvfflatSettings,
    ManagedPostgres,
    StackSettings,
)

POOLED_LOGINS = 2
"""app and reader, who may use Azure's PgBouncer; the migrator refuses any pooler."""

OPERATORS = 5
"""Connections kept for the migrator, the exporter and a human with psql."""

TAKEN_DATABASES = ("zep", "postgres", "template0", "template1", "azure_maintenance")


def connections_fit_the_server(s: StackSettings) -> Iterator[Mistake]:
    """What all may open at once, by every way the network leaves open, fits the server."""
    if isinstance(s.postgres, ManagedPostgres):
        granted, server = s.postgres.size.user_connections, s.postgres.sku
    else:
        granted, server = s.postgres.user_connections, s.postgres.host
    budget = _connection_budget(s)
    needed = sum(budget.values())
    if needed > granted:
        shares = " + ".join(f"{number} for {who}" for who, number in budget.items())
        yield Mistake(
            "connections",
            f"{needed} ({shares})",
            f"{granted} on {server}",
            "make the pools smaller, or the server larger",
        )


def _connection_budget(s: StackSettings) -> dict[str, int]:
    """Connections to the server by who opens them.

    Zep's is a share that is kept free: its pods bring a PgBouncer each, with one pair of login
    and database, and divide the share among them.
    """
    pooler = s.connections.pooler
    pooled = POOLED_LOGINS * pooler.default_pool_size if _has_azures_pooler(s) else 0
    return {
        "the memory service": _application_connections(s),
        "Azure's pooler": pooled,
        "Zep": pooler.default_pool_size + pooler.reserve_pool_size,
        "operators": OPERATORS,
    }


def _application_connections(s: StackSettings) -> int:
    app = s.connections.application
    return app.replicas * (app.pool_size + app.max_overflow)


def _has_azures_pooler(s: StackSettings) -> bool:
    """On a Burstable server it is another rule's mistake, and no reason for smaller pools."""
    server = s.postgres
    if not isinstance(server, ManagedPostgres) or not server.built_in_pooler:
        return False
    return server.size.tier != "Burstable"


def clients_fit_the_pooler(s: StackSettings) -> Iterator[Mistake]:
    """A pooler that turns away a full application is no pooler."""
    clients, pooler = _application_connections(s), s.connections.pooler
    if _has_azures_pooler(s) and clients > pooler.max_client_connections:
        yield Mistake(
            "connections.pooler.max_client_connections",
            str(pooler.max_client_connections),
            f"{clients} or more",
            "raise it to what all replicas may open, or make their pools smaller",
        )


def dimension_is_indexable(s: StackSettings) -> Iterator[Mistake]:
    """pgvector stores up to 16,000 dimensions and indexes fewer, by element type."""
    memory = s.memory
    limit = INDEXABLE_DIMENSIONS[memory.element_type]
    if 1 <= memory.dimensions <= limit:
        return
    if memory.dimensions < 1:
        remedy = "give the length of the model's embeddings, e.g. 1536"
    elif memory.dimensions <= INDEXABLE_DIMENSIONS["halfvec"]:
        remedy = "use element_type 'halfvec', which indexes up to 4000, or a shorter embedding"
    elif memory.dimensions <= STORABLE_DIMENSIONS:
        remedy = "ask the model for a shorter embedding (`dimensions`), at most 4000 with 'halfvec'"
    else:
        remedy = (
            f"no column holds more than {STORABLE_DIMENSIONS}:"
            " ask the model for a shorter embedding, at most 4000 with 'halfvec'"
        )
    allowed = f"1 to {limit} for an index of {memory.element_type!r}"
    yield Mistake("memory.dimensions", str(memory.dimensions), allowed, remedy)


def graph_is_built_wide_enough(s: StackSettings) -> Iterator[Mistake]:
    """pgvector: «ef_construction must be greater than or equal to 2 * m»."""
    index = s.memory.index
    if isinstance(index, HnswSettings) and index.ef_construction < 2 * index.m:
        yield Mistake(
            "memory.index.ef_construction",
            str(index.ef_construction),
            f"{2 * index.m} or more with m = {index.m}",
            "raise ef_construction to at least twice m, or lower m",
        )


def lists_fit_the_rows(s: StackSettings) -> Iterator[Mistake]:
    """More lists than rows leave lists empty; more probes than lists ask for what is not there."""
    index = s.memory.index
    if not isinstance(index, IvfflatSettings):
        return
    if index.probes > index.lists:
        yield Mistake(
            "memory.index.probes",
            str(index.probes),
            f"{index.lists} (memory.index.lists) or less",
            "start with the square root of lists",
        )
    if index.lists > s.workload.facts:
        yield Mistake(
            "memory.index.lists",
            f"{index.lists} for {s.workload.facts} facts",
            f"{s.workload.facts} or less",
            "start with facts / 1000 below a million facts, their square root above",
        )


def databases_are_apart(s: StackSettings) -> Iterator[Mistake]:
    """Zep vacuums and migrates the whole of its database, so the memory table has its own."""
    if s.memory.database in TAKEN_DATABASES:
        yield Mistake(
            "memory.database",
            repr(s.memory.database),
            f"any name but {', '.join(TAKEN_DATABASES)}",
            "choose a name of its own, e.g. memory",
        )


RULES = (
    connections_fit_the_server,
    clients_fit_the_pooler,
    dimension_is_indexable,
    graph_is_built_wide_enough,
    lists_fit_the_rows,
    databases_are_apart,
)
