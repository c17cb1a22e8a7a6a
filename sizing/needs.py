"""What a predicted workload takes of a server: disk, memory and IOPS, term by term.

Each term carries its numbers and its source, so that a sum can be disputed in its parts.
"""

import math
from dataclasses import dataclass

from memory.schema.estimate import NANOSECONDS_A_DIMENSION, graph_distances
from sizing.catalogue import disk_of
from sizing.prediction import ObjectSize, Prediction
from sizing.records import vector_bytes
from sizing.toast import CHUNK, CHUNKS_A_PAGE
from sizing.workload import Hnsw, Workload

DEAD_ROWS = 0.1
"""Share of a table that may be dead before autovacuum visits it: the tables' own setting."""
SYSTEM_BYTES = 2**30
"""Catalogues of the databases, and the server's own logs."""
PEAK = 10
"""How many times the month's average the busiest minute is: working hours, and a rush in them."""
SECONDS_A_MONTH = 30 * 86_400
RESULTS = 10
"""Rows that a search returns."""
SEARCH_CPU_SECONDS = 0.01
"""The mission's upper bound of a search in memory, which is nothing but computing."""
MESSAGE_CPU_SECONDS = 0.002
"""A statement's parsing, its rows and its commit: an assumption."""
ROW_BYTES = 200
"""Of a row without its texts and its vector, at the most."""
ROOM_FOR_ROWS = 1.5
"""For what pages and TOAST leave empty: 1.36 was the most over thousands of shapes."""
TEXT_TABLES = ("zep_memory_vectors", "messages")
MAPS_BYTES = 2**17
"""Of a table with few rows: its first pages, and its maps of free and of visible ones."""
PAGES_OF_A_MESSAGE = 5
"""Zep's row, the leaves of its three indexes, and the commit's WAL."""
PAGES_OF_A_ROW = 5
"""A memory's row, the leaves of its three btrees, and the commit's WAL."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """One summand."""

    name: str
    value: float
    unit: str
    terms: str
    """The formula with this workload's numbers."""
    source: str


def disk(workload: Workload, prediction: Prediction, storage_gib: int) -> tuple[Term, ...]:
    """Bytes on the disk when it is fullest: while the vector index is built a second time."""
    build = prediction.build
    wal_mib = wal_room_mib(storage_gib)
    rows = rows_bytes(workload, prediction)
    return (
        _bytes(
            "tables and indexes",
            prediction.bytes,
            "sum over the relations of both databases",
            "sizing.predict",
        ),
        _bytes(
            "texts that do not compress",
            rows + prediction.vector_index_bytes - prediction.bytes,
            f"rows as written x {ROOM_FOR_ROWS:g} for what pages leave empty, less the above",
            "what is encrypted does not compress",
        ),
        _bytes(
            "a second vector index",
            prediction.vector_index_bytes,
            "the old one serves until the new one is swapped in",
            "memory.schema: an index is replaced without a gap",
        ),
        _bytes(
            "temporary files of a build",
            build.temporary_bytes if build else 0,
            "sorted rows that do not fit in memory",
            "sizing.predict",
        ),
        _bytes(
            "dead rows",
            DEAD_ROWS * rows,
            f"{DEAD_ROWS:.0%} of all but the vector index",
            "memory.autovacuum.vacuum_scale_factor",
        ),
        _bytes(
            "write-ahead log",
            wal_mib * 2**20,
            f"max_wal_size of a disk of {storage_gib} GiB: {wal_mib:,} MiB",
            "https://learn.microsoft.com/azure/postgresql/server-parameters/"
            "concepts-server-parameters",
        ),
        _bytes("catalogues and server logs", SYSTEM_BYTES, "1 GiB set aside", "an assumption"),
    )


def wal_room_mib(storage_gib: int) -> int:
    """``max_wal_size`` that Azure gives a server made with this disk or the next smaller one."""
    return disk_of(storage_gib).max_wal_mib


def iops(workload: Workload, prediction: Prediction, memory_bytes: float) -> tuple[Term, ...]:
    """Operations a second in the busiest minute, as if no two writes shared a page.

    The vector index is in memory, or another finding says so; the rows that a search returns may
    not be.
    """
    messages, rows = _peak(workload)
    of_a_row = pages_of_a_row(workload)
    cold = cold_share(workload, prediction, memory_bytes)
    return (
        _iops(
            "messages written",
            messages * PAGES_OF_A_MESSAGE,
            f"{messages:.3g} a second x {PAGES_OF_A_MESSAGE} pages",
        ),
        _iops("memories written", rows * of_a_row, f"{rows:.3g} a second x {of_a_row} pages"),
        _iops(
            "rows read from disk",
            messages * RESULTS * (1 + toast_pages(workload)) * cold,
            f"{messages:.3g} searches a second x {RESULTS} rows x {1 + toast_pages(workload)}"
            f" pages x {cold:.0%} not in memory",
        ),
    )


