"""The first bytes of a PostgreSQL connection: what they ask for, and which server they name.

Only what a router needs: requests that come before TLS, and the server name
(SNI) in a TLS ClientHello.
Sources: PostgreSQL documentation "Message Formats"; RFC 8446 section 4; RFC 6066 section 3.
"""

import struct

SSL_REQUEST = struct.pack("!II", 8, 80877103)
GSSENC_REQUEST = struct.pack("!II", 8, 80877104)
CANCEL_CODE = struct.pack("!I", 80877102)
TLS_HANDSHAKE = 0x16
CLIENT_HELLO = 0x01
HEADER = 4
"""Bytes of a handshake message before its body: kind and length."""
SERVER_NAME = 0x0000
UNRECOGNISED_NAME = b"\x15\x03\x03\x00\x02\x02\x70"
"""The TLS alert ``unrecognized_name``, fatal: what a front end says of a host it does not serve."""


class MalformedHelloError(ValueError):
    """The bytes are no ClientHello."""


def no_encryption(client: str) -> bytes:
    """Return PostgreSQL's own refusal of a client that does not ask for TLS."""
    fields = {
        "S": "FATAL",
        "V": "FATAL",
        "C": "28000",
        "M": f'no pg_hba.conf entry for host "{client}", no encryption',
    }
    body = b"".join(f"{k}{v}".encode() + b"\0" for k, v in fields.items()) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


def message_length(message: bytes) -> int:
    """Return how long a handshake message is, given at least its header."""
    return HEADER + int.from_bytes(message[1:HEADER])


class Cursor:
    """Reads TLS's length-prefixed fields one after another."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        piece = self.data[self.at : self.at + count]
        if len(piece) != count:
            raise MalformedHelloError(f"{count} bytes expected, {len(piece)} left")
        self.at += count
        return piece

    def number(self, width: int) -> int:
        """Return the next big-endian number."""
        return int.from_bytes(self.take(width))

    def vector(self, width: int) -> bytes:
        """Return the next field, whose length comes first."""
        return self.take(self.number(width))


def server_name(hello: bytes) -> str | None:
    """Return the host that a ClientHello message asks for, or ``None`` if it names none."""
    cursor = Cursor(hello)
    if cursor.number(1) != CLIENT_HELLO:
        raise MalformedHelloError("not a ClientHello")
    body = Cursor(cursor.vector(3))
    body.take(2 + 32)  # version, random
    body.vector(1)  # session id
    body.vector(2)  # cipher suites
    body.vector(1)  # compression methods
    if body.at == len(body.data):
        return None
    extensions = Cursor(body.vector(2))
    while extensions.at < len(extensions.data):
        kind, content = extensions.number(2), extensions.vector(2)
        if kind == SERVER_NAME:
            names = Cursor(Cursor(content).vector(2))
            names.take(1)  # the only kind there is: host_name
            return names.vector(2).decode("ascii", errors="replace").lower()
    return None
