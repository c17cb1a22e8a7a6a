"""One local address for every Flexible Server, told apart by name.

On Azure a name leads to a server through DNS and a private endpoint. At home
there is one port, and the name arrives in the TLS ClientHello: it is read, not
answered; the connection is then spliced to that server, which terminates TLS
itself. So a client verifies the real server's certificate, end to end.

``python -m local.cloud.postgres.router <routes> <socket fd>`` runs as a daemon;
the routes are read anew for each connection.
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
import sys
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

from local.cloud.postgres import wire
from local.cloud.postgres.ports import LOOPBACK
from local.files import write_atomically

LOG = logging.getLogger("router")
HANDSHAKE_SECONDS = 60
CHUNK = 1 << 16
LARGEST_CANCEL_KEY = 4 + 256
LARGEST_HELLO = 1 << 16


class UnknownServerError(Exception):
    """No server of that name, as when a name does not resolve."""


@dataclass(frozen=True)
class Routes:
    """A folder with one file per fully qualified name; its content is a port."""

    folder: Path

    def port(self, name: str | None) -> int:
        """Return the port of a name; raises ``UnknownServerError``."""
        if name is None or "/" in name or name.startswith("."):
            raise UnknownServerError(name)
        try:
            return int((self.folder / name).read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise UnknownServerError(name) from error

    def all(self) -> list[int]:
        """Return the ports of all servers."""
        names = (file.name for file in self.folder.iterdir())
        return [self.port(name) for name in names if not name.startswith(".")]


async def handle(
    routes: Routes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Serve one client from its first byte to its last."""
    client = writer.get_extra_info("peername")[0]
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            backend = await _introduce(routes, reader, writer)
        if backend is not None:
            await _splice((reader, writer), backend)
    except UnknownServerError as error:
        LOG.warning("%s asked for %s, which is no server here", client, error)
        writer.write(wire.UNRECOGNISED_NAME)
    except (OSError, EOFError, TimeoutError, wire.MalformedHelloError) as error:
        LOG.info("%s: %r", client, error)
    finally:
        await _close(writer)


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _introduce(
    routes: Routes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Stream | None:
    """Read what the client wants; return its server, or ``None`` when all is said."""
    first = await reader.readexactly(8)
    while first == wire.GSSENC_REQUEST:
        writer.write(b"N")
        first = await reader.readexactly(8)
    if first[0] == wire.TLS_HANDSHAKE:
        return await _connect(routes, Recording(reader, first), negotiated=False)
    if first == wire.SSL_REQUEST:
        writer.write(b"S")
        return await _connect(routes, Recording(reader), negotiated=True)
    if first[4:] == wire.CANCEL_CODE:
        await _cancel(routes, first + await reader.read(LARGEST_CANCEL_KEY))
    else:
        writer.write(wire.no_encryption(writer.get_extra_info("peername")[0]))
    return None


class Recording:
    """A reader that keeps what it read, so that it can be sent on unchanged."""

    def __init__(self, reader: asyncio.StreamReader, start: bytes = b"") -> None:
        self.reader = reader
        self.raw = start
        self._used = 0

    async def take(self, count: int) -> bytes:
        """Return the next bytes, waiting for them."""
        missing = self._used + count - len(self.raw)
        if missing > 0:
            self.raw += await self.reader.readexactly(missing)
        self._used += count
        return self.raw[self._used - count : self._used]


async def _client_hello(recording: Recording) -> bytes:
    """Return the ClientHello, which may span several TLS records."""
    message = b""
    while len(message) < wire.HEADER or len(message) < wire.message_length(message):
        kind, length = struct.unpack("!BxxH", await recording.take(5))
        if kind != wire.TLS_HANDSHAKE or length == 0 or len(message) > LARGEST_HELLO:
            raise wire.MalformedHelloError("not a TLS handshake")
        message += await recording.take(length)
    return message


async def _connect(routes: Routes, recording: Recording, *, negotiated: bool) -> Stream:
    """Connect to the server that the ClientHello names, up to and including the hello."""
    name = wire.server_name(await _client_hello(recording))
    reader, writer = await asyncio.open_connection(LOOPBACK, routes.port(name))
    if negotiated:
        writer.write(wire.SSL_REQUEST)
        if await reader.readexactly(1) != b"S":
            raise OSError(f"{name} does not speak TLS")
    writer.write(recording.raw)
    return reader, writer


async def _cancel(routes: Routes, request: bytes) -> None:
    """Ask every server: an old client's request names none, and only one knows its key."""
    for port in routes.all():
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(LOOPBACK, port)
            writer.write(request)
            await _close(writer)


async def _splice(client: Stream, backend: Stream) -> None:
    """Pass bytes both ways until both sides have said all, or one is gone."""
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(client[0], backend[1]))
            group.create_task(_pump(backend[0], client[1]))
    except* OSError as broken:
        LOG.info("connection broken: %s", broken.exceptions)
    finally:
        await _close(backend[1])


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()  # a slow receiver slows the sender down
    writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def serve(routes: Routes, listener: socket.socket) -> None:
    """Serve until the process is told to end."""

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Awaitable[None]:
        return handle(routes, reader, writer)

    server = await asyncio.start_server(accept, sock=listener)
    await server.serve_forever()


def main(folder: str, descriptor: str) -> None:
    """Leave the process that started us behind, and serve the socket it opened."""
    if os.fork():
        os._exit(0)
    os.setsid()
    # Before it serves, and by itself: whoever reads the number finds us behind it.
    write_atomically(Path(folder).with_name("router.pid"), f"{os.getpid()}\n")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    asyncio.run(serve(Routes(Path(folder)), socket.socket(fileno=int(descriptor))))


if __name__ == "__main__":
    main(*sys.argv[1:])
