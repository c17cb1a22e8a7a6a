"""Another dimension, as autogenerate writes it."""

from alembic import op

from bench.peers.projects.alembic.models import SCHEMA, TABLE, Vector

revision = "v3_more_dimensions"
down_revision = "v2"


def upgrade() -> None:
    """Change the type of the column."""
    op.alter_column(TABLE, "embedding", schema=SCHEMA, existing_type=Vector(256), type_=Vector(384))
