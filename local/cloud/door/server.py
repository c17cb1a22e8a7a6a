"""The proxy that answers itself: ``CONNECT``, a certificate for the name, and the handler.

``python -m local.cloud.door.server <local folder> <port>``. A connection is a thread, which has
its own connection to the store. A name that nobody answers for is refused: from here, nothing
reaches the Internet.
"""

import json
import logging
import os
import ssl
import sys
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from local.cloud.arm import ArmError
from local.cloud.door.certificates import Certificates
from local.cloud.door.hosts import HandlerOf, handler_of
from local.cloud.door.messages import Answer, Refused, Request
from local.cloud.postgres.authority import Authority
from local.cloud.postgres.ports import LOOPBACK
from local.cloud.resources import TYPES
from local.cloud.store import Store
from local.cloud.world import World
from local.paths import OVERRIDE, Paths

LOG = logging.getLogger("door")
LARGEST_BODY = 8 << 20
IDLE_SECONDS = 120
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
READY = "/ready"
"""What the door says in clear to whoever asks for it itself, and not for a name behind it."""


@dataclass(frozen=True)
class Door:
    """What all connections share."""

    world: World
    certificates: Certificates
    handlers: HandlerOf = handler_of

    def answer(self, request: Request) -> Answer:
        """Let the host's handler answer; what goes wrong in it is an answer, too."""
        handler = self.handlers(request.host)
        if handler is None:
            return Answer(status=HTTPStatus.BAD_GATEWAY)
        try:
            return handler(self.world, request)
        except Refused as refused:
            return refused.answer
        except ArmError as error:
            return Refused.of(error).answer
        except Exception:
            # The path names things, never their content; the traceback holds no values.
            LOG.exception("%s %s%s", request.method, request.host, request.path)
            return Refused(
                500, "InternalServerError", "The local cloud failed; see its log."
            ).answer


class Connection(BaseHTTPRequestHandler):
    """One client: in clear until its CONNECT, then under the TLS of the name it asked for."""

    protocol_version = "HTTP/1.1"
    server_version = "engram-door"
    timeout = IDLE_SECONDS
    server: "Listener"

    def do_CONNECT(self) -> None:
        """Become the host that is asked for."""
        host = self.path.rpartition(":")[0].lower()
        if self.server.door.handlers(host) is None:
            self.close_connection = True
            self.send_error(HTTPStatus.BAD_GATEWAY, f"the local cloud has no {host}")
            return
        self.send_response_only(HTTPStatus.OK, "Connection established")
        self.end_headers()
        context = self.server.door.certificates.context(host)
        self.rfile.close()
        self.wfile.close()
        self.connection = context.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", self.rbufsize)
        self.wfile = self.connection.makefile("wb", 0)
        self.host = host
        self.close_connection = False  # whatever the version of the CONNECT, the tunnel stays

    host: str | None = None

    def finish(self) -> None:
        """Close what the base does not know of: its socket became another one."""
        super().finish()
        self.connection.close()

    def handle_any(self) -> None:
        """Answer one request of whatever method."""
        if self.host is None:
            known = urlsplit(self.path).path == READY
            self._send(Answer(status=HTTPStatus.OK if known else HTTPStatus.NOT_FOUND))
            return
        length = int(self.headers.get("Content-Length") or 0)
        if length > LARGEST_BODY or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
            self._send(Answer(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
            return
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            host=self.host,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(length),
        )
        self._send(self.server.door.answer(request))

    def _send(self, answer: Answer) -> None:
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Note method, path and status: a query and a body may hold what is nobody's business."""
        del size
        path = self.path.partition("?")[0]
        LOG.info("%s %s %s %s", self.host or "-", self.command, path, code)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        """Note what is no request, such as a client that said nothing."""
        LOG.info("%s %s", self.host or "-", (format % args).partition("?")[0])


for _method in METHODS:
    setattr(Connection, f"do_{_method}", Connection.handle_any)


class Listener(ThreadingHTTPServer):
    """Accepts connections until the process is told to end."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, door: Door, port: int) -> None:
        super().__init__((LOOPBACK, port), Connection)
        self.door = door

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve a connection, and give back its thread's connection to the store."""
        try:
            super().finish_request(request, client_address)
        finally:
            self.door.world.store.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Note what broke a connection; a client that goes away is nothing."""
        error = sys.exception()
        if isinstance(error, (OSError, ssl.SSLError)):
            LOG.info("connection broken: %r", error)
        else:
            LOG.exception("connection broken")


def main(folder: str, port: str) -> None:
    """Serve the local cloud of a folder at a port."""
    os.environ[OVERRIDE] = folder
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    cloud = Paths.current().cloud
    certificates = Certificates(Authority(cloud / "ca").ensure())
    Listener(Door(World(Store(cloud), TYPES), certificates), int(port)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
