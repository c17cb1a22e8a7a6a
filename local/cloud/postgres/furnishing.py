"""What every new server holds before anybody uses it: roles, databases, the gate on extensions."""

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from local.cloud.postgres.server import Server


def furnish(server: "Server") -> None:
    """Create all of it in a server that runs, and was just initialised."""
    with server.superuser() as db:
        _execute_file(db, "roles.sql")
        # Whoever copies template0 must not get a database without the gate.
        db.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
    for database in ("template0", "template1", "postgres"):
        with server.superuser(database) as db:
            _execute_file(db, "gate.sql")
    with server.superuser() as db:
        db.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS false")
        for name in ("azure_maintenance", "azure_sys"):
            quoted = sql.Identifier(name)
            db.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
            db.execute(sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(quoted))


def _execute_file(db: psycopg.Connection, name: str) -> None:
    db.execute(Path(__file__).with_name(name).read_bytes())
