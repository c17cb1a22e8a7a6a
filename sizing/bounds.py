"""What can be asked at all: each bound with its reason, refused in one line."""

import math
from collections.abc import Iterator

from memory.schema.model import INDEXABLE_DIMENSIONS, STORABLE_DIMENSIONS
from sizing.catalogue import SKUS
from sizing.errors import SizingError
from sizing.growth import grown
from sizing.latency import HNSW_MS, search_ms
from sizing.workload import Hnsw, Ivfflat, Workload

MOST_ROWS = 10**12
"""Far beyond what any number of servers holds; arithmetic stays exact."""
READABLE = 10**18
"""Beyond it, a refusal counts the digits."""
MOST_BYTES = 2**30
"""PostgreSQL's own limit for one value."""
MOST_GROWTH = 1000.0
MOST_CONNECTIONS = max(sku.user_connections for sku in SKUS.values())
SERIES = tuple(sorted({sku.series for sku in SKUS.values() if sku.series}))


def refuse_impossible(
    workload: Workload, *, connections_needed: int, target_p95_ms: float, series: str
) -> None:
    """Raise ``SizingError`` with the first thing that no server could be asked."""
    refuse_figures(workload)
    _refuse_index(workload)
    later = grown(workload, workload.growth_factor)
    _refuse_long_scan(later)
    if series not in SERIES:
        raise SizingError(f"series {series!r}: Azure sells {', '.join(SERIES)}")
    if not 0 <= connections_needed <= MOST_CONNECTIONS:
        raise SizingError(
            f"{connections_needed:,} connections: no server of Azure's leaves more than"
            f" {MOST_CONNECTIONS:,} to its users; make the pools smaller"
        )
    floor = search_ms(later)
    if not floor <= target_p95_ms < math.inf:
        raise SizingError(
            f"a p95 of {target_p95_ms:g} ms: a search here takes up to {floor:,.0f} ms even in"
            " memory; allow that much, or choose hnsw"
        )


def refuse_figures(workload: Workload) -> None:
    """Raise ``SizingError`` with the first figure that is out of its bounds."""
    for name, value, least, most in _numbers(workload):
        if not least <= value <= most:
            raise SizingError(
                f"{name} {_figure(value)}: allowed is {_figure(least)} to {_figure(most)}"
            )


def _figure(value: float) -> str:
    """As it was stated; a whole number may be too large for a float, and for a line."""
    if not isinstance(value, int):
        return f"{value:,g}"
    return f"{value:,}" if abs(value) < READABLE else f"of {len(str(abs(value)))} digits"


def _numbers(workload: Workload) -> Iterator[tuple[str, float, float, float]]:
    w = workload
    yield "sessions", w.sessions, 1, MOST_ROWS
    yield "messages per session", w.messages_per_session, 0, MOST_ROWS
    yield "facts", w.facts, 0, MOST_ROWS
    yield "retention days", w.retention_days, 1, 36_500
    yield "bytes of a message", w.message_bytes, 1, MOST_BYTES
    yield "bytes of content", w.content_bytes, 1, MOST_BYTES
    yield "bytes of metadata", w.metadata_bytes, 0, MOST_BYTES
    yield "growth factor", w.growth_factor, 1, MOST_GROWTH
    yield "growth per month", w.growth_per_month, 0, 10
    yield "messages", w.messages, 0, MOST_ROWS
    if isinstance(w.index, Hnsw):
        yield "m", w.index.m, 2, 100
        yield "ef_construction", w.index.ef_construction, max(4, 2 * w.index.m), 1000
    elif isinstance(w.index, Ivfflat):
        yield "lists", w.index.lists, 1, 32_768


def _refuse_long_scan(later: Workload) -> None:
    """Without an index every search reads every vector.

    Up to what a search by an index takes of a core, whatever is planned for searches holds; the
    vectors are then 160 MB at most, which the smallest server keeps in memory.
    """
    takes = search_ms(later)
    if later.index is None and takes > HNSW_MS:
        raise SizingError(
            f"no index: each search would compare all {later.rows:,} rows, grown, for"
            f" {takes:,.0f} ms of a core; allowed is {HNSW_MS:g} ms, which is"
            f" {int(later.rows * HNSW_MS / takes):,} rows; choose hnsw"
        )


def _refuse_index(workload: Workload) -> None:
    most = STORABLE_DIMENSIONS
    if workload.index is not None:
        most = INDEXABLE_DIMENSIONS[workload.element_type]
    if 1 <= workload.dimensions <= most:
        return
    remedy = "choose a smaller embedding"
    if workload.element_type == "vector" and workload.dimensions <= INDEXABLE_DIMENSIONS["halfvec"]:
        remedy = "use halfvec, which can be up to 4000"
    raise SizingError(
        f"{workload.dimensions} dimensions of {workload.element_type}: an index takes 1 to {most};"
        f" {remedy}"
    )
