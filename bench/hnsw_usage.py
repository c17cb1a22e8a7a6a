"""What a build takes of the server, seen from outside: memory at its peak, and processor time.

A serial build keeps its graph in its own memory; a parallel one reserves all that it may take as a
segment of shared memory when it begins.  ``shared_buffers`` is there before, and is not counted.
Processor time says more than wall time where a machine is not left alone.
"""

import os
import threading
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from typing_extensions import override

POLL_SECONDS = 0.5
PROC = Path("/proc")
SEGMENTS = ("/PostgreSQL.", "/pg_dynshmem/mmap.")
"""Files of shared memory that PostgreSQL makes and removes while it runs: POSIX, or mapped."""
MIB = 2**20
TICKS = os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)


class Usage(AbstractContextManager["Usage"]):
    """The most memory that a server's processes took at once, and their time, beyond before."""

    def __init__(self, data: Path) -> None:
        first = (data / "postmaster.pid").read_text(encoding="utf-8").split()[0]
        self._postmaster = first
        self._bytes_before = self._most = _bytes(first)
        self._seconds_before = self._seconds = _seconds(first)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def peak_mib(self) -> float:
        """Memory, once the block has ended."""
        return (self._most - self._bytes_before) / MIB

    @property
    def cpu_seconds(self) -> float:
        """User and system time, once the block has ended."""
        return self._seconds - self._seconds_before

    @override
    def __enter__(self) -> Self:
        self._thread.start()
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()
        self._seconds = _seconds(self._postmaster)

    def _watch(self) -> None:
        while not self._done.wait(POLL_SECONDS):
            self._most = max(self._most, _bytes(self._postmaster))


def _children(pid: str) -> list[str]:
    return (PROC / pid / "task" / pid / "children").read_text(encoding="utf-8").split()


def _seconds(postmaster: str) -> float:
    """Time of the children that have ended, and of those that have not."""
    ticks = sum(_times(postmaster)[2:])
    for child in _children(postmaster):
        with suppress(*GONE):
            ticks += sum(_times(child)[:2])
    return ticks / TICKS


def _times(pid: str) -> list[int]:
    """A process's user and system time, and those of its children that have ended."""
    fields = (PROC / pid / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return [int(field) for field in fields[11:15]]


def _bytes(postmaster: str) -> int:
    """Memory of the postmaster's children: their own, and each shared segment once."""
    own, segments = 0, dict[str, int]()
    for child in _children(postmaster):
        with suppress(*GONE):
            own += _own_bytes(child)
            segments |= _segments(child)
    return own + sum(segments.values())


def _own_bytes(pid: str) -> int:
    for line in (PROC / pid / "status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _segments(pid: str) -> dict[str, int]:
    """Sizes of the dynamic segments that a process has mapped, by file."""
    found: dict[str, int] = {}
    for line in (PROC / pid / "maps").read_text(encoding="utf-8").splitlines():
        bounds, *_, file = line.split(maxsplit=5)
        if any(name in file for name in SEGMENTS):
            first, last = (int(bound, 16) for bound in bounds.split("-"))
            found[file] = last - first
    return found
