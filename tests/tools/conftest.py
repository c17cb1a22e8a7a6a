"""A real server for the tools that ask one."""

from tests.postgres import database, fleet, postgres_server

__all__ = ["database", "fleet", "postgres_server"]
