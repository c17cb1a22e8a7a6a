"""The table with its ordinary indexes and storage parameters."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from bench.peers.projects.alembic.models import SCHEMA, TABLE, Vector

revision = "v1"
down_revision = None


def upgrade() -> None:
    """Make it, in one transaction."""
    op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    op.execute(f"CREATE SCHEMA {SCHEMA}")
    op.create_table(
        TABLE,
        sa.Column("id", sa.UUID, primary_key=True, server_default=sa.text("gen_random_uuid()")),
        sa.Column("session_id", sa.String(255), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("embedding", Vector(256)),
        sa.Column("metadata", JSONB),
        sa.Column(
            "created_at",
            sa.TIMESTAMP(timezone=True),
            nullable=False,
            server_default=sa.text("now()"),
        ),
        schema=SCHEMA,
    )
    op.create_index(f"{TABLE}_session_id_idx", TABLE, ["session_id"], schema=SCHEMA)
    op.create_index(f"{TABLE}_created_at_idx", TABLE, ["created_at"], schema=SCHEMA)
    op.execute(
        f"ALTER TABLE {SCHEMA}.{TABLE} SET (autovacuum_vacuum_scale_factor = 0.1,"
        " autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 10)"
    )
