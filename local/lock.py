"""A lock between processes that the kernel releases, even after ``kill -9``."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class LockedError(Exception):
    """Somebody else holds the lock."""

    def __init__(self, pid: int, note: str) -> None:
        super().__init__(f"process {pid} ({note})" if note else f"process {pid}")
        self.pid = pid
        """Who took it. Where that process is gone, one that inherited the lock lives on."""


@contextmanager
def held(path: Path, *, wait: bool, note: str = "") -> Iterator[int]:
    """Hold ``path`` exclusively for the duration of a block, and yield its descriptor.

    A child that inherits the descriptor keeps the lock for as long as it lives, even
    where we do not. The file stays behind on purpose: removing it would let two
    processes lock two different files of the same name.  Raises ``LockedError``
    where ``wait`` is false and another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            file.seek(0)
            pid, _, words = file.read().partition(" ")
            raise LockedError(int(pid or 0), words) from error
        file.truncate(0)
        file.write(f"{os.getpid()} {note}")
        file.flush()
        yield file.fileno()