def cpu(workload: Workload) -> tuple[Term, ...]:
    """Cores that are busy in the busiest minute."""
    messages, rows = _peak(workload)
    seconds = _insert_distances(workload) * workload.dimensions * NANOSECONDS_A_DIMENSION / 1e9
    return (
        _cores(
            "searches",
            messages * SEARCH_CPU_SECONDS,
            f"{messages:.3g} a second x {SEARCH_CPU_SECONDS * 1000:g} ms, one for each message",
        ),
        _cores(
            "messages written",
            messages * MESSAGE_CPU_SECONDS,
            f"{messages:.3g} a second x {MESSAGE_CPU_SECONDS * 1000:g} ms",
        ),
        _cores(
            "memories written",
            rows * (seconds + MESSAGE_CPU_SECONDS),
            f"{rows:.3g} a second x {(seconds + MESSAGE_CPU_SECONDS) * 1000:.3g} ms",
        ),
    )


def _insert_distances(workload: Workload) -> int:
    """As ``memory.schema.estimate`` counts them for a build."""
    index = workload.index
    if isinstance(index, Hnsw):
        return graph_distances(index.m, index.ef_construction)
    return 0 if index is None else index.lists


def _peak(workload: Workload) -> tuple[float, float]:
    """Messages and new memories a second, in the busiest minute."""
    messages = workload.sessions * workload.messages_per_session / SECONDS_A_MONTH * PEAK
    facts = workload.facts * workload.growth_per_month / SECONDS_A_MONTH * PEAK
    return messages, facts + (messages if workload.embeds_messages else 0)


def pages_of_a_row(workload: Workload) -> int:
    """Pages that a new memory dirties; in a graph, those of all its neighbours, too."""
    index = workload.index
    graph = 2 + 2 * index.m if isinstance(index, Hnsw) else int(index is not None)
    return PAGES_OF_A_ROW + toast_pages(workload) + graph


def toast_pages(workload: Workload) -> int:
    """Pages that the parts of a row lie on which its own page does not hold.

    Of the longer kind where facts and messages are rows: a search may return nothing else.
    """
    kinds = [text for rows, text in _texts(workload) if rows]
    width = vector_bytes(workload.dimensions, workload.element_type) + max(kinds, default=0)
    return math.ceil(width / CHUNK / CHUNKS_A_PAGE)


def _texts(workload: Workload) -> tuple[tuple[int, int], ...]:
    """Rows of each kind that the memory table has, and the bytes of their texts."""
    return (
        (workload.facts, workload.content_bytes + workload.metadata_bytes),
        (workload.rows - workload.facts, workload.message_bytes),
    )


def cold_share(workload: Workload, prediction: Prediction, memory_bytes: float) -> float:
    """Share of the rows that memory does not hold, once the vector index has its part."""
    rest = rows_bytes(workload, prediction)
    room = max(0.0, memory_bytes - prediction.vector_index_bytes)
    return 0.0 if rest <= room else 1 - room / rest


def rows_bytes(workload: Workload, prediction: Prediction) -> int:
    """All but the vector index, as if no text compressed: never less than what is predicted.

    PostgreSQL takes less for a row of 2.1 KB, which it compresses, than for one of 2.0 KB, which
    it does not.  Nobody plans a server by that: a longer text never asks for less here.
    """
    vector = vector_bytes(workload.dimensions, workload.element_type)
    memories = sum(rows * (ROW_BYTES + vector + text) for rows, text in _texts(workload))
    written = memories + workload.messages * (ROW_BYTES + workload.message_bytes)
    others = sum(
        o.bytes for o in prediction.objects if not _holds_text(o) and not o.is_vector_index
    )
    return math.ceil(ROOM_FOR_ROWS * written) + MAPS_BYTES * len(TEXT_TABLES) + others


def _holds_text(item: ObjectSize) -> bool:
    return item.name in TEXT_TABLES and item.kind in ("heap", "toast", "toast index")


def total(terms: tuple[Term, ...]) -> float:
    """Their sum."""
    return sum(term.value for term in terms)


def _bytes(name: str, value: float, terms: str, source: str) -> Term:
    return Term(name=name, value=value, unit="bytes", terms=terms, source=source)


def _iops(name: str, value: float, terms: str) -> Term:
    source = f"the busiest minute is {PEAK} times the month's average: an assumption"
    return Term(name=name, value=value, unit="IOPS", terms=terms, source=source)


def _cores(name: str, value: float, terms: str) -> Term:
    source = "memory.schema.estimate for distances; the rest is assumed in sizing.needs"
    return Term(name=name, value=value, unit="cores", terms=terms, source=source)
