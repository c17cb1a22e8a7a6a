"""The new column's index: a migration of its own, as its build is outside of any transaction."""

from alembic import op

from bench.peers.projects.alembic.models import SCHEMA, TABLE

revision = "v4_grown"
down_revision = "v3_grown"
SOURCE_INDEX = f"{TABLE}_source_idx"


def upgrade() -> None:
    """Build it; what an interrupted build left goes first."""
    with op.get_context().autocommit_block():
        op.drop_index(
            SOURCE_INDEX, TABLE, schema=SCHEMA, if_exists=True, postgresql_concurrently=True
        )
        op.create_index(
            SOURCE_INDEX, TABLE, ["source"], schema=SCHEMA, postgresql_concurrently=True
        )
