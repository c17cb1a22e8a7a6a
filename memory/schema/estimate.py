"""What building a vector index costs, before it is started.  Formulas, not promises.

Memory (HNSW, from pgvector's HnswElementData and HnswCandidate): every row keeps its vector, an
element of about 160 bytes and 16 bytes for each link, of which there are 2m on the ground layer
and m/(m-1) above it.  When that exceeds ``maintenance_work_mem`` the build goes on on disk, many
times slower.  pgvector 0.8.5, by the row at which its graph no longer fitted, took 0.4 to 3 % more
or less (64 and 768 dimensions, m 8 and 16, with and without workers).  IVFFlat keeps its centres
and a sample of 50 rows a list, 10,000 at least.

Time: an insert into the graph computes about ``3 * ef_construction * m + 2 * m * m`` distances
(search, choice of neighbours, their own new choice), IVFFlat ``lists`` a row, and ten times that
for its sample; a distance costs about 0.25 ns a dimension on a core with AVX2.  On one core: how
many workers the server grants is known when the build runs, and they divide it.  Against builds of
5,000 to 50,000 x 1536 it was right within a factor of 1.4 (``python -m bench hnsw``): to choose
between a coffee and a night.
"""

from dataclasses import dataclass

from memory.schema.catalog import Column, Index, Table
from memory.schema.steps import Cost

NANOSECONDS_A_DIMENSION = 0.25
ELEMENT_BYTES = 160
LINK_BYTES = 16
SAMPLES_A_LIST = 50
LEAST_SAMPLE = 10_000
BTREE_ROWS_A_MINUTE = 30_000_000
BTREE_BYTES_A_ROW = 40
FEWEST_LINKS = 8
"""Of fewer, recall suffers more than memory gains."""
KEPT_FREE = 0.25
"""Share of a machine's memory that no build takes: sessions, autovacuum, the system, its cache."""


def dimensions_of(type_text: str) -> int:
    """The 1536 of ``vector(1536)``; 0 for a type without one."""
    size = type_text.rpartition("(")[2].rstrip(")")
    return int(size) if type_text.startswith(("vector", "halfvec")) and size.isdigit() else 0


def vector_bytes(type_text: str) -> int:
    """Bytes of one value: 4 a dimension, 2 for halfvec, and a header of 8."""
    return dimensions_of(type_text) * (2 if type_text.startswith("halfvec") else 4) + 8


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What the caller knows of the server's size, which no SQL shows; None where it does not."""

    vcores: int | None = None
    memory_gib: float | None = None


UNKNOWN_MACHINE = Machine()


@dataclass(frozen=True, kw_only=True)
class BuildCost(Cost):
    """What building an index costs, and how that was reckoned."""

    method: str = "btree"
    memory_terms: str = ""
    """The formula with this build's numbers."""
    minutes_terms: str = ""
    smaller: tuple[str, ...] = ()
    """Declarations that need less memory, each with its MiB."""


def rows_of(table: Table) -> int:
    """The planner's estimate; from the size where the table was never analysed, or when empty."""
    if table.rows > 0 or table.empty:
        return table.rows if table.rows > 0 else 0
    width = 100 + sum(vector_bytes(column.type) for column in table.columns.values())
    return table.bytes // width


def build_cost(table: Table, index: Index) -> BuildCost:
    """Rows read, bytes written, minutes on one core and MiB of memory to build ``index``."""
    rows, column = rows_of(table), table.columns.get(index.columns[0])
    if index.method == "hnsw" and column is not None:
        return _graph_cost(rows, column, index)
    if index.method == "ivfflat" and column is not None:
        return _lists_cost(rows, column, index)
    size = rows * BTREE_BYTES_A_ROW
    return BuildCost(
        rows=rows,
        bytes=size,
        minutes=round(rows / BTREE_ROWS_A_MINUTE, 2),
        memory_mib=size // 2**20,
        memory_terms=f"sorted in memory: {rows:,} rows x {BTREE_BYTES_A_ROW} B",
        minutes_terms=f"{rows:,} rows / {BTREE_ROWS_A_MINUTE:,} a minute",
    )


def graph_mib(rows: int, width: int, m: int) -> int:
    """Memory of a whole HNSW graph; ``width`` is that of one vector in bytes."""
    size = rows * (width + ELEMENT_BYTES + LINK_BYTES * (2 * m + m / (m - 1)))
    return int(size // 2**20) + 1


def graph_distances(m: int, ef_construction: int) -> int:
    """Distances that one insert into an HNSW graph computes."""
    return 3 * ef_construction * m + 2 * m * m


def _graph_cost(rows: int, column: Column, index: Index) -> BuildCost:
    m, ef = int(index.options["m"]), int(index.options["ef_construction"])
    width, dimensions = vector_bytes(column.type), dimensions_of(column.type)
    distances = graph_distances(m, ef)
    smaller = []
    if column.type.startswith("vector"):
        half = graph_mib(rows, vector_bytes(f"half{column.type}"), m)
        smaller.append(f"halfvec({dimensions}): {half:,} MiB")
    if m // 2 >= FEWEST_LINKS:
        smaller.append(f"m = {m // 2}: {graph_mib(rows, width, m // 2):,} MiB")
    return BuildCost(
        method="hnsw",
        rows=rows,
        bytes=rows * width,
        minutes=_minutes(rows * distances, dimensions),
        memory_mib=graph_mib(rows, width, m),
        memory_terms=f"{rows:,} rows x ({width:,} B vector + {ELEMENT_BYTES} B element"
        f" + {LINK_BYTES} B x (2 x {m} + {m}/{m - 1}) links)",
        minutes_terms=f"{rows:,} rows x (3 x {ef} x {m} + 2 x {m} x {m}) distances x"
        f" {dimensions:,} dimensions x {NANOSECONDS_A_DIMENSION} ns, on one core",
        smaller=tuple(smaller),
    )


def _lists_cost(rows: int, column: Column, index: Index) -> BuildCost:
    lists = int(index.options["lists"])
    width, dimensions = vector_bytes(column.type), dimensions_of(column.type)
    sample = min(rows, max(LEAST_SAMPLE, lists * SAMPLES_A_LIST))
    return BuildCost(
        method="ivfflat",
        rows=rows,
        bytes=rows * width,
        minutes=_minutes((rows + 10 * sample) * lists, dimensions),
        memory_mib=int((lists + sample) * width // 2**20) + 1,
        memory_terms=f"({lists:,} centres + {sample:,} sampled rows) x {width:,} B",
        minutes_terms=f"({rows:,} rows + 10 x {sample:,} sampled) x {lists:,} lists x"
        f" {dimensions:,} dimensions x {NANOSECONDS_A_DIMENSION} ns, on one core",
    )


def _minutes(distances: float, dimensions: int) -> float:
    return round(distances * dimensions * NANOSECONDS_A_DIMENSION / 1e9 / 60, 2)


def session_memory_kib(
    needed_mib: int, server_kib: int, shared_buffers_kib: int, machine: Machine = UNKNOWN_MACHINE
) -> int:
    """``maintenance_work_mem`` for a build: what it needs, and at most what may be taken.

    Of a machine whose memory is known, that is what ``shared_buffers`` and a quarter for
    everything else leave.  Otherwise one ``shared_buffers`` more: Azure gives it a quarter of the
    machine.  The server's own setting is never lowered.
    """
    allowed = shared_buffers_kib
    if machine.memory_gib is not None:
        allowed = int(machine.memory_gib * 2**20 * (1 - KEPT_FREE)) - shared_buffers_kib
    return max(server_kib, min(needed_mib * 1024, allowed))
