"""How PostgreSQL fills pages: the arithmetic that every relation shares.

A page has 8,192 bytes, 24 of them its header; an item takes its aligned size and a line pointer of
4.  What does not fit goes to the next page, and rows never span pages.
https://www.postgresql.org/docs/18/storage-page-layout.html
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

PAGE = 8192
PAGE_HEADER = 24
LINE_POINTER = 4
HEAP_SPACE = PAGE - PAGE_HEADER
MAP_PAGES = 4069
"""Pages that one page of a free space map describes; ``SlotsPerFSMPage``."""
MAP_STEP = 32
VISIBILITY_PAGES = 32_672
"""The same of a visibility map, with two bits a page."""


def aligned(size: float, to: int = 8) -> int:
    """The next multiple, as PostgreSQL's MAXALIGN."""
    return math.ceil(size / to) * to


@dataclass(kw_only=True)
class Filling:
    """Pages that are filled one after another, as a table or an index is that only grows."""

    space: int
    pages: int = 1
    used: int = 0
    """Of the current page."""

    def has_room(self, size: int) -> bool:
        """Whether so many bytes, line pointers included, fit on the current page."""
        return self.used + size <= self.space

    def turn(self) -> None:
        """Begin a new page."""
        self.pages += 1
        self.used = 0

    def add(self, size: int) -> None:
        """Put one item on the current page, or on a new one."""
        if not self.has_room(size):
            self.turn()
        self.used += size

    @property
    def length(self) -> float:
        """Pages, of the last only the part that is used."""
        return self.pages - 1 + self.used / self.space


def slot(tuple_bytes: int) -> int:
    """What a tuple takes of a page."""
    return aligned(tuple_bytes) + LINE_POINTER


def packed(tuples: Sequence[int]) -> float:
    """Pages of a table whose rows were inserted in this order.

    A row that does not fit on the page of the row before sends PostgreSQL to the free space map,
    where it has noted what such pages had left: narrow rows fill what wide ones could not.
    """
    filling, left = Filling(space=HEAP_SPACE), list[int]()
    least = slot(min(tuples, default=0))
    for needed in map(slot, tuples):
        if not filling.has_room(needed):
            if _noted(room := HEAP_SPACE - filling.used) >= least:
                left.append(room)
            found = next((n for n, room in enumerate(left) if _noted(room) >= needed), None)
            if found is not None:
                filling.used = HEAP_SPACE - left.pop(found)
        filling.add(needed)
    return filling.length


def _noted(room: int) -> int:
    """Free bytes as the map knows them, in steps of 32."""
    return (room - LINE_POINTER) // MAP_STEP * MAP_STEP + LINE_POINTER


def maps(pages: int) -> int:
    """Pages of a table's free space map and visibility map."""
    if pages == 0:
        return 0
    return math.ceil(pages / MAP_PAGES) + 2 + math.ceil(pages / VISIBILITY_PAGES)
