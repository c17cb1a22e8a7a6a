"""Files that are there whole or not at all, whatever kills the writer or the machine."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SECRET = 0o600


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write or replace a file; nobody ever reads half of it, even after a power cut."""
    with _written_beside(path, text, mode) as temporary:
        temporary.rename(path)
        _sync_folder(path.parent)


def create_once(path: Path, text: str) -> str:
    """Write a file that only we may read, unless it is there; return what is there then.

    Of several processes, the first one's text wins, and all of them learn it.
    """
    if not path.exists():
        with _written_beside(path, text, SECRET) as temporary:
            try:
                path.hardlink_to(temporary)  # unlike a rename, it never replaces another's
            except FileExistsError:
                pass
            else:
                _sync_folder(path.parent)
    return path.read_text(encoding="utf-8")


@contextmanager
def _written_beside(path: Path, text: str, mode: int) -> Iterator[Path]:
    """Write to a temporary file in the same folder, where a rename is one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make a new name as durable as the content."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
