"""sizing/toast.py: rows as PostgreSQL 18 stored them."""

import math

import pytest

from sizing import toast
from sizing.pages import packed
from sizing.records import Lengths, memory

VECTOR_384, VECTOR_1536 = 8 + 4 * 384, 8 + 4 * 1536


@pytest.mark.parametrize(
    ("lengths", "width", "row", "chunks"),
    [
        # narrow enough: all of it stays, the short texts with a header of one byte
        (Lengths(content=100), 8 + 4 * 100, 667, ()),
        (Lengths(content=200), VECTOR_384, 1907, ()),
        # a vector is never compressed, and leaves at once where it is too wide by itself
        (Lengths(content=100), VECTOR_1536, 275, (2032, 2032, 2032, 196)),
        # content is compressed first, and stays where that is enough
        (Lengths(content=1200, compressed_content=1000), 8 + 2 * 384, 1931, ()),
        # and if it is not enough, the widest leaves: here the vector
        (Lengths(content=1000, compressed_content=900), VECTOR_384, 1075, (1576,)),
        # a content that stays too wide leaves, too, compressed
        (Lengths(content=3392, compressed_content=2683), VECTOR_384, 1715, (2032, 719)),
        # metadata in between, and its alignment
        (
            Lengths(content=2400, compressed_content=1775, metadata=352, compressed_metadata=312),
            VECTOR_384,
            2027,
            (1807,),
        ),
    ],
)
def test_a_row_is_divided_as_postgresql_divides_it(
    lengths: Lengths, width: int, row: int, chunks: tuple[int, ...]
) -> None:
    stored = memory(lengths, width)
    assert (stored.row, stored.chunks) == (row, chunks)


@pytest.mark.parametrize("size", [8 * 1996, 17 * 1996 + 5, 500_000, 2**30])
def test_a_long_value_is_the_pages_of_all_its_chunks(size: int) -> None:
    stored = memory(Lengths(content=size, compressed_content=size), VECTOR_384)
    assert len(stored.chunks) <= toast.LAID_OUT + toast.CHUNKS_A_PAGE
    all_chunks = len(stored.chunks) + toast.CHUNKS_A_PAGE * stored.full_pages
    assert all_chunks == math.ceil(size / toast.CHUNK)


def test_full_pages_are_those_that_laid_out_chunks_would_have_filled() -> None:
    chunks = [2032] * 50 + [700]
    assert packed(chunks) == packed(chunks[12:]) + 3


@pytest.mark.parametrize(("size", "left"), [(50, 50), (100, 100), (1000, 820), (16_000, 10_160)])
def test_prose_compresses_as_measured(size: int, left: int) -> None:
    assert toast.compressed_bytes(size) == left


def test_a_longer_text_never_compresses_to_less() -> None:
    left = [toast.compressed_bytes(size) for size in range(1, 20_000, 7)]
    assert left == sorted(left)


def test_compression_that_saves_nothing_is_not_kept() -> None:
    assert memory(Lengths(content=1830, compressed_content=1830), VECTOR_1536).row > 1830
