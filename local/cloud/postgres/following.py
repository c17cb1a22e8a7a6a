"""How a replica finds the server that it follows: PostgreSQL's own parameters."""

from collections.abc import Sequence
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from local.cloud.postgres.configuration_files import REPLICATOR


def following(sockets: Path, port: int, name: str) -> dict[str, str]:
    """Return what a server of this name is told to follow the one on the socket."""
    leader = make_conninfo(host=str(sockets), port=port, user=REPLICATOR, application_name=name)
    return {"primary_conninfo": leader, "primary_slot_name": slot_of(name)}


def slot_of(name: str) -> str:
    """Return what a leader calls the log that it keeps for a server."""
    return name.replace("-", "_")


def drop_slot(leader: psycopg.Connection, name: str) -> None:
    """Let a leader forget what it kept for a server, if it kept anything."""
    leader.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s",
        [slot_of(name)],
    )


def drop_slots_but(leader: psycopg.Connection, names: Sequence[str]) -> None:
    """Let a leader forget what it kept for any other server than these."""
    leader.execute(
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
        " WHERE slot_type = 'physical' AND NOT active AND slot_name <> ALL (%s)",
        [[slot_of(name) for name in names]],
    )


def make_replicator(db: psycopg.Connection) -> None:
    """Make the role that reads data and log for another server, unless it is there."""
    if db.execute("SELECT FROM pg_roles WHERE rolname = %s", [REPLICATOR]).rowcount == 0:
        role = sql.Identifier(REPLICATOR)
        db.execute(sql.SQL("CREATE ROLE {} LOGIN REPLICATION").format(role))
