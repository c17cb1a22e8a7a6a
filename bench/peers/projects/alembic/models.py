"""The table as SQLAlchemy's metadata: what ``alembic check`` compares the database with."""

from typing import Any

from sqlalchemy import (
    TIMESTAMP,
    UUID,
    Column,
    Index,
    MetaData,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

SCHEMA = "memory"
TABLE = "zep_memory_vectors"
ANN_INDEX = f"{TABLE}_embedding_idx"
VERSION_TABLE = "alembic_version"


class Vector(UserDefinedType[Any]):
    """pgvector's type, as the package pgvector declares it: known to reflection as well."""

    cache_ok = True

    def __init__(self, dimensions: int | None = None) -> None:
        self.dimensions = dimensions

    def get_col_spec(self, **_: Any) -> str:
        """Return the type as DDL says it."""
        return "VECTOR" if self.dimensions is None else f"VECTOR({self.dimensions})"


ischema_names["vector"] = Vector
metadata = MetaData(schema=SCHEMA)
vectors = Table(
    TABLE,
    metadata,
    Column("id", UUID, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("session_id", String(255), nullable=False),
    Column("content", Text, nullable=False),
    Column("embedding", Vector(256)),
    Column("metadata", JSONB),
    Column("created_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("now()")),
)
Index(f"{TABLE}_session_id_idx", vectors.c.session_id)
Index(f"{TABLE}_created_at_idx", vectors.c.created_at)
Index(
    ANN_INDEX,
    vectors.c.embedding,
    postgresql_using="hnsw",
    postgresql_with={"m": 16, "ef_construction": 64},
    postgresql_ops={"embedding": "vector_cosine_ops"},
)


def of_the_project(name: str | None, kind: str, _: Any) -> bool:
    """Compare this project's schema alone."""
    return name == SCHEMA if kind == "schema" else True
