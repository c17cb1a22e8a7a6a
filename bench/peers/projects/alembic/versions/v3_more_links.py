"""Another m: the new index is built beside the old one, and then takes its name."""

from alembic import op

from bench.peers.projects.alembic.models import ANN_INDEX, SCHEMA, TABLE

revision = "v3_more_links"
down_revision = "v2"
NEXT = f"{ANN_INDEX}_m24"


def upgrade() -> None:
    """Replace it without a moment that has none."""
    with op.get_context().autocommit_block():
        op.drop_index(NEXT, TABLE, schema=SCHEMA, if_exists=True, postgresql_concurrently=True)
        op.create_index(
            NEXT,
            TABLE,
            ["embedding"],
            schema=SCHEMA,
            postgresql_concurrently=True,
            postgresql_using="hnsw",
            postgresql_with={"m": 24, "ef_construction": 64},
            postgresql_ops={"embedding": "vector_cosine_ops"},
        )
        op.drop_index(ANN_INDEX, TABLE, schema=SCHEMA, postgresql_concurrently=True)
        op.execute(f"ALTER INDEX {SCHEMA}.{NEXT} RENAME TO {ANN_INDEX}")
