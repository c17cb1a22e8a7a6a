"""A lock between processes that its own thread may take again.

To look at a server and then act on what was seen is one step only while nobody
else acts; and each of the acts takes the same lock for callers who did not look.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.lock import held

_thread = threading.local()


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Hold a lock file, waiting for it; joins what this thread holds already."""
    ours: set[Path] = _thread.__dict__.setdefault("locks", set())
    if lock in ours:
        yield
        return
    with held(lock, wait=True):
        ours.add(lock)
        try:
            yield
        finally:
            ours.remove(lock)
