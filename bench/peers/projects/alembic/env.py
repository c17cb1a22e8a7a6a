"""Alembic's environment, as its own template has it; libpq's environment says where and who."""

from alembic import context
from sqlalchemy import create_engine, pool

from bench.peers.projects.alembic.models import VERSION_TABLE, metadata, of_the_project

engine = create_engine(
    "postgresql+psycopg://",
    poolclass=pool.NullPool,
    connect_args={"prepare_threshold": None},  # as SQLAlchemy's manual says for PgBouncer
)
with engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        include_schemas=True,
        include_name=of_the_project,
        version_table=VERSION_TABLE,
        transaction_per_migration=True,  # what a concurrent build outside of one needs
        compare_type=True,
    )
    with context.begin_transaction():
        context.run_migrations()
