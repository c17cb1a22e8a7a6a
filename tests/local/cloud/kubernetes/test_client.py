"""What of the client needs no server: warnings, refusals, and that it is late to come."""

import base64
import http.server
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from typing_extensions import override

from local.cloud.arm import Body
from local.cloud.kubernetes.client import Apply, Client, _refusal, warnings
from local.cloud.kubernetes.errors import UnreachableError
from local.cloud.kubernetes.kubeconfig import Settings
from local.cloud.postgres.authority import Authority
from tests.local.cloud.kubernetes.manifests import config_map

STATUS = (
    '{"reason": "NotFound", "message": "namespaces \\"x\\" not found",'
    ' "details": {"kind": "namespaces"}}'
)


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (
            '299 - "would violate PodSecurity \\"restricted\\""',
            ['would violate PodSecurity "restricted"'],
        ),
        ('299 - "one", 299 - "two"', ["one", "two"]),
        ("nonsense", []),
    ],
)
def test_reads_warnings(header: str, found: list[str]) -> None:
    assert warnings([header]) == found


@pytest.mark.parametrize(
    ("status", "body", "reason", "missing"),
    [
        (404, STATUS, "NotFound", "namespaces"),
        (404, "404 page not found", "NotFound", ""),
        (502, b"<html>", "Unknown", ""),
        (409, '{"reason": "Conflict", "message": "theirs"}', "Conflict", ""),
    ],
)
def test_reads_refusals(status: int, body: str | bytes, reason: str, missing: str) -> None:
    refusal = _refusal(status, body)
    assert (refusal.reason, refusal.missing, refusal.status) == (reason, missing, status)


def test_a_kubeconfig_that_is_none_is_told_when_it_is_needed() -> None:
    client = Client(Settings.read({"kubeconfig": "no"}))
    with pytest.raises(UnreachableError, match="names no cluster"):
        client.connect()


def test_a_preview_without_changes_does_not_import_the_client() -> None:
    code = (
        "import sys\n"
        "from local.cloud.plugin import open_face\n"
        "open_face('kubernetes', '127.0.0.1:1')\n"
        "assert 'kubernetes' not in sys.modules and 'pydantic' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


class Busy(http.server.BaseHTTPRequestHandler):
    """An API server that puts off each method once."""

    seen: ClassVar[list[str]] = []

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        first = self.command not in self.seen
        self.seen.append(self.command)
        resources = [{"kind": "ConfigMap", "name": "configmaps", "namespaced": True}]
        answer = json.dumps({"resources": resources}).encode()
        self.send_response(429 if first else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PATCH = _answer  # noqa: N815 - the library's spelling

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def busy() -> Iterator[str]:
    Busy.seen.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def settings(server: str, **user: str) -> Settings:
    kubeconfig: Body = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
    }
    return Settings.read({"kubeconfig": kubeconfig})


def test_a_server_that_is_too_busy_is_asked_again_when_it_says_so(busy: str) -> None:
    client = Client(settings(busy, token="t"))
    client.create(config_map("zep"), Apply("me"), lambda _: None)
    client.apply(config_map("zep"), Apply("me"), lambda _: None)
    assert Busy.seen == ["GET", "GET", "POST", "POST", "PATCH", "PATCH"]


def test_no_key_stays_in_a_file(busy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path / "authority").ensure()
    (key,) = authority.ca_file.parent.glob("*.key")
    encoded = {
        "client-certificate-data": base64.b64encode(authority.ca_file.read_bytes()).decode(),
        "client-key-data": base64.b64encode(key.read_bytes()).decode(),
    }
    files = tmp_path / "files"
    files.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(files))
    client = Client(settings(busy.replace("http:", "https:"), **encoded))
    with pytest.raises(UnreachableError, match="SSL"):
        client.connect()
    assert list(files.iterdir()) == []
