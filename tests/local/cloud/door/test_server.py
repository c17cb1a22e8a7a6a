"""The proxy itself: whose certificates it shows, what it refuses, what it writes down."""

import logging
import socket
import ssl
from pathlib import Path

import pytest
import requests

from local.cloud.arm import ArmError
from local.cloud.door import hosts
from local.cloud.door.certificates import Certificates
from local.cloud.door.messages import Answer, Handler, Refused, Request
from local.cloud.door.server import Door
from local.cloud.postgres.authority import Authority
from local.cloud.world import World
from tests.local.cloud.door.conftest import Azure


def test_a_name_that_nobody_answers_for_is_refused(door: str) -> None:
    with pytest.raises(requests.exceptions.ProxyError, match="502"):
        requests.get("https://example.com/", timeout=10)
    assert requests.get(f"{door}/ready", timeout=10).status_code == 200
    assert requests.get(f"{door}/elsewhere", timeout=10).status_code == 404


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("kv-dev.vault.azure.net", True),
        ("login.microsoftonline.com", True),
        ("engram-dev.openai.azure.com", True),
        ("a.b.vault.azure.net", False),
        ("vault.azure.net", False),
        ("login.microsoftonline.com.example.org", False),
        ("kv-dev.vault.azure.net.example.org", False),
    ],
)
def test_only_azures_own_names_have_a_handler(host: str, known: bool) -> None:
    assert (hosts.handler_of(host) is not None) is known


def test_the_certificate_is_the_names_and_the_local_clouds(door: str, azure: Azure) -> None:
    context = ssl.create_default_context(cafile=str(azure.folder / "ca" / "ca.pem"))
    address = door.removeprefix("http://").split(":")
    for name in ("kv-dev.vault.azure.net", "login.microsoftonline.com"):
        with socket.create_connection((address[0], int(address[1]))) as plain:
            plain.sendall(f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            assert plain.recv(1024).startswith(b"HTTP/1.1 200")
            with context.wrap_socket(plain, server_hostname=name) as tls:
                names = dict(tls.getpeercert() or {})["subjectAltName"]
                assert names == (("DNS", name),)


def _handler(kind: str) -> Handler:
    def answer(world: World, request: Request) -> Answer:
        del world, request
        if kind == "refused":
            raise Refused(403, "Forbidden", "no", inner="ForbiddenByRbac")
        if kind == "arm":
            raise ArmError(409, "ServerIsBusy", "busy")
        raise ValueError("canary-of-a-value")

    return answer


@pytest.mark.parametrize(
    ("kind", "status", "error"),
    [
        ("refused", 403, {"code": "Forbidden", "message": "no"}),
        ("arm", 409, {"code": "ServerIsBusy", "message": "busy"}),
        ("bug", 500, {"code": "InternalServerError"}),
    ],
)
def test_whatever_a_handler_raises_is_an_answer(
    azure: Azure, tmp_path: Path, kind: str, status: int, error: dict[str, str]
) -> None:
    certificates = Certificates(Authority(tmp_path / "ca"))
    door = Door(azure.world, certificates, lambda _: _handler(kind))
    answer = door.answer(Request(method="GET", host="h", path="/p"))
    assert answer.status == status
    assert (answer.body or {})["error"].items() >= error.items()


@pytest.mark.parametrize("body", [b"", b"[1]", b"{", b"\xff"])
def test_a_body_that_is_no_object_is_refused_or_empty(body: bytes) -> None:
    request = Request(method="POST", host="h", path="/", body=body)
    if not body:
        assert request.json() == {}
        return
    with pytest.raises(Refused, match="not a JSON object"):
        request.json()


@pytest.mark.usefixtures("door")
def test_the_log_holds_paths_and_neither_queries_nor_bodies_nor_tokens(
    azure: Azure, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="door"):
        requests.put(
            "https://kv-dev.vault.azure.net/secrets/password?canary=query",
            json={"value": "canary-body"},
            headers={"Authorization": f"Bearer {azure.token()}canary"},
            timeout=10,
        )
    lines = [record.getMessage() for record in caplog.records if record.name == "door"]
    assert any("PUT /secrets/password" in line for line in lines)
    assert not [line for line in lines if "canary" in line]
