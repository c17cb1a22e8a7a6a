"""How long a vector search takes at the 95th percentile: an upper bound, not a measurement.

The index is in memory on every server that is recommended, so that what varies is how many of the
rows found have to be fetched from the disk.
"""

from memory.schema.estimate import KEPT_FREE, NANOSECONDS_A_DIMENSION
from sizing.catalogue import GIB, Sku
from sizing.needs import RESULTS, cold_share, toast_pages
from sizing.prediction import Prediction
from sizing.workload import Hnsw, Ivfflat, Workload

HNSW_MS = 10.0
IVFFLAT_MS = 50.0
"""Upper ends of the mission's table for an index in memory; deployment strategy, section 2."""
PROBES = 10
"""Lists that a search by IVFFlat compares: what the strategy's stack files say."""
DISK_READ_MS = 5.0
"""Azure promises «single-digit millisecond latencies» of Premium SSD: the middle of them.

https://learn.microsoft.com/azure/postgresql/compute-storage/concepts-storage-premium-ssd
"""


def p95_ms(workload: Workload, prediction: Prediction, sku: Sku) -> float:
    """Index in memory, plus the rows found that are not, one read after another."""
    cached = cached_bytes(sku.memory_gib)
    pages = RESULTS * (1 + toast_pages(workload)) * cold_share(workload, prediction, cached)
    return search_ms(workload) + pages * DISK_READ_MS


def cached_bytes(memory_gib: float) -> float:
    """What of a machine's memory holds pages; the rest is for sessions and the system."""
    return memory_gib * GIB * (1 - KEPT_FREE)


def search_ms(workload: Workload) -> float:
    """The part that no memory makes shorter.

    By lists, their share of the rows is compared; without an index, every row.
    """
    index = workload.index
    if isinstance(index, Hnsw):
        return HNSW_MS
    if isinstance(index, Ivfflat):
        return max(IVFFLAT_MS, _compare_ms(workload) * min(1.0, PROBES / index.lists))
    return _compare_ms(workload)


def _compare_ms(workload: Workload) -> float:
    """Every row with the one that is looked for, on one core."""
    return workload.rows * workload.dimensions * NANOSECONDS_A_DIMENSION / 1e6
