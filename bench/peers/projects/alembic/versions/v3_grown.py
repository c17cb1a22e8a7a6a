"""One more column; the short change does not wait for its lock for long."""

import sqlalchemy as sa
from alembic import op

from bench.peers.projects.alembic.models import SCHEMA, TABLE

revision = "v3_grown"
down_revision = "v2"


def upgrade() -> None:
    """Add the column."""
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column(TABLE, sa.Column("source", sa.Text), schema=SCHEMA)
