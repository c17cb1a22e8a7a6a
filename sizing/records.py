"""Rows of both databases, value by value: what ``sizing.predict`` counts pages of.

``zep_memory_vectors`` is ``memory.schema.model.memory_schema``'s; ``users``, ``sessions`` and
``messages`` are Zep 1.0.2's own.
https://github.com/getzep/zep/blob/main/legacy/src/store/migrations/000000000001_database_setup.up.sql
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from memory.schema import estimate
from sizing.toast import Stored, Value, compressed_bytes, stored, text
from sizing.workload import ElementType

SAMPLE = 500
"""Rows that are laid out; the pages of all follow from theirs."""
UUID = Value(bytes=16)
EIGHT = Value(bytes=8, align=8)
"""A bigint or a timestamptz."""
ENUM = Value(bytes=4, align=4)
SESSION_ID = 36
"""A UUID as text; so are the ids of Zep's users."""
MEMORY_COLUMNS, MESSAGE_COLUMNS, SESSION_COLUMNS, USER_COLUMNS = 12, 12, 10, 11
TENANT, MEMORY_TYPE, NO_TAGS = 7, 8, 4
"""Bytes of a memory's tenant and type where nobody says another, and of its empty list of tags."""
ROLE, EMAIL, NAME = 6, 24, 8
"""Bytes of a message's role, a user's address, and each of the two names."""
JSONB_LEFT = 0.9
"""Share that lz4 leaves of metadata: its ids and ciphertexts do not compress, the headers that
jsonb gives to each key and value do."""
PLIANT = 0.17
"""From the text that compresses best to the one that does worst, as a share of the length."""


@dataclass(frozen=True, kw_only=True)
class Lengths:
    """Of one row's texts; None where it has none."""

    content: int
    metadata: int | None = None
    """Of the JSON as PostgreSQL prints it: jsonb has as many, its entries' headers are as long as
    quotes and commas."""
    compressed_content: int | None = None
    """What compression leaves of it, where known."""
    compressed_metadata: int | None = None
    session_id: int = SESSION_ID


def vector_bytes(dimensions: int, element_type: ElementType) -> int:
    """Bytes of a vector, its header of eight included."""
    return estimate.vector_bytes(f"{element_type}({dimensions})")


def spread(content: int, metadata: int) -> Iterator[Lengths]:
    """Rows whose texts are between half and one and a half of the mean, all lengths alike.

    Some compress better than others: the standard deviation was 5 % of the length, for prose.
    """
    for c, m, p in zip(_evenly(1), _evenly(2), _evenly(3), strict=True):
        size = round(content * c)
        yield Lengths(
            content=size,
            metadata=round(metadata * m) or None,
            compressed_metadata=math.ceil(metadata * m * JSONB_LEFT),
            compressed_content=compressed_bytes(size, more=PLIANT * (p - 1)),
        )


@lru_cache
def _evenly(seed: int) -> tuple[float, ...]:
    """From a half to one and a half, in no order."""
    factors = [0.5 + (number + 0.5) / SAMPLE for number in range(SAMPLE)]
    random.Random(seed).shuffle(factors)  # noqa: S311 - no secret
    return tuple(factors)


def memory(row: Lengths, width: int) -> Stored:
    """A row of ``zep_memory_vectors``; ``width`` is that of its vector.

    It is some user's; no field of it is encrypted.
    """
    values = [
        UUID,
        text(row.session_id),
        text(row.content, compressed=row.compressed_content),
        Value(bytes=width - 4, align=4, storage="external"),
        *([text(row.metadata, compressed=row.compressed_metadata)] if row.metadata else []),
        EIGHT,
        *map(text, (SESSION_ID, TENANT, MEMORY_TYPE, NO_TAGS)),
    ]
    return stored(values, columns=MEMORY_COLUMNS)


def message(row: Lengths) -> Stored:
    """A row of Zep's ``messages`` that is not deleted."""
    values = [
        *(UUID, EIGHT, EIGHT, EIGHT, text(row.session_id), UUID, text(ROLE), ENUM),
        text(row.content, compressed=row.compressed_content),
        EIGHT,
        *([text(row.metadata, compressed=row.compressed_metadata)] if row.metadata else []),
    ]
    return stored(values, columns=MESSAGE_COLUMNS)


def session() -> Stored:
    """A row of Zep's ``sessions``, with a user."""
    values = [UUID, EIGHT, text(SESSION_ID), EIGHT, EIGHT, text(SESSION_ID), UUID]
    return stored(values, columns=SESSION_COLUMNS)


def user() -> Stored:
    """A row of Zep's ``users``."""
    texts = [text(size) for size in (SESSION_ID, EMAIL, NAME, NAME)]
    return stored([UUID, EIGHT, EIGHT, EIGHT, *texts, UUID], columns=USER_COLUMNS)
