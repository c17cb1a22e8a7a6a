"""Local ports: found once, kept as long as nobody else takes them."""

import socket
from pathlib import Path

from local.files import write_atomically

LOOPBACK = "127.0.0.1"


def bind(port: int = 0) -> socket.socket:
    """Return a socket bound to a loopback port, 0 for any; raises ``OSError`` if it is taken."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Connections that ended a moment ago must not keep us out.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        raise
    return bound


def reserve(file: Path) -> int:
    """Return the port noted in a file if it is free, else another one, and note it."""
    wanted = int(file.read_text(encoding="utf-8")) if file.exists() else 0
    try:
        bound = bind(wanted)
    except OSError:
        bound = bind()
    with bound:
        port: int = bound.getsockname()[1]
    note(file, port)
    return port


def note(file: Path, port: int) -> None:
    """Write a port to a file in one step, as others may be reading."""
    write_atomically(file, f"{port}\n")
