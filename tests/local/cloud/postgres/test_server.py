"""local/cloud/postgres/server.py: one process, through stops, crashes and wrong keys."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest

from local.cloud.postgres import ports
from local.cloud.postgres.errors import PostgresError
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.server import Server
from local.process import is_alive
from tests.postgres import ADMIN, DATA_KEY, PASSWORD, default_settings

pytestmark = pytest.mark.slow
SETTINGS = {**default_settings(), "max_connections": "25"}


@pytest.fixture(scope="module")
def created(fleet: Fleet) -> Iterator[Server]:
    server = fleet.server(f"psql-process-{os.getpid()}")
    server.create(fleet.authority, DATA_KEY, SETTINGS)
    yield server
    server.remove()


@pytest.fixture
def server(created: Server) -> Server:
    """The server, running, whatever the last test did to it."""
    created.start(DATA_KEY, SETTINGS)
    return created


def kill(server: Server) -> None:
    pid = int((server.data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    while is_alive(pid):
        time.sleep(0.01)


def test_data_survives_kill_9(server: Server) -> None:
    with server.superuser() as db:
        db.execute("CREATE TABLE IF NOT EXISTS kept (a int)")
        db.execute("INSERT INTO kept VALUES (1)")
    kill(server)
    server.start(DATA_KEY, SETTINGS)
    with server.superuser() as db:
        assert db.execute("SELECT max(a) FROM kept").fetchone() == (1,)


def test_stops_when_its_postmaster_died_and_children_linger(server: Server) -> None:
    with server.superuser() as db:
        row = db.execute(
            "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'"
        ).fetchone()
    assert row is not None
    os.kill(row[0], signal.SIGSTOP)
    kill(server)
    threading.Timer(0.5, os.kill, (row[0], signal.SIGCONT)).start()
    server.stop()
    assert not server.running


def test_its_socket_is_found_whatever_the_environment_says(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    with server.superuser() as db:
        assert db.execute("SELECT current_user").fetchone() == ("azuresu",)


FOREIGN = {
    "PGHOSTADDR": "127.0.0.1",
    "PGPORT": "1",
    "PGSSLMODE": "verify-full",
    "PGSSLNEGOTIATION": "direct",
    "PGGSSENCMODE": "require",
    "PGCHANNELBINDING": "require",
    "PGREQUIREAUTH": "scram-sha-256",
    "PGREQUIREPEER": "nobody-here",
    "PGTARGETSESSIONATTRS": "standby",
}


def test_only_its_data_key_starts_it(server: Server) -> None:
    server.stop()
    with pytest.raises(PostgresError, match="could not load private key file"):
        server.start("not the key", SETTINGS)
    assert not server.running


def test_data_key_is_nowhere_on_disk(server: Server) -> None:
    files = [file for file in server.folder.rglob("*") if file.is_file()]
    assert not [file for file in files if DATA_KEY.encode() in file.read_bytes()]


def test_starting_twice_is_starting_once(server: Server) -> None:
    before = (server.data / "postmaster.pid").read_text()
    threads = [threading.Thread(target=server.start, args=(DATA_KEY, SETTINGS)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (server.data / "postmaster.pid").read_text() == before


def test_moves_when_its_port_was_taken(server: Server) -> None:
    server.stop()
    with ports.bind(server.port) as taken:
        taken.listen()
        server.start(DATA_KEY, SETTINGS)
        assert server.port != taken.getsockname()[1]


def test_unprivileged_account_runs_it(server: Server) -> None:
    pid = (server.data / "postmaster.pid").read_text().splitlines()[0]
    owner = Path(f"/proc/{pid}").stat().st_uid
    assert owner == server.account.uid
    assert owner != 0


def test_connections_end_at_the_limit_less_the_reserved(server: Server, fleet: Fleet) -> None:
    """25 connections, of which Azure reserves 15."""
    server.set_administrator(ADMIN, PASSWORD)
    fleet.publish(server)
    dsn = psycopg.conninfo.make_conninfo(
        host=server.fqdn,
        hostaddr=fleet.endpoint.host_address,
        port=fleet.endpoint.port,
        user=ADMIN,
        password=PASSWORD,
        dbname="postgres",
        sslmode="require",
    )
    with ExitStack() as opened:
        for _ in range(10):
            opened.enter_context(psycopg.connect(dsn))
        with pytest.raises(psycopg.OperationalError, match="connection slots are reserved"):
            psycopg.connect(dsn)


def test_reload_is_seen_by_the_next_session(server: Server) -> None:
    for megabytes in (8, 16, 24, 32, 40, 48):
        server.reload({**SETTINGS, "work_mem": str(megabytes * 1024), "pgaudit.log": "ddl,role"})
        with server.superuser() as db:
            assert db.execute("SHOW work_mem").fetchone() == (f"{megabytes}MB",)
            assert db.execute("SHOW pgaudit.log").fetchone() == ("ddl,role",)


def test_interrupted_creation_is_begun_anew(fleet: Fleet) -> None:
    half = fleet.server(f"psql-half-{os.getpid()}")
    half.data.mkdir(parents=True)
    assert not half.exists
    try:
        half.create(fleet.authority, DATA_KEY, SETTINGS)
        assert half.running
    finally:
        half.remove()
    assert not half.folder.exists()
    with pytest.raises(PostgresError, match="was removed"):
        half.start(DATA_KEY, SETTINGS)
    assert not half.folder.exists()
