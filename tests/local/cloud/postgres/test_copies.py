"""local/cloud/postgres/copies.py: real base backups, and real streaming replication"""

import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from local.cloud.postgres.base_backup import back_up
from local.cloud.postgres.copies import Copy
from local.cloud.postgres.errors import PostgresError
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.server import Server
from local.cloud.postgres.waiting import wait_until
from tests.postgres import DATA_KEY, PostgresServer, default_settings

pytestmark = pytest.mark.slow

SETTINGS = {**default_settings(), "azure.extensions": "vector,pg_stat_statements"}
OTHER_KEY = "1e" * 32
SECONDS = 60.0


def run(server: PostgresServer, statement: str) -> list[tuple[object, ...]]:
    """Run one statement as the administrator, through the router, and return its rows."""
    with psycopg.connect(server.dsn("postgres"), autocommit=True) as db:
        cursor = db.execute(statement)
        return cursor.fetchall() if cursor.description else []


def made(fleet: Fleet, source: PostgresServer, name: str) -> PostgresServer:
    """Make a copy of a server and publish it."""
    server = fleet.server(f"psql-{name}-{os.getpid()}")
    server.create(fleet.authority, OTHER_KEY, SETTINGS, Copy(source.server, SETTINGS))
    fleet.publish(server)
    return PostgresServer(server, fleet.endpoint)


@pytest.fixture(autouse=True)
def _table(postgres_server: PostgresServer) -> Iterator[None]:
    """A table with one row on the source."""
    run(postgres_server, "CREATE TABLE of_copies (n int)")
    run(postgres_server, "INSERT INTO of_copies VALUES (1)")
    yield
    run(postgres_server, "DROP TABLE of_copies")


@pytest.fixture
def replica(
    _table: None, fleet: Fleet, postgres_server: PostgresServer
) -> Iterator[PostgresServer]:
    """A replica of the session's server."""
    made_of = made(fleet, postgres_server, "follows")
    yield made_of
    made_of.server.remove()


def slots(server: PostgresServer) -> list[object]:
    return [name for (name,) in run(server, "SELECT slot_name FROM pg_replication_slots")]


def sees(server: PostgresServer, count: int) -> None:
    """Wait until a server has as many rows."""
    rows = "SELECT count(*) FROM of_copies"
    wait_until(lambda: run(server, rows) == [(count,)], SECONDS, f"never {count} rows")


def test_a_replica_has_what_there_was_and_gets_what_comes(
    postgres_server: PostgresServer, replica: PostgresServer
) -> None:
    assert run(replica, "SELECT n FROM of_copies") == [(1,)]
    run(postgres_server, "INSERT INTO of_copies VALUES (2)")
    sees(replica, 2)
    assert run(replica, "SELECT pg_is_in_recovery()") == [(True,)]


def test_a_replica_takes_no_write(replica: PostgresServer) -> None:
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction, match="read-only transaction"):
        run(replica, "INSERT INTO of_copies VALUES (3)")


def test_a_replica_has_a_certificate_and_a_key_of_its_own(
    postgres_server: PostgresServer, replica: PostgresServer
) -> None:
    assert replica.server.fqdn != postgres_server.server.fqdn
    replica.server.stop()
    with pytest.raises(PostgresError, match="could not load private key file"):
        replica.server.start(DATA_KEY, SETTINGS)  # the source's, not its own
    replica.server.start(OTHER_KEY, SETTINGS)


def test_a_replica_goes_on_where_it_was_when_it_starts_again(
    postgres_server: PostgresServer, replica: PostgresServer, fleet: Fleet
) -> None:
    replica.server.stop()
    run(postgres_server, "INSERT INTO of_copies VALUES (2)")
    replica.server.start(OTHER_KEY, SETTINGS)
    fleet.publish(replica.server)
    sees(replica, 2)


def test_a_replica_finds_a_source_that_moved_to_another_port(
    postgres_server: PostgresServer, replica: PostgresServer, fleet: Fleet
) -> None:
    source = postgres_server.server
    source.stop()
    (source.folder / "port").unlink()
    source.start(DATA_KEY, SETTINGS)
    fleet.publish(source)
    run(postgres_server, "INSERT INTO of_copies VALUES (2)")
    replica.server.start(OTHER_KEY, SETTINGS)  # runs already, and is told of the new place
    sees(replica, 2)


def test_nobody_replicates_over_the_network(postgres_server: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry for replication"):
        psycopg.connect(postgres_server.dsn("postgres"), replication="true")


def test_a_source_keeps_nothing_for_a_replica_that_is_gone(
    fleet: Fleet, postgres_server: PostgresServer
) -> None:
    replica = made(fleet, postgres_server, "goes")
    assert slots(postgres_server) == [f"psql_goes_{os.getpid()}"]
    replica.server.remove()
    assert slots(postgres_server) == []


def test_remains_of_an_interrupted_creation_do_not_stop_the_next(
    fleet: Fleet, postgres_server: PostgresServer
) -> None:
    copy = Copy(postgres_server.server, SETTINGS)
    server = fleet.server(f"psql-again-{os.getpid()}")
    with pytest.raises(PostgresError, match="pg_ctl of server"):
        server.create(fleet.authority, OTHER_KEY, {**SETTINGS, "max_connections": "2"}, copy)
    server.create(fleet.authority, OTHER_KEY, SETTINGS, copy)
    assert server.exists
    server.remove()
    assert slots(postgres_server) == []


def test_a_backup_that_breaks_off_leaves_nothing_on_the_source(
    fleet: Fleet, postgres_server: PostgresServer
) -> None:
    server = fleet.server(f"psql-broken-{os.getpid()}")
    copy = BreaksOff(postgres_server.server, SETTINGS)
    with pytest.raises(PostgresError, match="the backup breaks off"):
        server.create(fleet.authority, OTHER_KEY, SETTINGS, copy)
    assert slots(postgres_server) == [f"psql_broken_{os.getpid()}"]
    server.remove()
    assert slots(postgres_server) == []


def test_a_source_forgets_a_replica_that_went_while_it_did_not_run(
    fleet: Fleet, postgres_server: PostgresServer, replica: PostgresServer
) -> None:
    gone = made(fleet, postgres_server, "unseen")
    source = postgres_server.server
    source.stop()
    gone.server.remove()
    source.start(DATA_KEY, SETTINGS)
    fleet.publish(source)
    assert slots(postgres_server) == [replica.server.name.replace("-", "_")]


def test_a_source_that_does_not_answer_is_named(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    silent = Silent(**vars(postgres_server.server))
    with pytest.raises(PostgresError, match=f"no copy of {silent.name}"):
        back_up(silent, tmp_path / "data", "stream")


class BreaksOff(Copy):
    """A copy of which only the beginning is made."""

    def _back_up(self, target: Server) -> None:
        raise PostgresError(f"the backup breaks off: {target.name}")


class Silent(Server):
    """A server whose port leads nowhere."""

    @property
    def port(self) -> int:
        return 1
