"""What the database shall be, said a second time: the judge must not ask the engine that it judges.

PostgreSQL's own words throughout: what ``format_type``, ``pg_get_expr`` and ``reloptions`` answer.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

SCHEMA = "memory"
TABLE = "zep_memory_vectors"
RELATION = f"{SCHEMA}.{TABLE}"
DIMENSIONS = 256
ROWS = 2000
ANN_INDEX = f"{TABLE}_embedding_idx"
FLAWED_SCALE_FACTOR = "0.5"
"""What somebody sets by hand where 0.1 is wanted."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column as the catalog prints it."""

    type: str
    not_null: bool = False
    default: str | None = None


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index that can be used; one that cannot is never wanted."""

    method: str = "btree"
    columns: tuple[str, ...]
    opclasses: tuple[str, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    unique: bool = False


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One table with all that belongs to it, and how many rows it must still hold."""

    columns: Mapping[str, Column]
    indexes: Mapping[str, Index]
    options: Mapping[str, str]
    rows: int = ROWS


class Release(Enum):
    """How far a project has come: each tool has it in its own kind of files."""

    TABLE = "v1"
    """The table with its ordinary indexes, and no index for neighbours yet."""
    INDEX = "v2"
    """The HNSW index as well: what most scenarios start from."""
    MORE_LINKS = "v3_more_links"
    """The HNSW index with m = 24 instead of 16."""
    MORE_DIMENSIONS = "v3_more_dimensions"
    """The column with 384 dimensions instead of 256."""
    GROWN = "v3_grown"
    """One more column, and an index on it."""


def hnsw(m: int = 16) -> Index:
    """Return the index for neighbours by cosine distance."""
    return Index(
        method="hnsw",
        columns=("embedding",),
        opclasses=("vector_cosine_ops",),
        options={"m": str(m), "ef_construction": "64"},
    )


WITH_TABLE = Wanted(
    columns={
        "id": Column(type="uuid", not_null=True, default="gen_random_uuid()"),
        "session_id": Column(type="character varying(255)", not_null=True),
        "content": Column(type="text", not_null=True),
        "embedding": Column(type=f"vector({DIMENSIONS})"),
        "metadata": Column(type="jsonb"),
        "created_at": Column(type="timestamp with time zone", not_null=True, default="now()"),
    },
    indexes={
        f"{TABLE}_pkey": Index(columns=("id",), opclasses=("uuid_ops",), unique=True),
        f"{TABLE}_session_id_idx": Index(columns=("session_id",), opclasses=("text_ops",)),
        f"{TABLE}_created_at_idx": Index(columns=("created_at",), opclasses=("timestamptz_ops",)),
    },
    options={
        "autovacuum_vacuum_scale_factor": "0.1",
        "autovacuum_analyze_scale_factor": "0.05",
        "autovacuum_vacuum_cost_delay": "10",
    },
)
WITH_INDEX = replace(WITH_TABLE, indexes={**WITH_TABLE.indexes, ANN_INDEX: hnsw()})
WANTED = {
    Release.TABLE: WITH_TABLE,
    Release.INDEX: WITH_INDEX,
    Release.MORE_LINKS: replace(WITH_INDEX, indexes={**WITH_INDEX.indexes, ANN_INDEX: hnsw(m=24)}),
    Release.MORE_DIMENSIONS: replace(
        WITH_INDEX, columns={**WITH_INDEX.columns, "embedding": Column(type="vector(384)")}
    ),
    Release.GROWN: replace(
        WITH_INDEX,
        columns={**WITH_INDEX.columns, "source": Column(type="text")},
        indexes={
            **WITH_INDEX.indexes,
            f"{TABLE}_source_idx": Index(columns=("source",), opclasses=("text_ops",)),
        },
    ),
}
