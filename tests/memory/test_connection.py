"""memory/schema/connection.py"""

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from memory.schema.connection import Endpoint, connect, from_environment, parameters
from memory.schema.errors import ConnectionRefused, DatabaseMissing
from tests.memory.conftest import Live

ENDPOINT = Endpoint(host="db.example", database="memory", user="admin", password="p-secret")


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("PGPORT", "PGHOSTADDR", "PGSSLROOTCERT", "PGSSLMODE"):
        monkeypatch.delenv(key, raising=False)


def test_verifies_the_servers_name_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGSSLMODE", "disable")
    chosen = parameters(ENDPOINT)
    assert (chosen["host"], chosen["port"], chosen["sslmode"]) == (
        "db.example",
        5432,
        "verify-full",
    )
    assert chosen["sslrootcert"]


def test_a_server_may_have_its_own_port_and_authority() -> None:
    chosen = parameters(replace(ENDPOINT, port=6000, ca_file="/customer.pem"))
    assert (chosen["port"], chosen["sslrootcert"]) == (6000, "/customer.pem")


def test_leaves_port_and_authority_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "15432")
    monkeypatch.setenv("PGSSLROOTCERT", "/ca.pem")
    assert {"port", "sslrootcert"}.isdisjoint(parameters(ENDPOINT))


def test_a_build_of_hours_keeps_its_connection_known() -> None:
    """Azure forgets a connection without packets after 4 minutes."""
    chosen = parameters(ENDPOINT)
    assert 0 < chosen["keepalives_idle"] < 240


def test_a_password_is_never_printed() -> None:
    assert "p-secret" not in repr(ENDPOINT)


def test_names_what_the_environment_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("PGHOST", "PGDATABASE", "PGUSER"):
        monkeypatch.delenv(key, raising=False)
    with pytest.raises(ConnectionRefused, match="PGHOST, PGDATABASE, PGUSER not set"):
        from_environment()


@pytest.mark.parametrize(
    ("text", "attempts"),
    [
        ("the database system is starting up", 3),
        ("[Errno -2] Name or service not known", 3),
        ("password authentication failed for user", 1),
        ("connection timeout expired", 1),
    ],
)
def test_waits_only_for_what_passes_by_itself(
    text: str, attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Any] = []

    def refuse(**_: Any) -> None:
        tried.append(None)
        raise psycopg.OperationalError(text)

    monkeypatch.setattr(psycopg, "connect", refuse)
    now = iter([0.0, 0.1, 0.4, 60.0, 61.0])
    monkeypatch.setattr("time.monotonic", lambda: next(now))
    with pytest.raises(ConnectionRefused, match=r"admin@db.example/memory: .*; "):
        connect(ENDPOINT, wait_seconds=30, sleep=lambda _: None)
    assert len(tried) == attempts


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"password": "wrong"}, ConnectionRefused, "the password in the stack is not the server's"),
        (
            {"database": "absent"},
            DatabaseMissing,
            "no database absent; .* CREATE DATABASE absent OWNER engramadmin",
        ),
        ({"host": "localhost"}, ConnectionRefused, "localhost"),
    ],
)
def test_explains_a_refusal(
    live: Live, changed: dict[str, str], error: type[Exception], message: str
) -> None:
    endpoint = Endpoint(**{**vars(live.endpoint), **changed})
    with pytest.raises(error, match=message):
        connect(endpoint, wait_seconds=0)


def test_an_authority_that_is_not_the_servers_is_refused(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLROOTCERT")
    with pytest.raises(ConnectionRefused, match=r"certificate verify failed.*set PGSSLROOTCERT"):
        connect(live.endpoint, wait_seconds=0)
