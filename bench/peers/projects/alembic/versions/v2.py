"""The HNSW index, built beside readers and writers."""

from alembic import op

from bench.peers.projects.alembic.models import ANN_INDEX, SCHEMA, TABLE

revision = "v2"
down_revision = "v1"


def upgrade() -> None:
    """Build it; what an interrupted build left goes first, so that the migration can run again."""
    with op.get_context().autocommit_block():
        op.drop_index(ANN_INDEX, TABLE, schema=SCHEMA, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            ANN_INDEX,
            TABLE,
            ["embedding"],
            schema=SCHEMA,
            postgresql_concurrently=True,
            postgresql_using="hnsw",
            postgresql_with={"m": 16, "ef_construction": 64},
            postgresql_ops={"embedding": "vector_cosine_ops"},
        )
