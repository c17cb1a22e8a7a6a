"""components/gateway_config.py in a real Envoy: the wire, the paths, the limits and the log."""

import json
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.gateway_config import GatewayConfig, Limits, bootstrap, files
from components.vault_secrets import GATEWAY_CERTIFICATE
from tests.components.gateway_stage import KEYS_OF, Stage, staged
from tests.envoy import Gateway

KEY = ("authorization", f"Api-Key {KEYS_OF['zep']}")
MEMORY_KEY = ("authorization", f"Api-Key {KEYS_OF['memory-service']}")
LIMITS = Limits(max_request_bytes=1000, max_connections=20)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with staged(tmp_path_factory.mktemp("gateway"), limits=LIMITS) as everything:
        yield everything


@pytest.fixture
def gateway(stage: Stage) -> Gateway:
    return stage.gateway


@pytest.mark.parametrize(
    ("path", "status", "arrives"),
    [
        ("/api/v2/users", 200, ("zep", "/api/v2/users")),
        ("/api/v2/users?a=/../b", 200, ("zep", "/api/v2/users?a=/../b")),
        ("/api/v2/", 200, ("zep", "/api/v2/")),
        ("/api/v2", 404, None),
        ("/api/v2x/users", 404, None),
        ("/api/v1/users", 404, None),
        ("/API/V2/users", 404, None),
        ("/", 404, None),
        ("/healthz", 404, None),
        ("/ready", 404, None),
        ("/metrics", 404, None),
        ("/stats/prometheus", 404, None),
        ("/memories", 401, ("memory-service", "/memories")),
        ("/memories/m1", 401, ("memory-service", "/memories/m1")),
        ("/memories?limit=1", 401, ("memory-service", "/memories?limit=1")),
        ("/memoriesx", 404, None),
        # Ways to say one path and mean another.
        ("//api//v2//users", 200, ("zep", "/api/v2/users")),
        ("/api/v2/./users", 200, ("zep", "/api/v2/users")),
        ("/api/v2/../v2/users", 200, ("zep", "/api/v2/users")),
        ("/api/v2/../../healthz", 404, None),
        ("/api/v2/%2e%2e/%2E%2E/healthz", 404, None),
        ("/api/v2/..\\..\\healthz", 404, None),
        ("/api/v2/../../memories/m1", 401, ("memory-service", "/memories/m1")),
        ("/memories/../api/v2/users", 200, ("zep", "/api/v2/users")),
        ("/api/v2/..%2f..%2fhealthz", 400, None),
        ("/api/v2/..%5c..%5chealthz", 400, None),
        ("/api/v2/users%00", 400, None),
        ("/api/v2/users#x", 400, None),
        ("/api/v2/%252e%252e/users", 200, ("zep", "/api/v2/%252e%252e/users")),
    ],
)
def test_a_path_means_one_thing(
    gateway: Gateway, path: str, status: int, arrives: tuple[str, str] | None
) -> None:
    """Zep's key is sent everywhere: the memory service behind its own path answers 401."""
    answer = gateway.call("GET", path, [KEY])
    assert answer.status == status
    if arrives:
        assert (answer.json["service"], answer.json["path"]) == arrives


@pytest.mark.parametrize(
    ("highest", "lowest"),
    [(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)],
)
def test_older_than_tls_1_3_is_refused(
    gateway: Gateway, highest: ssl.TLSVersion, lowest: ssl.TLSVersion
) -> None:
    context = ssl.create_default_context(cadata=gateway.authority)
    context.minimum_version, context.maximum_version = lowest, highest
    with (
        socket.create_connection(("127.0.0.1", gateway.config.port)) as plain,
        pytest.raises(ssl.SSLError, match="alert protocol version"),
    ):
        context.wrap_socket(plain, server_hostname="localhost")


def test_plain_http_is_refused(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.config.port)) as plain:
        plain.sendall(b"GET /api/v2/users HTTP/1.1\r\nhost: x\r\n\r\n")
        assert b"HTTP/1.1" not in plain.recv(1000)


