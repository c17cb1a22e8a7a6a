"""What every command shares: folders, words, the lock of a stack, cloud and engine."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from local import lock
from local.cloud.postgres import supervisor
from local.commands import clusters
from local.commands.database import way
from local.engine import Engine
from local.errors import BusyError
from local.paths import Paths
from local.process import is_alive
from local.toolchain import installer
from local.toolchain.report import Report

STACKS = ("dev", "test", "uat", "prod")


def table(*headers: str) -> Table:
    """Return a plain table that keeps every word, however narrow the terminal."""
    columns = [Column(header, overflow="fold") for header in headers]
    return Table(*columns, box=None, pad_edge=False)


@dataclass(frozen=True, kw_only=True)
class Session:
    """One call of a command."""

    paths: Paths
    stack: str
    console: Console
    as_json: bool
    tunnel: Mapping[str, str] = field(default_factory=dict)
    """The user's own way to an existing server; see ``database.TUNNEL``."""

    def answer(self, document: Mapping[str, Any]) -> None:
        """Print the machine-readable result, which is all that stdout gets."""
        sys.stdout.write(json.dumps(document, indent=2) + "\n")

    @contextmanager
    def alone(self, *, patient: bool = True) -> Iterator[int]:
        """Let no second command work on this stack; other stacks are free.

        Yields the lock's descriptor. The engine and its plugins inherit it, so that what
        a killed command left running is waited for, unless we are not ``patient``. Raises
        ``BusyError`` where another command is at work.
        """
        file = self.paths.locks / f"{self.stack}.lock"
        note = f"working on {self.stack}"
        wait = patient and self._orphaned(file)
        try:
            with lock.held(file, wait=wait, note=note) as descriptor:
                yield descriptor
        except lock.LockedError as error:
            raise BusyError(
                f"stack {self.stack} is busy: {error}. Wait for it to end, and run the "
                "command again; other stacks can be worked on meanwhile."
            ) from error

    def _orphaned(self, file: Path) -> bool:
        """Tell whether the lock outlived the command that took it."""
        try:
            with lock.held(file, wait=False):
                return False
        except lock.LockedError as error:
            if is_alive(error.pid):
                return False
        self.console.print("The last run was killed; waiting for what it still has in hand ...")
        return True

    @contextmanager
    def alone_everywhere(self, *, patient: bool = True) -> Iterator[None]:
        """Let no command work on any stack meanwhile."""
        with ExitStack() as locks:
            for stack in STACKS:
                locks.enter_context(replace(self, stack=stack).alone(patient=patient))
            yield

    def engine(self, lock: int | None = None) -> Engine:
        """Make tools, cloud and stack ready, and return the engine for the stack."""
        executable = installer.ensure(self.paths, Report(self.console))
        stack_file = self.paths.project / f"Pulumi.{self.stack}.yaml"
        engine = Engine(
            executable=executable,
            paths=self.paths,
            stack=self.stack,
            extra=way(stack_file, router=self.cloud(), tunnel=self.tunnel),
            output=sys.stderr if self.as_json else None,
            inherited=() if lock is None else (lock,),
        )
        engine.prepare()
        return engine

    def cloud(self) -> dict[str, str]:
        """Start the local cloud's servers and the stack's cluster; return the way to the servers.

        A cluster that does not start is a warning: what needs none goes on.
        """
        for words in clusters.start(self.paths.cloud, self.stack).values():
            self.console.print(f"warning: {words}", markup=False)
        return dict(supervisor.start().environment)
