"""A tool's own process: started in a group of its own, watched, and never left behind."""

import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

GRACE_SECONDS = 5.0
POLL_SECONDS = 0.02
COLOUR = re.compile(r"\x1b\[[\d;]*m")
OF_POSTGRES = re.compile(r"(?:ERROR: |psycopg\.errors\.\w+: |pq: )\s*(?P<words>.+)")
"""PostgreSQL's own words in what a driver says: of JDBC, psycopg and Go."""


@dataclass(frozen=True, kw_only=True)
class Ended:
    """What is left of a process."""

    exit_code: int | None
    """None where it ran into its time limit, and was ended."""
    output: str
    seconds: float
    waited_for: str = ""
    """Of one that was ended: what its sessions waited for."""

    @property
    def last_words(self) -> str:
        """The line that says most: PostgreSQL's own words, else an error's, else the last one."""
        text = COLOUR.sub("", self.output)
        if found := OF_POSTGRES.search(text):
            return found["words"].strip()
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        return next(iter(errors or lines[-1:]), f"exit code {self.exit_code}, and no word")


@dataclass
class Child:
    """A running tool; ``ended`` waits for it, ``kill`` is as hard as a lost machine."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def start(cls, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> "Child":
        """Start a command with nothing but this environment."""
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return cls(process, output)

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def ended(self, limit_seconds: float, ask: Callable[[], str] = str) -> Ended:
        """Wait, for as long as the limit allows; ``ask`` tells what a late one waits for."""
        waited_for = ""
        try:
            exit_code: int | None = self.process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            exit_code, waited_for = None, ask()
        finally:  # whoever interrupts us means it as well
            self.kill()
        seconds = time.monotonic() - self.started
        self.output.seek(0)
        text = self.output.read().decode("utf-8", "replace")
        self.output.close()
        return Ended(exit_code=exit_code, output=text, seconds=seconds, waited_for=waited_for)

    def kill(self) -> None:
        """End the whole group at once, if any of it is left."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(GRACE_SECONDS)


def wait_until(
    condition: Callable[[], object], limit_seconds: float, poll_seconds: float = POLL_SECONDS
) -> bool:
    """Return whether the condition came true in time."""
    deadline = time.monotonic() + limit_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(poll_seconds)
    return True
