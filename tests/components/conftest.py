"""A real server for what components hand to real programs."""

from tests.pgbouncer import pgbouncer
from tests.postgres import fleet

__all__ = ["fleet", "pgbouncer"]
