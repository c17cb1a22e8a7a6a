"""What building a vector index costs, before it is started.  Formulas, not promises.

Memory (HNSW, from pgvector's HnswElementData and HnswCandidate): every row keeps its vector, an
element of about 160 bytes and 16 bytes for each link, of which there are 2m on the ground layer
and m/(m-1) above it.  When that exceeds ``maintenance_work_mem`` the build goes on on disk, many
times slower.  IVFFlat keeps its centres and a sample of 50 rows a list, 10,000 at least.

Time: an insert into the graph computes about ``3 * ef_construction * m + 2 * m * m`` distances
(search, choice of neighbours, their own new choice), IVFFlat ``lists`` a row, and ten times that
for its sample; a distance costs about 0.4 ns a dimension.  On one core: how many workers the
server grants is known when the build runs, and they divide it.  Against builds of 4,000 and 8,000
x 1536 it was right within a factor of three: an order of magnitude, to choose between a coffee and
a night.
"""

from memory.schema.catalog import Index, Table
from memory.schema.steps import Cost

NANOSECONDS_A_DIMENSION = 0.4
ELEMENT_BYTES = 160
LINK_BYTES = 16
SAMPLES_A_LIST = 50
LEAST_SAMPLE = 10_000
BTREE_ROWS_A_MINUTE = 30_000_000


def dimensions_of(type_text: str) -> int:
    """The 1536 of ``vector(1536)``; 0 for a type without one."""
    size = type_text.rpartition("(")[2].rstrip(")")
    return int(size) if type_text.startswith(("vector", "halfvec")) and size.isdigit() else 0


def vector_bytes(type_text: str) -> int:
    """Bytes of one value: 4 a dimension, 2 for halfvec, and a header of 8."""
    return dimensions_of(type_text) * (2 if type_text.startswith("halfvec") else 4) + 8


def rows_of(table: Table) -> int:
    """The planner's estimate; from the size where the table was never analysed."""
    if table.rows >= 0:
        return table.rows
    width = 100 + sum(vector_bytes(column.type) for column in table.columns.values())
    return table.bytes // width


def build_cost(table: Table, index: Index) -> Cost:
    """Rows read, bytes written, minutes on one core and MiB of memory to build ``index``."""
    rows = rows_of(table)
    column = table.columns.get(index.columns[0])
    width = vector_bytes(column.type) if column else 8
    dimensions = dimensions_of(column.type) if column else 0
    if index.method == "hnsw":
        m, ef = int(index.options["m"]), int(index.options["ef_construction"])
        size = rows * (width + ELEMENT_BYTES + LINK_BYTES * (2 * m + m / (m - 1)))
        distances = rows * (3 * ef * m + 2 * m * m)
    elif index.method == "ivfflat":
        lists = int(index.options["lists"])
        sample = min(rows, max(LEAST_SAMPLE, lists * SAMPLES_A_LIST))
        size = (lists + sample) * width
        distances = (rows + 10 * sample) * lists
    else:
        return Cost(rows=rows, bytes=rows * 40, minutes=round(rows / BTREE_ROWS_A_MINUTE, 2))
    minutes = distances * dimensions * NANOSECONDS_A_DIMENSION / 1e9 / 60
    return Cost(
        rows=rows,
        bytes=rows * width,
        minutes=round(minutes, 2),
        memory_mib=int(size // 2**20) + 1,
    )


def session_memory_kib(needed_mib: int, server_kib: int, shared_buffers_kib: int) -> int:
    """``maintenance_work_mem`` for a build: what it needs, at most one ``shared_buffers`` more.

    Azure gives ``shared_buffers`` a quarter of the machine's memory, so a build may take another
    quarter at most; the server's own setting is never lowered.
    """
    return max(server_kib, min(needed_mib * 1024, shared_buffers_kib))
