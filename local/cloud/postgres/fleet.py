"""All Flexible Servers of one local cloud, and the router in front of them.

Knows processes and folders, nothing of Azure's resources: ``flexible_server``
decides what shall stand, and ``supervisor`` brings it back after a reboot.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from local.cloud.postgres import binaries, ports, router
from local.cloud.postgres.account import Account
from local.cloud.postgres.authority import Authority
from local.cloud.postgres.errors import PostgresError
from local.cloud.postgres.lifeline import Lifeline
from local.cloud.postgres.server import Server
from local.lock import held
from local.paths import Paths

ROUTER_STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
PROJECT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Endpoint:
    """How a client reaches every server: connect here, ask for the server's own name."""

    host_address: str
    """``PGHOSTADDR``."""
    port: int
    """``PGPORT``."""
    ca_file: Path
    """``PGSSLROOTCERT``."""
    failures: Mapping[str, str] = field(default_factory=dict)
    """Servers that should run and do not, and why; empty unless they were just looked at."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Return libpq's environment; with it, any program reaches a server by its FQDN."""
        return {
            "PGHOSTADDR": self.host_address,
            "PGPORT": str(self.port),
            "PGSSLROOTCERT": str(self.ca_file),
        }


@dataclass(frozen=True)
class Fleet:
    """The servers in a folder, reached through one port."""

    folder: Path
    """Data of the servers; PostgreSQL's account must be able to enter it."""
    authority: Authority
    cache: Path
    """Where unpacked binaries lie, shared between clones."""

    @classmethod
    def current(cls) -> "Fleet":
        """Return the fleet of this clone."""
        paths = Paths.current()
        return cls(paths.services / "postgres", Authority(paths.cloud / "ca"), paths.service_cache)

    @cached_property
    def account(self) -> Account:
        """The operating system's account of the servers."""
        account = Account.choose()
        self._make_folders()
        if not account.reaches(self.folder):
            raise PostgresError(
                f"the account {account.name}, under which PostgreSQL runs, cannot enter"
                f" {self.folder}: allow others to enter its parents (chmod o+x)"
            )
        return account

    def _make_folders(self) -> None:
        """Make the folder and its parent, open to others; refuse a stranger's."""
        for folder in (self.folder.parent, self.folder):
            if not folder.exists():
                folder.mkdir(parents=True)
                folder.chmod(0o755)
            if folder.lstat().st_uid != os.geteuid():
                raise PostgresError(f"{folder} belongs to somebody else; remove it and try again")

    def server(self, name: str) -> Server:
        """Return the handle of a server, whether it exists or not."""
        unpacked = binaries.unpack(self.cache, self.account)
        return Server(name, self.folder / "servers" / name, unpacked, self.account)

    def servers(self) -> list[Server]:
        """Return all servers that have a folder, even those of an interrupted creation."""
        return [self.server(folder.name) for folder in sorted((self.folder / "servers").glob("*"))]

    # -- names -----------------------------------------------------------------------

    @property
    def routes(self) -> Path:
        """The router's table: a file per name."""
        return self.folder / "routes"

    def publish(self, server: Server) -> None:
        """Let the server's name lead to its port; again after each start, as it may change."""
        self.routes.mkdir(parents=True, exist_ok=True)
        ports.note(self.routes / server.fqdn, server.port)

    def withdraw(self, server: Server) -> None:
        """Let the server's name lead nowhere."""
        (self.routes / server.fqdn).unlink(missing_ok=True)

    # -- the router ------------------------------------------------------------------

    def start_router(self) -> Endpoint:
        """Start the router unless it runs; returns when it accepts connections."""
        self.authority.ensure()
        self._make_folders()
        self.routes.mkdir(exist_ok=True)
        with held(self._router_lock, wait=True), self._router.grab() as lifeline:
            if lifeline is not None:
                self._spawn_router(lifeline)
        return self.endpoint

    @property
    def endpoint(self) -> Endpoint:
        """Where the router listens; its port is chosen once and then kept."""
        return Endpoint(ports.LOOPBACK, self._port, self.authority.ca_file)

    @property
    def router_running(self) -> bool:
        """Whether the router lives."""
        return self._router.held

    def stop_router(self) -> None:
        """Stop the router if it runs."""
        if not self.folder.exists():
            return
        deadline = time.monotonic() + ROUTER_STOP_SECONDS
        with held(self._router_lock, wait=True):
            while self.router_running:
                if time.monotonic() > deadline:
                    raise PostgresError(f"the router does not stop; see {self._router_log}")
                # Its lifeline is held, so the number is its own and not a later stranger's;
                # one that has just been started has not noted it yet.
                with suppress(FileNotFoundError, ProcessLookupError):
                    os.kill(int(self._router_pid.read_text("utf-8")), signal.SIGTERM)
                time.sleep(POLL_SECONDS)

    def _spawn_router(self, lifeline: int) -> None:
        try:
            listener = ports.bind(self._port if self._port_file.exists() else 0)
        except OSError as error:
            raise PostgresError(
                f"port {self._port} of the local cloud cannot be opened ({error.strerror}): stop"
                f" the program that uses it, or remove {self._port_file} to choose another"
            ) from error
        self._router_pid.unlink(missing_ok=True)
        with listener, self._router_log.open("ab") as log:
            listener.listen()
            ports.note(self._port_file, listener.getsockname()[1])
            descriptor = listener.fileno()
            subprocess.run(
                [sys.executable, "-m", router.__name__, str(self.routes), str(descriptor)],
                cwd=PROJECT,
                env={"PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(descriptor, lifeline),
                check=True,
            )

    @property
    def _router(self) -> Lifeline:
        return Lifeline(self.folder / "router.alive")

    @property
    def _router_lock(self) -> Path:
        return self.folder / "router.start"

    @property
    def _router_pid(self) -> Path:
        return self.folder / "router.pid"

    @property
    def _router_log(self) -> Path:
        return self.folder / "router.log"

    @property
    def _port_file(self) -> Path:
        return self.folder / "router.port"

    @property
    def _port(self) -> int:
        return int(self._port_file.read_text(encoding="utf-8"))
