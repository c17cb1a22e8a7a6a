"""How many pages a btree has, by the order in which its keys arrive.

Keys that only grow split the last leaf, and PostgreSQL then leaves the left one 90 % full.  Keys in
random order fill all leaves alike, and a full leaf splits in half.  As all are about as full, they
also split at about the same time: the index doubles, stands still, doubles again, between half
full and full, and comes to rest at ln 2 = 69 % only slowly.  ``scattered`` follows that: a leaf's
n-th split comes when the index has ``capacity x 2^(n-1)`` keys, give or take a factor whose
variance grows by about ``1 / capacity`` with each split.  Against 14 indexes on random UUIDs, at
16 sizes from 300 to 300,000 keys, the mean was right within 3 %; one index differs from another by
up to 6 %.

Equal keys are stored once, with a list of rows (deduplication).
https://www.postgresql.org/docs/18/btree.html#BTREE-IMPLEMENTATION
"""

import math
from statistics import NormalDist

from sizing.pages import LINE_POINTER, PAGE, PAGE_HEADER, aligned

META = 1
"""Pages of an index without a key: the meta page."""
SPECIAL = 16
SPACE = PAGE - PAGE_HEADER - SPECIAL
FILL_OF_THE_LAST = 0.9
"""Left full by a split of the last leaf; ``BTREE_DEFAULT_FILLFACTOR``."""
FILL_INSIDE = 0.7
"""The same above the leaves; ``BTREE_NONLEAF_FILLFACTOR``, and about ln 2 for random keys."""
TUPLE_HEADER = 8
BLUR = 0.85
"""Of ``1 / capacity``: the variance that one split adds.  Fitted to those 14 indexes."""
COARSE = 60
"""Entries a leaf that the blur is reckoned for where they differ in size."""
ROW_ID = 6
ROWS_A_POSTING = 217
"""Rows that one entry lists: a third of a page's largest tuple, less a key of 36 bytes."""
NEGLIGIBLE = 1e-6
NORMAL = NormalDist()


def entry(key: int) -> int:
    """Bytes of a leaf's entry with a key of so many bytes, line pointer included."""
    return aligned(TUPLE_HEADER + key) + LINE_POINTER


def ascending(keys: int, size: int) -> int:
    """Pages of an index whose keys arrive in order; ``size`` is an entry's."""
    if keys == 0:
        return META
    first = SPACE // size
    then = round(FILL_OF_THE_LAST * SPACE / size) - 1  # one is the leaf's upper bound
    leaves = 1 + max(0, math.ceil((keys - first) / then))
    return whole(leaves, size)


def scattered(keys: int, size: int) -> int:
    """Pages of an index whose keys are all different, and arrive in no order."""
    if keys == 0:
        return META
    capacity = (SPACE - size) // size
    return whole(round(_leaves(keys / capacity, capacity)), size)


def grouped(rows: int, keys: int, size: int) -> int:
    """Pages of an index in which each of ``keys`` has a share of the rows.

    Keys come and go as conversations do: at any time, rows of a few of them arrive.
    """
    keys = min(rows, keys)
    if keys == 0:
        return META
    listed = min(1.0, rows / keys - 1) * (ROW_ID * rows + 3 * keys)  # 3: alignment
    postings = max(float(keys), rows / ROWS_A_POSTING + keys / 2)
    content = keys * size + listed + (postings - keys) * (size + 3)
    return whole(round(_leaves(content / (SPACE - size), COARSE)), size)


def whole(leaves: int, size: int) -> int:
    """Pages of the tree above its leaves, and the meta page, added."""
    inside, level = 0, leaves
    while level > 1:
        level = 1 if level * size <= SPACE else math.ceil(level * size / SPACE / FILL_INSIDE)
        inside += level
    return META + leaves + inside


def _leaves(content: float, capacity: int) -> float:
    """Leaves for ``content``, in full leaves.

    The last leaf splits at 90 %, so a tenth of the keys goes the same way once more, on its own.
    """
    total = 1.0
    while content >= 1:
        total += _halved(FILL_OF_THE_LAST * content, capacity)
        content *= 1 - FILL_OF_THE_LAST
    return total


def _halved(content: float, capacity: int) -> float:
    """Leaves where each splits in half when it is full."""
    variance = BLUR / capacity
    leaves, splits = 1.0, 0
    while True:
        late = math.log(content) - splits * (math.log(2) + variance / 2)
        deviation = math.sqrt(splits * variance)
        done = NORMAL.cdf(late / deviation) if deviation else float(late >= 0)
        if late < 0 and done < NEGLIGIBLE:
            return leaves
        leaves += 2**splits * done
        splits += 1
