"""Where the superuser's socket of a server lies: a short path, as sockets need one."""

import hashlib
import tempfile
from contextlib import suppress
from pathlib import Path

from local.cloud.postgres.account import Account, remove_tree
from local.files import write_atomically


def sockets_of(server: Path) -> Path:
    """Return the folder as noted at the last start, whatever TMPDIR is now."""
    return Path((server / "sockets").read_text(encoding="utf-8"))


def make_sockets(server: Path, account: Account) -> None:
    """Make it, empty, and note it in the server's folder."""
    remove_sockets(server)
    digest = hashlib.sha256(str(server).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"engram-{digest}"
    remove_tree(folder)
    account.private_folder(folder)
    write_atomically(server / "sockets", str(folder))


def remove_sockets(server: Path) -> None:
    """Remove it, where there was one."""
    with suppress(FileNotFoundError):
        remove_tree(sockets_of(server))
