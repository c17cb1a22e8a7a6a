"""How clients reach a server: TLS end to end, by name, through one port."""

import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from local.cloud.postgres.authority import Authority
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.server import Server
from local.lock import held
from tests.postgres import ADMIN, DATA_KEY, PASSWORD, PostgresServer, default_settings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def neighbour(fleet: Fleet, postgres_server: PostgresServer) -> Iterator[Server]:
    """A second server behind the same port."""
    server = fleet.server(postgres_server.server.name + "-b")
    server.create(fleet.authority, DATA_KEY, default_settings())
    server.set_administrator(ADMIN, PASSWORD)
    fleet.publish(server)
    yield server
    fleet.withdraw(server)
    server.remove()


def test_names_lead_to_different_servers(
    postgres_server: PostgresServer, neighbour: Server
) -> None:
    first = postgres_server.dsn("postgres")
    second = psycopg.conninfo.make_conninfo(first, host=neighbour.fqdn)
    for dsn, server in ((first, postgres_server.server), (second, neighbour)):
        with psycopg.connect(dsn) as db:
            assert db.execute("SHOW port").fetchone() == (str(server.port),)


@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_tls_is_verified_and_modern(postgres_server: PostgresServer, negotiation: str) -> None:
    dsn = psycopg.conninfo.make_conninfo(
        postgres_server.dsn("postgres"), sslnegotiation=negotiation
    )
    with psycopg.connect(dsn) as db:
        row = db.execute(
            "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        ).fetchone()
    assert row == (True, "TLSv1.3")


REFUSED = [
    ({"sslmode": "disable", "sslrootcert": ""}, "no pg_hba.conf entry.*no encryption"),
    ({"host": "psql-nobody.postgres.database.azure.com"}, "unrecognized name"),
    ({"password": "wrong"}, "password authentication failed"),
    ({"user": "azuresu"}, "pg_hba.conf rejects connection"),
    ({"dbname": "azure_maintenance"}, "permission denied for database"),
]


@pytest.mark.parametrize(("changed", "words"), REFUSED)
def test_refuses(postgres_server: PostgresServer, changed: dict[str, str], words: str) -> None:
    dsn = psycopg.conninfo.make_conninfo(postgres_server.dsn("postgres"), **changed)
    with pytest.raises(psycopg.OperationalError, match=words):
        psycopg.connect(dsn)


def test_server_behind_the_router_refuses_plaintext_too(postgres_server: PostgresServer) -> None:
    dsn = psycopg.conninfo.make_conninfo(
        postgres_server.dsn("postgres"),
        port=postgres_server.server.port,
        sslmode="disable",
        sslrootcert="",
    )
    with pytest.raises(psycopg.OperationalError, match=r"no pg_hba\.conf entry.*no encryption"):
        psycopg.connect(dsn)


def test_client_refuses_another_authority(postgres_server: PostgresServer, tmp_path: Path) -> None:
    stranger = Authority(tmp_path).ensure()
    dsn = psycopg.conninfo.make_conninfo(
        postgres_server.dsn("postgres"), sslrootcert=str(stranger.ca_file)
    )
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        psycopg.connect(dsn)


def test_large_results_pass_unharmed(postgres_server: PostgresServer) -> None:
    with psycopg.connect(postgres_server.dsn("postgres")) as db:
        row = db.execute("SELECT repeat('x', 30000000)").fetchone()
    assert row is not None
    assert row[0] == "x" * 30_000_000


def test_a_running_query_can_be_cancelled(postgres_server: PostgresServer) -> None:
    """By libpq's old request, which is not encrypted and names no server."""
    with psycopg.connect(postgres_server.dsn("postgres")) as db:
        threading.Timer(0.2, db.cancel).start()
        begun = time.monotonic()
        with pytest.raises(psycopg.errors.QueryCanceled, match="user request"):
            db.execute("SELECT pg_sleep(20)")
        assert time.monotonic() - begun < 10


GARBAGE = [
    b"GET / HTTP/1.1\r\n\r\n",
    struct.pack("!II", 8, 80877103) + b"not a hello at all",
    b"\x16\x03\x01\x00\x05hello" + b"\0" * 8,
    b"\0",
]


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_ends_one_connection_and_no_more(
    postgres_server: PostgresServer, garbage: bytes
) -> None:
    endpoint = postgres_server.endpoint
    with socket.create_connection((endpoint.host_address, endpoint.port), timeout=10) as stranger:
        stranger.sendall(garbage)
        stranger.shutdown(socket.SHUT_WR)
        while stranger.recv(1024):
            pass
    psycopg.connect(postgres_server.dsn("postgres")).close()


def test_router_keeps_its_port(fleet: Fleet, postgres_server: PostgresServer) -> None:
    before = fleet.endpoint
    fleet.stop_router()
    assert not fleet.router_running
    assert fleet.start_router() == before
    psycopg.connect(postgres_server.dsn("postgres")).close()


def test_a_new_router_never_goes_by_an_old_number(
    fleet: Fleet, postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a stop right after the start would end a stranger."""
    fleet.stop_router()
    noted = fleet.folder / "router.pid"
    noted.write_text("1", encoding="utf-8")
    seen = []
    spawn = subprocess.run

    def run(*command: Any, **options: Any) -> Any:
        seen.append(noted.exists())
        return spawn(*command, **options)

    monkeypatch.setattr("local.cloud.postgres.fleet.subprocess.run", run)
    fleet.start_router()
    assert seen == [False]
    psycopg.connect(postgres_server.dsn("postgres")).close()


def test_a_router_is_stopped_only_when_nobody_is_starting_one(fleet: Fleet) -> None:
    with held(fleet.folder / "router.start", wait=True):
        stopping = threading.Thread(target=fleet.stop_router)
        stopping.start()
        stopping.join(0.3)
        assert stopping.is_alive()
        assert fleet.router_running
    stopping.join()
    fleet.start_router()