def test_what_a_client_says_of_itself_is_not_passed_on(gateway: Gateway) -> None:
    claimed = [
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "for=10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
        ("x-original-url", "/clear"),
        ("x-http-method-override", "DELETE"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-original-path", "/clear"),
        ("x-request-id", "mine"),
    ]
    answer = gateway.call("GET", "/api/v2/users", [KEY, *claimed])
    seen = {name.lower(): value for name, value in answer.seen}
    assert seen.pop("x-request-id") != "mine"
    # Of a client on loopback Envoy tells the machine's own address.
    assert "10.0.0.1" not in seen.pop("x-forwarded-for")
    assert seen.pop("x-envoy-external-address") == "127.0.0.1"
    assert seen == {
        "host": f"localhost:{gateway.config.port}",
        "authorization": KEY[1],
        "x-forwarded-proto": "https",
    }


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ([], b"x" * 1000, 200),
        ([], b"x" * 1001, 413),
        ([(f"x-{i}", "1") for i in range(70)], None, 431),
        ([("x-long", "x" * 40_000)], None, 431),
        ([("x_under", "1")], None, 400),
        ([("transfer-encoding", "chunked"), ("content-length", "5")], None, 400),
    ],
)
def test_limits(
    gateway: Gateway, headers: list[tuple[str, str]], body: bytes | None, status: int
) -> None:
    assert gateway.call("POST", "/api/v2/users", [KEY, *headers], body).status == status


def test_an_upgrade_is_refused(gateway: Gateway) -> None:
    upgrade = [("connection", "upgrade"), ("upgrade", "websocket")]
    assert gateway.call("GET", "/api/v2/users", [KEY, *upgrade]).status == 403


def test_more_connections_than_allowed_are_closed(gateway: Gateway) -> None:
    place = ("127.0.0.1", gateway.config.port)
    opened = [socket.create_connection(place) for _ in range(LIMITS.max_connections + 5)]
    try:
        opened[-1].settimeout(5)
        assert opened[-1].recv(1) == b""
        assert gateway.status("/ready").status == 200, "a full gateway is no broken one"
    finally:
        for connection in opened:
            connection.close()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ready", 200),
        ("GET", "/metrics", 200),
        ("GET", "/stats", 404),
        ("GET", "/config_dump", 404),
        ("GET", "/ready/../config_dump", 404),
        ("POST", "/quitquitquit", 404),
        ("POST", "/ready", 404),
    ],
)
def test_the_status_listener_gives_two_answers(
    gateway: Gateway, method: str, path: str, status: int
) -> None:
    assert gateway.status(path, method).status == status


def test_the_log_says_who_did_what_and_nothing_secret(stage: Stage) -> None:
    token = stage.issuer.token(sub="auditor")
    stage.ask("GET", "/api/v2/users/u9?question=private", token)
    deadline = time.monotonic() + 10
    while not (found := [e for e in stage.gateway.logged() if e["subject"] == "auditor"]):
        assert time.monotonic() < deadline, "nothing was logged"
        time.sleep(0.05)
    (entry,) = found
    assert (entry["path"], entry["status"], entry["route"], entry["tls"]) == (
        "/api/v2/users/u9",
        200,
        "zep-person",
        "TLSv1.3",
    )
    text = stage.gateway.log.read_text(encoding="utf-8")
    secrets = ("question", token, *KEYS_OF.values())
    assert [secret for secret in secrets if secret in text] == []


def test_a_service_that_is_away_is_503(tmp_path: Path) -> None:
    with staged(tmp_path, broken=("zep",)) as stage:
        assert stage.gateway.call("GET", "/api/v2/users", [KEY]).status == 503
        assert stage.gateway.call("GET", "/memories", [MEMORY_KEY]).status == 200


def test_another_certificate_needs_no_restart(tmp_path: Path) -> None:
    """The vault's driver writes another folder, and turns a link to it."""
    with staged(tmp_path) as stage:
        before = stage.gateway.certificate()
        stage.replace(GATEWAY_CERTIFICATE, stage.authority.sign("localhost").bundle)
        deadline = time.monotonic() + 10
        while stage.gateway.certificate() == before:
            assert time.monotonic() < deadline, "the old certificate is still shown"
            time.sleep(0.1)
        assert stage.gateway.call("GET", "/api/v2/users", [KEY]).status == 200


def test_another_key_needs_no_restart(tmp_path: Path) -> None:
    with staged(tmp_path) as stage:
        token = stage.issuer.token()
        assert stage.ask("GET", "/api/v2/users", token).given("authorization") == [KEY[1]]
        stage.replace("zep-key", "another")
        deadline = time.monotonic() + 10
        while stage.ask("GET", "/api/v2/users", token).given("authorization") == [KEY[1]]:
            assert time.monotonic() < deadline, "the old key is still injected"
            time.sleep(0.1)


def test_nothing_secret_is_in_the_files(gateway: Gateway) -> None:
    text = json.dumps(files(gateway.config))
    assert [key for key in KEYS_OF.values() if key in text] == []
    assert "PRIVATE KEY" not in text


def test_the_admin_interface_is_on_loopback_wherever_the_rest_is() -> None:
    config = GatewayConfig(upstreams=[], sign_on=None, heap_bytes=1, address="192.0.2.1")
    address = bootstrap(config)["admin"]["address"]["socket_address"]["address"]
    assert address == "127.0.0.1"
