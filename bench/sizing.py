"""Prediction against real servers: ``sizing.predict`` and what synthetic rows really took.

Rows of every shape arrive one by one, the schema engine builds the index, and each relation's size
is compared.  100,000 rows of each type have texts of one length, as their builds take minutes.
"""

import itertools
from collections.abc import Iterator, Sequence

from bench.hnsw_table import large_server
from bench.measure import Announce
from bench.server import Server
from bench.study import Cell, Study
from local.paths import Paths
from sizing.live.compare import RULE, Comparison
from sizing.live.simulate import Simulation
from sizing.workload import ElementType, Workload

TYPES: tuple[tuple[int, ElementType], ...] = (
    (384, "vector"),
    (768, "vector"),
    (1536, "vector"),
    (384, "halfvec"),
    (768, "halfvec"),
    (1536, "halfvec"),
    (3072, "halfvec"),
)
TEXTS = tuple(itertools.product((200, 3000), (0, 300)))
"""Mean bytes of content and metadata."""
ALL_SHAPES = (1_000, 10_000)
ONE_SHAPE = 100_000
TEXTS_OF_ONE = ((200, 0), (200, 300), (200, 300), (3000, 300), (3000, 0), (200, 300), (3000, 0))
"""Of each type."""
ROWS_A_SESSION = 20
HEADERS = (
    "rows",
    "type",
    "content B",
    "metadata B",
    "found MiB",
    "total",
    "largest error of an object of 30 pages or more",
)


def sizing(_: Paths, __: int, announce: Announce) -> Iterator[Study]:
    """Predicted sizes of relations against real ones."""
    with large_server() as server:
        for rows in (*ALL_SHAPES, ONE_SHAPE):
            shapes = list(_shapes(rows))
            compared = []
            for number, shape in enumerate(shapes, 1):
                announce(f"{rows:,} rows: {number} of {len(shapes)}, {_type(shape)}")
                compared.append(_simulated(server, shape, seed=number))
            yield _study(rows, shapes, compared)


def _simulated(server: Server, shape: Workload, seed: int) -> Comparison:
    return Simulation(
        server=server.endpoint("postgres"), workload=shape, seed=seed, say=lambda *_: None
    ).run()


def _shapes(rows: int) -> Iterator[Workload]:
    for (dimensions, element_type), one in zip(TYPES, TEXTS_OF_ONE, strict=True):
        for content, metadata in TEXTS if rows < ONE_SHAPE else (one,):
            yield Workload(
                sessions=rows // ROWS_A_SESSION,
                messages_per_session=0,
                facts=rows,
                content_bytes=content,
                metadata_bytes=metadata,
                dimensions=dimensions,
                element_type=element_type,
            )


def _study(rows: int, shapes: Sequence[Workload], compared: Sequence[Comparison]) -> Study:
    beyond = sum(not comparison.within for comparison in compared)
    goal = "met by all" if not beyond else f"missed by {beyond} of {len(compared)}"
    return Study(
        title=f"prediction against PostgreSQL with pgvector, {rows:,} rows",
        headers=HEADERS,
        rows=tuple(_row(*pair) for pair in zip(shapes, compared, strict=True)),
        notes=(f"goal: {RULE}: {goal}",),
    )


def _row(shape: Workload, comparison: Comparison) -> tuple[Cell, ...]:
    worst, total = comparison.worst, comparison.total
    return (
        f"{shape.rows:,}",
        _type(shape),
        shape.content_bytes,
        shape.metadata_bytes,
        round(total.found / 2**20, 1),
        f"{total.error:+.2%}",
        f"{worst.error:+.1%}, {worst.name} ({worst.kind})",
    )


def _type(shape: Workload) -> str:
    return f"{shape.element_type}({shape.dimensions})"
