"""The memory settings as the schema engine's own model."""

from memory.schema.model import Autovacuum, DesiredSchema, Hnsw, IvfFlat, memory_schema
from stacks.settings.model import HnswSettings, MemorySettings

EMBEDDING = "embedding"


def desired_schema(memory: MemorySettings) -> DesiredSchema:
    """Return the schema that the settings ask for."""
    schema = memory_schema(
        dimensions=memory.dimensions,
        column_type=memory.element_type,
        index=_index(memory),
    )
    tables = tuple(
        table.model_copy(update={"autovacuum": _autovacuum(memory)}) for table in schema.tables
    )
    return schema.model_copy(update={"tables": tables})


def search_settings(memory: MemorySettings) -> dict[str, str]:
    """Return what a session sets before it asks for nearest neighbours."""
    index = memory.index
    if isinstance(index, HnswSettings):
        return {"hnsw.ef_search": str(index.ef_search)}
    return {"ivfflat.probes": str(index.probes)}


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
