"""SQL as the service itself: its way into a server, and the administrators that it makes there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from local.cloud.postgres.configuration_files import SUPERUSER

ADMIN_GROUP = "azure_pg_admin"
CONNECT_SECONDS = 120

QUIET = "-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic"
"""Not even a password's verifier belongs into the log."""


@contextmanager
def service_session(sockets: Path, port: int, database: str) -> Iterator[psycopg.Connection]:
    """Connect as the service itself does: over the private socket, past the network."""
    with psycopg.connect(
        host=str(sockets),
        port=port,
        user=SUPERUSER,
        dbname=database,
        autocommit=True,
        connect_timeout=CONNECT_SECONDS,
        options=QUIET,
        # Whatever libpq's variables say: they are for clients, who come by the network.
        hostaddr="",
        sslmode="disable",
        sslnegotiation="postgres",
        gssencmode="disable",
        channel_binding="prefer",
        require_auth="",
        requirepeer="",
        target_session_attrs="any",
    ) as db:
        yield db


def add_administrator(db: psycopg.Connection, login: str) -> None:
    """Give a role an administrator's rights, and make it if there is none."""
    role, group = sql.Identifier(login), sql.Identifier(ADMIN_GROUP)
    if db.execute("SELECT FROM pg_roles WHERE rolname = %s", [login]).fetchone() is None:
        db.execute(sql.SQL("CREATE ROLE {}").format(role))
    db.execute(sql.SQL("ALTER ROLE {} LOGIN INHERIT CREATEDB CREATEROLE").format(role))
    db.execute(sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(group, role))


def set_administrator(db: psycopg.Connection, login: str, password: str) -> None:
    """Create the administrator, or give it another password."""
    add_administrator(db, login)
    verifier = db.pgconn.encrypt_password(
        password.encode(), login.encode(), b"scram-sha-256"
    ).decode()
    role = sql.Identifier(login)
    db.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(verifier)))
