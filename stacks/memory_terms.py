"""The memory settings as the schema engine's own model."""

from collections.abc import Iterator
from dataclasses import dataclass

from memory.schema.model import Autovacuum, DesiredSchema, Hnsw, IvfFlat, memory_schema
from stacks.settings.model import HnswSettings, MemorySettings

EMBEDDING = "embedding"
DEFAULT_TENANT = "default"
"""In whose name everything is stored that nobody else is named for."""


@dataclass(frozen=True, kw_only=True)
class TenantPlace:
    """Where the memories of a tenant are that has tables of its own."""

    tenant: str
    database: str
    desired: DesiredSchema


def desired_schema(
    memory: MemorySettings, *, on_nodes: bool = False, tenant: str | None = None
) -> DesiredSchema:
    """Return the schema that the settings ask for; on nodes, its rows are shared out over them.

    ``tenant`` names whose it is, where that is not the schema of all.
    """
    schema = memory_schema(
        dimensions=memory.dimensions,
        column_type=memory.element_type,
        index=_index(memory),
        distributed=on_nodes,
        by_tenant=memory.isolation.kind == "row",
        tenant=tenant,
    )
    tables = tuple(
        table.model_copy(update={"autovacuum": _autovacuum(memory)}) for table in schema.tables
    )
    return schema.model_copy(update={"tables": tables})


def tenant_places(memory: MemorySettings) -> Iterator[TenantPlace]:
    """Yield where each tenant's memories are, but for the tenants that share the one table."""
    isolation = memory.isolation
    if isolation.kind == "database":
        names = zip(isolation.tenants, isolation.databases(memory.database), strict=True)
        for tenant, database in names:
            yield TenantPlace(tenant=tenant, database=database, desired=desired_schema(memory))
    if isolation.kind == "schema":
        for tenant in isolation.tenants:
            own = desired_schema(memory, tenant=tenant)
            yield TenantPlace(tenant=tenant, database=memory.database, desired=own)


def search_settings(memory: MemorySettings, *, on_nodes: bool = False) -> dict[str, str]:
    """Return what a transaction sets, in this order, before it asks for nearest neighbours.

    Without the first, nodes never hear of the others.
    https://docs.citusdata.com/en/stable/develop/api_guc.html
    """
    index, first = memory.index, {"citus.propagate_set_commands": "local"} if on_nodes else {}
    if isinstance(index, HnswSettings):
        return {**first, "hnsw.ef_search": str(index.ef_search)}
    return {**first, "ivfflat.probes": str(index.probes)}


def _index(memory: MemorySettings) -> Hnsw | IvfFlat:
    index = memory.index
    if isinstance(index, HnswSettings):
        return Hnsw(column=EMBEDDING, m=index.m, ef_construction=index.ef_construction)
    return IvfFlat(column=EMBEDDING, lists=index.lists)


def _autovacuum(memory: MemorySettings) -> Autovacuum:
    return Autovacuum(
        vacuum_scale_factor=memory.autovacuum.vacuum_scale_factor,
        analyze_scale_factor=memory.autovacuum.analyze_scale_factor,
        cost_delay_ms=memory.autovacuum.vacuum_cost_delay_ms,
    )
