"""A database server for the tests of this folder; the control plane is the folder's above."""

from tests.postgres import database, fleet, postgres_server

__all__ = ["database", "fleet", "postgres_server"]
