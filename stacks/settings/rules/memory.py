"""What pgvector and Zep demand of the memory table."""

from collections.abc import Iterator

from memory.schema.model import INDEXABLE_DIMENSIONS, STORABLE_DIMENSIONS
from stacks.settings.mistakes import Mistake
from stacks.settings.model import (
    HnswSettings,
    IvfflatSettings,
    StackSettings,
)

LONGEST_NAME = 63
"""Bytes of a name in PostgreSQL."""
TAKEN_DATABASES = ("zep", "postgres", "template0", "template1", "azure_maintenance")


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


def tenants_are_not_on_nodes(s: StackSettings) -> Iterator[Mistake]:
    """Nodes have one database, and share a table out by session, whoever the tenant is."""
    if s.nodes is not None and s.memory.isolation.kind != "shared":
        yield Mistake(
            "memory.isolation.kind",
            f"{s.memory.isolation.kind!r} with postgres.elastic_cluster",
            "'shared' on nodes",
            "choose shared, or remove elastic_cluster",
        )


def every_database_has_a_connection(s: StackSettings) -> Iterator[Mistake]:
    """A pod of the memory service shares its connections out among the tenants' databases."""
    app, isolation = s.connections.application, s.memory.isolation
    needed, most = 1 + len(isolation.tenants), app.pool_size + app.max_overflow
    if isolation.kind == "database" and most < needed:
        yield Mistake(
            "connections.application",
            f"{most} connections of a pod for {needed} databases",
            f"{needed} or more (pool_size + max_overflow)",
            "raise pool_size, or keep tenants apart by schema, which takes no connection more",
        )


def tenants_databases_are_short(s: StackSettings) -> Iterator[Mistake]:
    """PostgreSQL cuts a longer name, and two that begin alike would be one."""
    for name in s.memory.isolation.databases(s.memory.database):
        if len(name) > LONGEST_NAME:
            yield Mistake(
                "memory.isolation.tenants",
                f"{len(name)} characters in {name!r}",
                f"{LONGEST_NAME} or fewer",
                "shorten the tenant's name, or memory.database",
            )


RULES = (
    tenants_are_not_on_nodes,
    every_database_has_a_connection,
    tenants_databases_are_short,
    dimension_is_indexable,
    graph_is_built_wide_enough,
    lists_fit_the_rows,
    databases_are_apart,
)
