"""How many pages pgvector's indexes have, from its own page layout.

HNSW: each row has an element tuple (72 bytes and the vector) and a neighbour tuple (4 bytes and 6
for each link: 2m on the ground, m on each layer above), on the same page where both fit together;
a page has 8 bytes of its own beside PostgreSQL's header.  A build and later inserts fill pages
alike.  https://github.com/pgvector/pgvector/blob/v0.8.1/src/hnsw.h and hnswbuild.c

IVFFlat: each list begins a page of its own, so that on average half of its last page is empty.
https://github.com/pgvector/pgvector/blob/v0.8.1/src/ivfbuild.c
"""

import math
import random
from functools import lru_cache

from sizing.pages import LINE_POINTER, PAGE, PAGE_HEADER, Filling, aligned

OPAQUE = 8
SPACE = PAGE - PAGE_HEADER - OPAQUE
ELEMENT = 72
"""``offsetof(HnswElementTupleData, data)``: flags, ten row ids, the neighbours' place."""
NEIGHBOURS = 4
LINK = 6
INDEX_TUPLE = 8
LIST = 8
"""Of an IVFFlat list, before its centre: first page and page for inserts."""
SORTED_ROW = 40
"""A minimal tuple with list and row id, and its length."""
SAMPLE = 4000
"""Elements that are laid out; the pages of all follow from theirs."""
DRAWS = [(number + 0.5) / SAMPLE for number in range(SAMPLE)]
"""What pgvector draws each element's layer from: every part of 0 to 1 alike, in no order."""
random.Random(1).shuffle(DRAWS)  # noqa: S311 - no secret


def element(vector_bytes: int) -> int:
    """Bytes of an HNSW element tuple."""
    return aligned(ELEMENT + vector_bytes)


def neighbours(layer: int, m: int) -> int:
    """Bytes of an HNSW neighbour tuple of an element whose highest layer is this."""
    return aligned(NEIGHBOURS + LINK * m * (layer + 2))


@lru_cache
def layers(m: int) -> tuple[int, ...]:
    """The highest layer of each element of the sample: one in m is above the ground."""
    most = (SPACE - LINE_POINTER - NEIGHBOURS) // LINK // m - 2
    return tuple(min(int(-math.log(draw) / math.log(m)), most) for draw in DRAWS)


def hnsw_pages(rows: int, vector_bytes: int, m: int) -> int:
    """Pages of an HNSW index."""
    return 1 + max(1, math.ceil(rows * hnsw_pages_a_row(vector_bytes, m)))


@lru_cache(maxsize=4096)
def hnsw_pages_a_row(vector_bytes: int, m: int) -> float:
    """Pages that a row takes, by laying out a sample as pgvector does."""
    filling, first = Filling(space=SPACE), element(vector_bytes) + LINE_POINTER
    for highest in layers(m):
        second = neighbours(highest, m) + LINE_POINTER
        together = first + second
        if together <= SPACE and not filling.has_room(together):
            filling.turn()
        filling.add(first)
        filling.add(second)
    return filling.length / SAMPLE


def ivfflat_pages(rows: int, vector_bytes: int, lists: int) -> int:
    """Pages of an IVFFlat index."""
    centres = SPACE // (aligned(LIST + vector_bytes) + LINE_POINTER)
    a_page = SPACE // (aligned(INDEX_TUPLE + vector_bytes) + LINE_POINTER)
    unfilled = lists * (a_page - 1) / (2 * a_page)
    return 1 + math.ceil(lists / centres) + max(lists, math.ceil(rows / a_page + unfilled))


def sorted_bytes(vector_bytes: int) -> int:
    """What a row takes while IVFFlat sorts the rows by list: list, row id and vector."""
    return aligned(SORTED_ROW + vector_bytes)
