"""What the workloads demand of each other and of their surroundings."""

from collections.abc import Iterator

from stacks.settings.mistakes import Mistake
from stacks.settings.model import ExistingNetwork, ManagedPostgres, StackSettings
from stacks.settings.workloads import ManagedGraphStore

GRAPH_STORE_REST_GIB = 0.5
"""What Neo4j takes beside heap and page cache: threads, network, its Lucene indexes."""

EMBEDDING_DIMENSIONS = {
    "text-embedding-ada-002": (1536, 1536),
    "text-embedding-3-small": (1, 1536),
    "text-embedding-3-large": (1, 3072),
}
"""Least and greatest length of the embeddings of known models; a 3 may be asked for fewer.

https://platform.openai.com/docs/guides/embeddings
"""


def replicas(s: StackSettings) -> Iterator[tuple[str, int, int]]:
    """Yield the path, the least and the greatest number of what an autoscaler moves."""
    w = s.workloads
    yield "workloads.zep", w.zep.replicas, w.zep.max_replicas
    application = s.connections.application.replicas
    yield "workloads.memory_service", application, w.memory_service.max_replicas
    yield "workloads.gateway", w.gateway.replicas, w.gateway.max_replicas


def autoscalers_have_bounds(s: StackSettings) -> Iterator[Mistake]:
    """An autoscaler moves between the bounds, the lower one first."""
    for path, least, greatest in replicas(s):
        if least > greatest:
            yield Mistake(
                f"{path}.max_replicas",
                f"{greatest} with {least} replicas",
                f"{least} or more",
                "raise max_replicas, or lower the replicas",
            )


def graph_store_fits_its_memory(s: StackSettings) -> Iterator[Mistake]:
    """Heap and page cache are taken whole; beyond the limit the kernel ends the process."""
    store = s.workloads.graph_store
    if not isinstance(store, ManagedGraphStore):
        return
    wanted = store.heap_gib + store.page_cache_gib + GRAPH_STORE_REST_GIB
    if wanted > store.memory_gib:
        yield Mistake(
            "workloads.graph_store.memory_gib",
            f"{store.memory_gib:g} for a heap of {store.heap_gib:g}"
            f" and a page cache of {store.page_cache_gib:g}",
            f"{wanted:g} or more",
            "raise memory_gib, or lower heap_gib and page_cache_gib",
        )


def model_makes_what_the_table_holds(s: StackSettings) -> Iterator[Mistake]:
    """An embedding of another length is refused by the table with its first row."""
    bounds = EMBEDDING_DIMENSIONS.get(s.model.embedding_model)
    if bounds is None or s.memory.dimensions < 1:
        return
    least, greatest = bounds
    if not least <= s.memory.dimensions <= greatest:
        allowed = f"{greatest}" if least == greatest else f"{least} to {greatest}"
        yield Mistake(
            "model.embedding_model",
            f"{s.model.embedding_model!r} for {s.memory.dimensions} dimensions",
            f"a model of {s.memory.dimensions} dimensions; this one makes {allowed}",
            "choose another model, or other memory.dimensions while the table is empty",
        )


def pods_reach_the_database(s: StackSettings) -> Iterator[Mistake]:
    """The network policy opens the database's port to known addresses only."""
    existing = isinstance(s.network, ExistingNetwork)
    if existing and isinstance(s.postgres, ManagedPostgres) and s.network.endpoints_subnet is None:
        yield Mistake(
            "network.endpoints_subnet",
            "nothing, with network.kind 'existing' and postgres.kind 'managed'",
            "the range of the subnet that endpoints_subnet_id names",
            "copy it from `az network vnet subnet show --query addressPrefix`",
        )


RULES = (
    autoscalers_have_bounds,
    graph_store_fits_its_memory,
    model_makes_what_the_table_holds,
    pods_reach_the_database,
)
