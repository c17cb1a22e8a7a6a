"""How large a workload's databases are, relation by relation, and what its index takes to build.

Pages are counted as PostgreSQL and pgvector fill them, so that a figure is wrong only where what is
stated is: the number of rows, a length, the spread of lengths around it.  ``python -m sizing
measure`` compares it with a live database, docs/sizing-accuracy.md says how close it was.

Not in here are dead rows, write-ahead log, and a second index while one is replaced.
"""

import math

from memory.schema.catalog import Column, Index, Table
from memory.schema.estimate import build_cost
from sizing import footprint, wal
from sizing.footprint import Footprint
from sizing.pages import PAGE
from sizing.prediction import Build, Prediction
from sizing.records import vector_bytes
from sizing.relations import memory_relations, vector_index, zep_relations
from sizing.vector_index import sorted_bytes
from sizing.workload import Hnsw, Workload


def predict(workload: Workload) -> Prediction:
    """All relations of the memory database and of Zep's own.

    Texts are between half and one and a half of their stated mean.  Every session has a user of
    its own, which is the most there can be.
    """
    row = _row(workload)
    zep = zep_relations(
        messages=workload.messages,
        sessions=workload.sessions,
        users=workload.sessions,
        message=footprint.of_stated_messages(workload.message_bytes),
    )
    return Prediction(
        objects=(*memory_relations(workload, row), *zep),
        build=_build(workload),
        wal_bytes_a_row=math.ceil(wal.of_a_row(workload, row)),
    )


def _row(workload: Workload) -> Footprint:
    """A row of the memory table: a fact, or a message that is a memory without metadata."""
    width = vector_bytes(workload.dimensions, workload.element_type)
    fact = footprint.of_stated_memories(workload.content_bytes, workload.metadata_bytes, width)
    if not workload.embeds_messages:
        return fact
    message = footprint.of_stated_memories(workload.message_bytes, 0, width)
    return footprint.mean(fact, workload.facts, message, workload.messages)


def _build(workload: Workload) -> Build | None:
    index, rows = workload.index, workload.rows
    if index is None:
        return None
    column = Column(type=f"{workload.element_type}({workload.dimensions})")
    table = Table(owner="", rows=rows, columns={"embedding": column})
    method = "hnsw" if isinstance(index, Hnsw) else "ivfflat"
    options = {name: str(value) for name, value in vars(index).items()}
    cost = build_cost(table, Index(method=method, columns=("embedding",), options=options))
    width = vector_bytes(workload.dimensions, workload.element_type)
    return Build(
        memory_mib=cost.memory_mib,
        minutes_on_one_core=cost.minutes,
        wal_bytes=vector_index(workload, index).bytes // PAGE * wal.PAGE_IMAGE,
        temporary_bytes=0 if isinstance(index, Hnsw) else rows * sorted_bytes(width),
    )
