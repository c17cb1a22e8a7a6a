"""A cluster's ports: chosen once, and the API server's is then part of what the cluster is.

They lie below those that systems give to outgoing connections, so that none of these
takes one while the cluster is down; and no other cluster of the cloud gets them.
"""

import hashlib
import json
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from local.cloud.cluster.errors import ClusterError
from local.cloud.postgres.ports import LOOPBACK, bind
from local.files import write_atomically
from local.lock import held

FIRST, COUNT = 20_000, 10_000
ANSWER_SECONDS = 1.0


def choose(file: Path, names: Sequence[str], keep: Sequence[str] = ()) -> None:
    """Choose free ports and note them by name in a file of the cluster's folder.

    What was chosen before stays while it is free, and the ports to ``keep`` in any case.
    """
    clusters = file.parent.parent
    with held(clusters.with_name("ports.lock"), wait=True):
        taken = {
            port
            for other in clusters.glob(f"*/{file.name}")
            for port in json.loads(other.read_bytes()).values()
        }
        # Several clones on one machine begin at several places.
        start = int(hashlib.sha256(str(file).encode()).hexdigest(), 16)
        ring = (FIRST + (start + step) % COUNT for step in range(COUNT))
        free = (port for port in ring if port not in taken and _is_free(port))
        noted = json.loads(file.read_bytes()) if file.exists() else {}
        stay = {n: port for n, port in noted.items() if n in keep or _is_free(port)}
        write_atomically(file, json.dumps({n: stay.get(n) or next(free) for n in names}))


def refuse_taken(port: int, owner: str, folder: Path) -> None:
    """Raise ``ClusterError`` where somebody else listens on a port."""
    if not _is_free(port):
        raise ClusterError(
            f"port {port} of {owner} is used by another program. Stop that program: the port is"
            f" part of the cluster's address, and is kept in {folder}."
        )


def answers(port: int) -> bool:
    """Whether somebody listens on a port."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), ANSWER_SECONDS):
        return True
    return False


def _is_free(port: int) -> bool:
    try:
        bind(port).close()
    except OSError:
        return False
    return True
