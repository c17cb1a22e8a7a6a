"""What a prediction is made of."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["heap", "toast", "toast index", "btree", "gin", "hnsw", "ivfflat"]


@dataclass(frozen=True, kw_only=True)
class ObjectSize:
    """One relation on disk."""

    database: Literal["memory", "zep"]
    name: str
    """As in ``pg_class``; a TOAST table by the name of its owner."""
    kind: Kind
    bytes: int
    terms: str
    """The formula with this workload's numbers."""
    source: str
    """Where the formula comes from."""

    @property
    def is_vector_index(self) -> bool:
        """Whether searches go through it."""
        return self.kind in ("hnsw", "ivfflat")


@dataclass(frozen=True, kw_only=True)
class Build:
    """What building the vector index once takes."""

    memory_mib: int
    minutes_on_one_core: float
    wal_bytes: int
    temporary_bytes: int


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The databases at rest, and what makes them so."""

    objects: tuple[ObjectSize, ...]
    build: Build | None
    """None without a vector index."""
    wal_bytes_a_row: int
    """Written for each new memory, full page images not counted."""

    @property
    def bytes(self) -> int:
        """All relations."""
        return sum(item.bytes for item in self.objects)

    @property
    def vector_index_bytes(self) -> int:
        """What must be in memory for a search in milliseconds."""
        return sum(item.bytes for item in self.objects if item.is_vector_index)
