"""One process of a cluster: started in the background, it outlives whoever started it.

A ``Lifeline`` tells whether it lives, and the file beside it what number it has.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.cloud.cluster.errors import ClusterError
from local.cloud.postgres.account import Account
from local.cloud.postgres.lifeline import Lifeline

DETACH = '"$@" &'
NOTE_AND_BECOME = 'echo "$$" && exec "$@" >&2'
"""The program gets the shell's number; where a full disk takes no note of it, none runs."""
LOG_BYTES = 16 << 20
LOG_TAIL_LINES = 8
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Process:
    """A handle; everything it knows is on disk."""

    name: str
    folder: Path
    """Where lock, number and log of the cluster's processes lie."""

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._lifeline.held

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / f"{self.name}.log"

    @property
    def log_tail(self) -> str:
        """The last lines of what it said."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    @property
    def _lifeline(self) -> Lifeline:
        return Lifeline(self.folder / f"{self.name}.alive")

    @property
    def _number(self) -> Path:
        return self.folder / f"{self.name}.pid"

    def start(
        self,
        command: Sequence[str | Path],
        account: Account | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start it unless it lives; ``account`` is who runs it, if not we."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._lifeline.grab() as lifeline:
            if lifeline is not None:
                self._launch(command, account, {**self._base, **(environment or {})}, lifeline)

    @property
    def _base(self) -> Mapping[str, str]:
        return {"PATH": os.defpath, "HOME": str(self.folder)}

    def _launch(
        self,
        command: Sequence[str | Path],
        account: Account | None,
        environment: Mapping[str, str],
        lifeline: int,
    ) -> None:
        self.trim()
        shell = ("/bin/sh", "-c")
        with self._number.open("wb") as number, self.log.open("ab") as log:
            subprocess.run(
                [*shell, DETACH, "sh", *shell, NOTE_AND_BECOME, "sh", *map(str, command)],
                cwd=PROJECT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=number,
                stderr=log,
                pass_fds=(lifeline,),
                start_new_session=True,
                check=True,
                **(account.process if account else {}),
            )

    def trim(self) -> None:
        """Put a log that became too long aside, also while it is written to."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            shutil.copyfile(self.log, self.log.with_suffix(".log.1"))
            os.truncate(self.log, 0)  # whoever writes appends, and so begins anew

    def stop(self) -> None:
        """End it if it lives; kill it where it does not end by itself."""
        deadline = time.monotonic() + STOP_SECONDS
        told = False
        while self.running:
            late = time.monotonic() - deadline
            if late > STOP_SECONDS:
                raise ClusterError(f"{self.name} does not stop; see {self.log}")
            if late > 0:
                self._signal(signal.SIGKILL)
            elif not told:
                told = self._signal(signal.SIGTERM)
            time.sleep(POLL_SECONDS)

    def _signal(self, number: int) -> bool:
        """Return whether it was told: one that was just started has not noted its number yet."""
        # While its lifeline is held, the number is its own and not a later stranger's.
        if self.running:
            with suppress(FileNotFoundError, ValueError, ProcessLookupError):
                os.kill(int(self._number.read_text(encoding="utf-8")), number)
                return True
        return False
