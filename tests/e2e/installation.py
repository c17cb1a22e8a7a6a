"""A whole installation in a folder of its own: the commands, the engine, the live database."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, LiteralString
from unittest import mock

import psycopg
from rich.console import Console

from local.cloud.postgres import supervisor
from local.commands.database import variables, way
from local.engine import Engine
from local.paths import OVERRIDE, Paths
from local.toolchain import installer
from local.toolchain.report import Report

PROJECT = Path(__file__).parents[2]
COMMAND_SECONDS = 280


@dataclass(frozen=True, kw_only=True)
class Installation:
    """What a user has after a clone, beside and apart from what stands in the clone itself."""

    folder: Path
    project: Path = PROJECT
    """The clone, or a copy of it with stack files of its own."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """What the user's shell has set."""

    @property
    def paths(self) -> Paths:
        """Its folders; toolchain and Python environment are the clone's."""
        return Paths(project=self.project, local=self.folder)

    @property
    def environment(self) -> dict[str, str]:
        """What a command of this installation finds in its environment."""
        return {**os.environ, **self.variables, OVERRIDE: str(self.folder)}

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a command in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "local", *arguments],
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end; success is the caller's to judge."""
        with self.start(*arguments) as process:
            try:
                out, err = process.communicate(timeout=COMMAND_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
                raise AssertionError(f"{arguments} took too long:\n{out}\n{err}") from None
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def succeed(self, command: str, stack: str = "dev", *flags: str) -> dict[str, Any]:
        """Run a command that must succeed, and return its machine-readable answer."""
        answer = self.run(command, "--stack", stack, "--json", *flags)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        document: dict[str, Any] = json.loads(answer.stdout)
        return document

    def engine(self, stack: str = "dev") -> Engine:
        """Return the engine of a stack that is up, with its way to the servers."""
        with mock.patch.dict(os.environ, {OVERRIDE: str(self.folder)}):
            router = supervisor.start().environment
        way_there = way(self.project / f"Pulumi.{stack}.yaml", router=router, tunnel=self.variables)
        executable = installer.ensure(self.paths, Report(Console(quiet=True)))
        return Engine(executable=executable, paths=self.paths, stack=stack, extra=way_there)

    @contextmanager
    def database(self, stack: str = "dev") -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Connect as the administrator, as ``make psql`` does."""
        engine = self.engine(stack)
        libpq = variables(stack, engine.outputs(), engine.extra)
        with psycopg.connect(
            host=libpq["PGHOST"],
            hostaddr=libpq["PGHOSTADDR"],
            port=libpq["PGPORT"],
            user=libpq["PGUSER"],
            password=libpq["PGPASSWORD"],
            dbname=libpq["PGDATABASE"],
            sslmode="verify-full",
            sslrootcert=libpq["PGSSLROOTCERT"],
            autocommit=True,
        ) as session:
            yield session

    def sql(self, statement: LiteralString, stack: str = "dev") -> list[tuple[Any, ...]]:
        """Run a statement as the table's owner, in autocommit, as a person with psql would."""
        with self.database(stack) as session:
            session.execute("SET ROLE memory_migrator")
            cursor = session.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def processes(self) -> list[str]:
        """Return the command lines of all processes that work for this installation.

        Their folder is in their arguments or, for the engine, its plugins and the children
        of a database server, in the environment that they inherited.
        """
        places = [str(place).encode() for place in (self.folder, self.paths.services)]
        return [
            line
            for line, environment in running()
            if any(place in line.encode() + environment for place in places)
        ]

    def wait_until_quiet(self, seconds: float = 20) -> list[str]:
        """Wait for processes to end; return those that did not."""
        deadline = time.monotonic() + seconds
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.2)
        return left


def running() -> list[tuple[str, bytes]]:
    """Return command line and environment of every process of this machine but this one."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue  # it ended meanwhile, or is a stranger's
        found.append((line.decode("utf-8", "replace"), environment))
    return found
