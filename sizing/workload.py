"""What a customer states: how much there is to remember, and of which shape."""

from dataclasses import dataclass
from typing import Literal

ElementType = Literal["vector", "halfvec"]


@dataclass(frozen=True, kw_only=True)
class Hnsw:
    """The graph index; pgvector's own defaults."""

    m: int = 16
    ef_construction: int = 64


@dataclass(frozen=True, kw_only=True)
class Ivfflat:
    """The lists index."""

    lists: int


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A load as it is today, and how it grows.  Bytes are UTF-8 bytes, before any compression."""

    sessions: int
    messages_per_session: int
    """Of 30 days."""
    facts: int
    """Rows of ``zep_memory_vectors``, each with an embedding."""
    retention_days: int = 30
    """How long Zep keeps messages: thirty days are one ``messages_per_session``."""
    message_bytes: int = 500
    content_bytes: int = 1000
    """Of a fact."""
    metadata_bytes: int = 0
    """Of a fact's metadata, as JSON text; 0 for none."""
    embeds_messages: bool = False
    """Whether each message is a row with an embedding, too."""
    dimensions: int = 1536
    element_type: ElementType = "vector"
    index: Hnsw | Ivfflat | None = Hnsw()
    growth_factor: float = 3.0
    """How many times today's rows the server is to hold."""
    growth_per_month: float = 0.05
    """Share of the rows that a month adds, compounded."""

    @property
    def messages(self) -> int:
        """Messages that Zep keeps at one time."""
        return round(self.sessions * self.messages_per_session * self.retention_days / 30)

    @property
    def rows(self) -> int:
        """Rows of the memory table."""
        return self.facts + (self.messages if self.embeds_messages else 0)
