"""What one row of a table takes on average, from a sample that is laid out as PostgreSQL does."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from sizing import records
from sizing.pages import packed
from sizing.records import Lengths
from sizing.toast import CHUNK, CHUNK_OVERHEAD, CHUNKS_A_PAGE, Stored


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """One row, on average."""

    pages: float
    """Of the table."""
    toast_pages: float
    chunks: float
    """Rows of the TOAST table."""
    bytes: float
    """Of the row and its chunks, without what their pages add."""


def of_memories(lengths: Sequence[Lengths], width: int) -> Footprint:
    """A row of ``zep_memory_vectors`` whose vectors take ``width`` bytes."""
    return _of([records.memory(row, width) for row in lengths])


def of_messages(lengths: Sequence[Lengths]) -> Footprint:
    """A row of Zep's ``messages``."""
    return _of([records.message(row) for row in lengths])


@lru_cache(maxsize=4096)
def of_stated_memories(content: int, metadata: int, width: int) -> Footprint:
    """The same where only the means are known."""
    return of_memories(list(records.spread(content, metadata)), width)


@lru_cache(maxsize=4096)
def of_stated_messages(content: int) -> Footprint:
    """The same where only the mean is known."""
    return of_messages(list(records.spread(content, 0)))


@lru_cache
def of_sessions() -> Footprint:
    """A row of Zep's ``sessions``."""
    return _of([records.session()] * records.SAMPLE)


@lru_cache
def of_users() -> Footprint:
    """A row of Zep's ``users``."""
    return _of([records.user()] * records.SAMPLE)


def mean(first: Footprint, of_first: int, second: Footprint, of_second: int) -> Footprint:
    """A row of a table that has so many of the first kind and so many of the second."""
    share = of_second / (of_first + of_second) if of_second else 0.0

    def between(a: float, b: float) -> float:
        return (1 - share) * a + share * b

    return Footprint(
        pages=between(first.pages, second.pages),
        toast_pages=between(first.toast_pages, second.toast_pages),
        chunks=between(first.chunks, second.chunks),
        bytes=between(first.bytes, second.bytes),
    )


def _of(rows: Sequence[Stored]) -> Footprint:
    chunks = [chunk for row in rows for chunk in row.chunks]
    full_pages = sum(row.full_pages for row in rows)
    whole = full_pages * CHUNKS_A_PAGE
    written = sum(row.row for row in rows) + sum(chunks) + whole * (CHUNK + CHUNK_OVERHEAD)
    return Footprint(
        pages=packed([row.row for row in rows]) / len(rows),
        toast_pages=(packed(chunks) + full_pages) / len(rows),
        chunks=(len(chunks) + whole) / len(rows),
        bytes=written / len(rows),
    )
