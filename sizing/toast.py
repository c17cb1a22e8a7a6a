"""What of a row stays in its table, and what PostgreSQL moves beside it into TOAST.

The order is that of ``heap_toast_insert_or_update``: while a row is wider than 2,032 bytes, its
widest compressible value is compressed, and what is then still too wide by itself leaves at once;
after that the widest leave, until the rest fits.  pgvector's types are declared EXTERNAL: never
compressed.  https://www.postgresql.org/docs/18/storage-toast.html

Azure compresses with lz4.  How far depends on the text: ``PROSE`` is what PostgreSQL 18's lz4 left
of slices of English technical prose (140 kB: this product's pages and the descriptions of some
hundred Python packages), 40 slices of each length.  Encrypted fields do not compress at all.
"""

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sizing.pages import aligned

HEADER = 23
"""Of a row; the bitmap of its NULLs follows."""
TARGET = 2032
"""``TOAST_TUPLE_THRESHOLD`` and ``TOAST_TUPLE_TARGET``: four rows to a page."""
CHUNK = 1996
"""``TOAST_MAX_CHUNK_SIZE``."""
CHUNK_OVERHEAD = 24 + 4 + 4 + 4
"""Header, ``chunk_id``, ``chunk_seq``, and the length of the chunk."""
CHUNKS_A_PAGE = 4
LAID_OUT = 3 * CHUNKS_A_PAGE
"""Chunks of a value that are laid out one by one; of more, all pages but these are alike."""
POINTER = 18
"""What is left of a value in its row."""
SHORT = 126
"""Bytes of the longest value with a header of one byte, which needs no alignment."""
PROSE = (
    (100, 1.0),
    (200, 0.975),
    (400, 0.910),
    (700, 0.860),
    (1000, 0.820),
    (1500, 0.797),
    (2000, 0.773),
    (4000, 0.718),
    (8000, 0.675),
    (16_000, 0.635),
)
"""Length of a text, and the share of it that lz4 leaves, the header of a compressed value in it."""


@dataclass(frozen=True, kw_only=True)
class Value:
    """One value of a row, not NULL."""

    bytes: int
    """Without a header of its own."""
    align: int = 1
    storage: Literal["fixed", "extended", "external"] = "fixed"
    compressed: int | None = None
    """What compression leaves of it; None where it is not tried."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One row on disk."""

    row: int
    """Bytes of the tuple in the table, unaligned."""
    chunks: tuple[int, ...] = ()
    """Bytes of the tuples in the TOAST table."""
    full_pages: int = 0
    """Further pages of it, ``CHUNKS_A_PAGE`` whole chunks on each."""


def text(size: int, *, compressed: int | None = None) -> Value:
    """A text or jsonb of so many bytes, prose unless it is said what compression leaves of it."""
    left = compressed_bytes(size) if compressed is None else compressed
    return Value(bytes=size, align=4, storage="extended", compressed=left)


def compressed_bytes(size: int, more: float = 0.0) -> int:
    """What lz4 leaves of prose; of a text that compresses worse than most, a share ``more``."""
    lengths = [length for length, _ in PROSE]
    after = bisect.bisect(lengths, size)
    if after == 0:
        return size
    share = PROSE[-1][1]
    if after < len(PROSE):
        (low, high), (shorter, longer) = PROSE[after - 1], PROSE[after]
        way = math.log(size / low) / math.log(shorter / low)
        share = high + way * (longer - high)
    return min(size, math.ceil(size * (share + more)))


@dataclass(kw_only=True)
class _Field:
    """A value on its way to the disk."""

    value: Value
    size: int
    """Bytes without a header."""
    state: Literal["plain", "tried", "compressed", "outside"] = "plain"

    def end(self, offset: int) -> int:
        """Where the field ends that begins at the first possible byte from ``offset`` on."""
        if self.value.storage == "fixed":
            return aligned(offset, self.value.align) + self.size
        if self.state == "outside":
            return offset + POINTER
        if self.state != "compressed" and self.size <= SHORT:
            return offset + 1 + self.size
        return aligned(offset, 4) + 4 + self.size

    def compress(self) -> None:
        """Make it smaller where that is allowed and saves anything."""
        self.state = "tried"
        left = self.value.compressed
        if left is not None and left < self.size:
            self.size, self.state = left - 4, "compressed"

    def chunks(self) -> tuple[list[int], int]:
        """Tuples of the TOAST table, and pages of it that hold nothing but whole chunks."""
        whole, rest = divmod(self.size, CHUNK)
        pages = max(0, whole - LAID_OUT) // CHUNKS_A_PAGE
        parts = [CHUNK] * (whole - pages * CHUNKS_A_PAGE) + [rest] * bool(rest)
        return [CHUNK_OVERHEAD + part for part in parts], pages


def stored(values: Sequence[Value], *, columns: int) -> Stored:
    """A row of these values; of its ``columns``, those that have no value are NULL."""
    bitmap = math.ceil(columns / 8) if len(values) < columns else 0
    header = aligned(HEADER + bitmap)
    fields = [_Field(value=value, size=value.bytes) for value in values]
    room, chunks, full_pages = TARGET - header, list[int](), 0

    def widest(*states: str) -> _Field | None:
        movable = [f for f in fields if f.value.storage != "fixed" and f.state in states]
        found = max(movable, key=lambda field: field.size, default=None)
        return found if found and found.size + 4 > aligned(POINTER) else None

    def leave(field: _Field) -> None:
        nonlocal full_pages
        parts, pages = field.chunks()
        chunks.extend(parts)
        full_pages += pages
        field.state = "outside"

    while _width(fields) > room and (field := widest("plain")):
        field.compress()
        if field.size + 4 > room:
            leave(field)
    while _width(fields) > room and (field := widest("plain", "tried", "compressed")):
        leave(field)
    return Stored(row=header + _width(fields), chunks=tuple(chunks), full_pages=full_pages)


def _width(fields: Sequence[_Field]) -> int:
    offset = 0
    for field in fields:
        offset = field.end(offset)
    return offset
