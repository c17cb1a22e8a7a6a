"""Processes of this machine: who lives, and who must not outlive whom."""

import os
import subprocess
import threading
import time
from pathlib import Path

POLL_SECONDS = 0.5
GRACE_SECONDS = 5.0
"""How long a program that was told twice to stop has for it."""


def exit_with_parent() -> None:
    """End this process soon after its parent ends.

    A killed engine cannot tell its plugins to stop.  Polling is used because
    Linux's parent-death signal fires when the parent's *thread* ends, and the
    engine's threads come and go.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def is_alive(pid: int) -> bool:
    """Tell whether a process with this number exists, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return not _is_zombie(pid)


def start_of(pid: int) -> str:
    """Return a mark of when a process started, so that a reused number is not taken for it.

    Where there is no /proc (macOS), all living processes share one mark, and all dead another.
    """
    fields = _stat(pid)
    if fields:
        return fields[19]
    return "alive" if is_alive(pid) else "dead"


def _is_zombie(pid: int) -> bool:
    """A process that ended, and whose parent has not asked for its exit code."""
    return _stat(pid)[:1] == ["Z"]


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat after the command's name; none where it is not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def command_of(pid: int) -> str | None:
    """Return the name of a process' program, or None where it cannot be read.

    It tells a process of ours from a stranger who got the same number later.
    """
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return None


def communicate(process: "subprocess.Popen[str]", given: str) -> tuple[str | None, str | None]:
    """Give a program its input and return its output, letting Ctrl-C be its own to handle.

    The terminal sends the signal to it as well, and it may have a state to save: at the
    first we wait for as long as it takes, at the second for some seconds. Raises
    ``KeyboardInterrupt`` once it has ended.
    """
    try:
        return process.communicate(given)
    except KeyboardInterrupt:
        try:
            process.communicate()
        except KeyboardInterrupt:
            _end(process)
        raise


def _end(process: "subprocess.Popen[str]") -> None:
    try:
        process.wait(timeout=GRACE_SECONDS)
    except (KeyboardInterrupt, subprocess.TimeoutExpired):
        process.kill()
