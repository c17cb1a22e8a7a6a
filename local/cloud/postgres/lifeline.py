"""A file lock that tells whether a family of processes lives.

The first process inherits the lock, and hands it on to each of its children.
The kernel releases it with the last of them, whatever killed it: no stale pid
file, reused pid or zombie can deceive.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PROBES = 10
PROBE_SECONDS = 0.005


@dataclass(frozen=True)
class Lifeline:
    """One lock file; it stays behind when nobody holds it."""

    file: Path

    @property
    def held(self) -> bool:
        """Whether anybody of the family lives."""
        try:
            with self.file.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    @contextmanager
    def grab(self) -> Iterator[int | None]:
        """Yield a descriptor to be inherited (``pass_fds``), or ``None`` if a family lives."""
        with self.file.open("ab") as file:
            yield file.fileno() if self._lock(file.fileno()) else None

    @staticmethod
    def _lock(descriptor: int) -> bool:
        # Somebody who asks ``held`` holds the lock for an instant, too.
        for _ in range(PROBES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(PROBE_SECONDS)
            else:
                return True
        return False
