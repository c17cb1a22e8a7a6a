"""One Flexible Server: a PostgreSQL process, its folder, its certificate, its superuser.

The process outlives whoever started it; a ``Lifeline`` tells whether it runs.

The private key of the server's certificate lies encrypted on disk, and the
passphrase is the data key: whoever cannot unwrap the data key cannot start the
server. Data files themselves are not encrypted; the host's disk encryption is
for that.
"""

import json
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import psycopg

from local.cloud.postgres import ports
from local.cloud.postgres.account import Account, remove_tree
from local.cloud.postgres.alone import alone
from local.cloud.postgres.archive import Archive
from local.cloud.postgres.authority import Authority
from local.cloud.postgres.binaries import Binaries
from local.cloud.postgres.configuration_files import SUPERUSER, write_configuration
from local.cloud.postgres.errors import PostgresError
from local.cloud.postgres.following import drop_slot, drop_slots_but, following
from local.cloud.postgres.furnishing import furnish
from local.cloud.postgres.lifeline import Lifeline
from local.cloud.postgres.postmaster import postmaster_lives, status_in
from local.cloud.postgres.sessions import (
    ADMIN_GROUP,
    add_administrator,
    service_session,
    set_administrator,
)
from local.cloud.postgres.sockets import make_sockets, remove_sockets, sockets_of
from local.cloud.postgres.waiting import wait_until
from local.files import write_atomically

__all__ = ["ADMIN_GROUP", "Origin", "Server", "Settings"]

DOMAIN = "postgres.database.azure.com"
DATA_KEY_VARIABLE = "ENGRAM_DATA_KEY"
START_SECONDS = 120
STOP_SECONDS = 30
RELOAD_SECONDS = 10.0
LOG_TAIL_LINES = 8
LOG_BYTES = 16 << 20

Settings = Mapping[str, str]
"""Server parameters by name, all of them, in Azure's spelling."""


class Origin(Protocol):
    """What a new server is made of, where that is not nothing."""

    def fill(self, target: "Server") -> None:
        """Write the data folder, before the first start."""

    def await_ready(self, target: "Server") -> None:
        """Return when the server is what it was to become, after the first start."""


@dataclass(frozen=True)
class Server:
    """One server; the object is only a handle, everything it knows is on disk."""

    name: str
    folder: Path
    binaries: Binaries
    account: Account

    @property
    def fqdn(self) -> str:
        """The name under which clients and the certificate know the server."""
        return f"{self.name}.{DOMAIN}"

    @property
    def data(self) -> Path:
        """PostgreSQL's own folder; beside the archive, the only one that its account writes to."""
        return self.folder / "data"

    @property
    def archive(self) -> Archive:
        """What the server can be restored from."""
        return Archive(self.folder / "archive")

    @property
    def log(self) -> Path:
        """What the process says."""
        return self.folder / "server.log"

    @property
    def port(self) -> int:
        """The local port behind the router; kept as long as nobody takes it."""
        return int((self.folder / "port").read_text(encoding="utf-8"))

    @property
    def sockets(self) -> Path:
        """Where the superuser's socket lies."""
        return sockets_of(self.folder)

    @property
    def exists(self) -> bool:
        """Whether the server was created, and completely."""
        return (self.folder / "created").exists()

    @property
    def running(self) -> bool:
        """Whether any process of the server lives."""
        return self._lifeline.held

    @property
    def _lifeline(self) -> Lifeline:
        return Lifeline(self.folder / "alive")

    @property
    def started_with(self) -> Settings:
        """The parameters of the last start; what differs from them waits for a restart."""
        settings: dict[str, str] = json.loads((self.folder / "started.json").read_bytes())
        return settings

    # -- life ------------------------------------------------------------------------

    @contextmanager
    def control(self) -> Iterator[None]:
        """Let nobody else start, stop, change or remove the server meanwhile."""
        # Not inside of the folder, which may be removed meanwhile.
        with alone(self.folder.parent.with_name("locks") / self.name):
            yield

    def create(
        self,
        authority: Authority,
        data_key: str,
        settings: Settings,
        origin: Origin | None = None,
        *,
        archived: bool = False,
    ) -> None:
        """Make and start a server, empty or a copy; remains of an interrupted one are removed.

        From an ``archived`` one, another can be made as of any later instant.
        """
        with self.control():
            self.remove()
            self.folder.mkdir(parents=True)
            for folder in (self.folder.parent, self.folder):
                folder.chmod(0o755)  # whatever the umask: the account must pass
            self.data.mkdir(mode=0o700)
            self.account.own(self.data)
            if origin is None:
                self._initialise()
            else:
                origin.fill(self)
            key, certificate = authority.issue(self.fqdn, data_key.encode())
            for file, content in (("server.crt", certificate), ("server.key", key)):
                path = self.folder / file
                path.touch(mode=0o600)
                path.write_bytes(content)
                self.account.lend(path)
            if archived:
                self.archive.prepare(self)
            self._start(data_key, settings)
            if origin is None:
                furnish(self)
            else:
                origin.await_ready(self)
            if archived:
                self.archive.begin(self)
            (self.folder / "created").touch()

    def start(self, data_key: str, settings: Settings) -> None:
        """Start the process unless it runs; a wrong data key cannot."""
        with self.control():
            if not self.exists:
                raise PostgresError(f"server {self.name} was removed, or never completely created")
            if self._start(data_key, settings):
                self._forget_the_gone()
            self._find_leader(settings)

    def _start(self, data_key: str, settings: Settings) -> bool:
        """Tell whether the process had to be started."""
        if self.running and self._postmaster_lives:
            return False
        # The children of one that was killed take a moment to notice.
        wait_until(lambda: not self.running, STOP_SECONDS, f"{self.name}: children remain")
        with self._lifeline.grab() as lifeline:
            if lifeline is not None:
                self._launch(data_key, settings, lifeline)
            return lifeline is not None

    @property
    def _postmaster_lives(self) -> bool:
        return postmaster_lives(self.data)

    def _launch(self, data_key: str, settings: Settings, lifeline: int) -> None:
        # Nobody else holds the lifeline, hence nobody uses these folders; but a killed
        # postmaster that is still a zombie looks alive to the next one.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self.archive.forget_the_killed()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        make_sockets(self.folder, self.account)
        self._configure(settings, ports.reserve(self.folder / "port"))
        write_atomically(self.folder / "started.json", json.dumps(dict(settings)))
        # pg_ctl hands both to a shell, and only one of them can be quoted by us.
        options = ("-D", ".", "-o", f"-c config_file={shlex.quote(str(self._config))}")
        self._run(
            *("pg_ctl", "start", "-s", "-w", "-t", str(START_SECONDS), *options),
            environment={DATA_KEY_VARIABLE: data_key},
            inherit=(lifeline,),
        )
        # Of a replica that has been shut down once, pg_ctl calls any early end a success.
        if not self._postmaster_lives:
            raise self._failure("postgres")

    def stop(self) -> None:
        """Stop the process if it runs, rolling back what is open."""
        if not self.folder.exists():
            return
        with self.control():
            if self.running and self._postmaster_lives:
                self._halt()
            wait_until(lambda: not self.running, STOP_SECONDS, f"server {self.name} does not stop")
            remove_sockets(self.folder)

    def _halt(self) -> None:
        wait = ("-D", ".", "-s", "-w", "-t", str(STOP_SECONDS))
        try:
            self._run("pg_ctl", "stop", "-m", "fast", *wait)
        except PostgresError:
            # A session that cannot be ended must not keep the server up: recovery at the
            # next start replays what was committed.
            if self._postmaster_lives:
                self._run("pg_ctl", "stop", "-m", "immediate", *wait)

    def remove(self) -> None:
        """Stop the process and remove all that belonged to it."""
        with self.control():
            # First, so that what is half removed counts as never created.
            (self.folder / "created").unlink(missing_ok=True)
            self.stop()
            leader = self.leader
            if leader is not None and leader.exists and leader.running:
                self.withdraw_slot(leader)
            remove_tree(self.folder)

    def reload(self, settings: Settings) -> None:
        """Apply parameters to the running process; returns when new sessions see them."""
        with self.control():
            self._configure(settings, self.port)
            with self.superuser() as db:
                before = db.execute("SELECT pg_conf_load_time()").fetchone()
                db.execute("SELECT pg_reload_conf()")
            wait_until(
                lambda: self._loaded_at() != before, RELOAD_SECONDS, f"{self.name} does not reload"
            )

    def _loaded_at(self) -> object:
        with self.superuser() as db:
            return db.execute("SELECT pg_conf_load_time()").fetchone()

    # -- a replica ---------------------------------------------------------------------

    @property
    def leader(self) -> "Server | None":
        """The server that this one follows, if it is a replica."""
        noted = self.folder / "follows"
        if not noted.exists():
            return None
        name = noted.read_text(encoding="utf-8").strip()
        return replace(self, name=name, folder=self.folder.with_name(name))

    def note_leader(self, leader: "Server") -> None:
        """Follow a server of the same fleet from the next start on."""
        write_atomically(self.folder / "follows", leader.name)

    def withdraw_slot(self, leader: "Server") -> None:
        """Let the leader forget what it kept for this server."""
        with leader.superuser() as db:
            drop_slot(db, self.name)

    def _forget_the_gone(self) -> None:
        """Keep no log for servers that were removed while this one did not run."""
        with self.superuser() as db:
            drop_slots_but(db, [folder.name for folder in self.folder.parent.iterdir()])

    def _find_leader(self, settings: Settings) -> None:
        """Tell the process where the leader answers now: each start may have moved it."""
        following = self._following()
        if not following:
            return
        with self.superuser() as db:
            known = db.execute("SHOW primary_conninfo").fetchone()
        if known != (following["primary_conninfo"],):
            self.reload(settings)

    def _following(self) -> dict[str, str]:
        leader = self.leader
        return {} if leader is None else following(leader.sockets, leader.port, self.name)

    # -- SQL as the service ----------------------------------------------------------

    @contextmanager
    def superuser(self, database: str = "postgres") -> Iterator[psycopg.Connection]:
        """Connect as the service itself does: over the private socket, past the network."""
        with service_session(self.sockets, self.port, database) as db:
            yield db

    def add_administrator(self, login: str) -> None:
        """Give a role an administrator's rights, and make it if there is none."""
        with self.superuser() as db:
            add_administrator(db, login)

    def set_administrator(self, login: str, password: str) -> None:
        """Create the administrator, or give it another password."""
        with self.superuser() as db:
            set_administrator(db, login, password)

    # -- how ---------------------------------------------------------------------------

    @property
    def _config(self) -> Path:
        return self.folder / "postgresql.conf"

    def _configure(self, settings: Settings, port: int) -> None:
        own = {
            "port": str(port),
            # A list: quoted, a comma belongs to the path.
            "unix_socket_directories": '"' + str(self.sockets).replace('"', '""') + '"',
            "ssl_passphrase_command": f"printenv {DATA_KEY_VARIABLE}",
            **self._following(),
            **self.archive.settings(self, port),
        }
        write_configuration(self.folder, settings, own, self.binaries, self.account.name)

    def recover(self, parameters: Settings, seconds: int) -> None:
        """Let a process of its own bring the data folder to where the parameters say, and end."""
        told = shlex.join(f"--{name}={value}" for name, value in parameters.items())
        wait = ("-D", ".", "-s", "-w", "-t", str(seconds))
        with self._lifeline.grab() as lifeline:
            if lifeline is None:
                raise PostgresError(f"server {self.name} runs: it cannot be recovered")
            self._run("pg_ctl", "start", *wait, "-o", told, inherit=(lifeline,), seconds=seconds)
            # pg_ctl waits only until the replay has begun.
            gave_up = f"server {self.name} does not end its recovery; see {self.log}"
            wait_until(lambda: status_in(self.data) != "standby", seconds, gave_up)
            if not self._postmaster_lives:
                raise self._failure("postgres")
            self._run("pg_ctl", "stop", "-m", "fast", *wait, seconds=seconds)

    def _initialise(self) -> None:
        self._run(
            *("initdb", "--pgdata", str(self.data), "--username", SUPERUSER, "--encoding", "UTF8"),
            *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--auth-local", "peer", "--auth-host", "scram-sha-256", "--no-sync"),
        )

    def _run(
        self,
        program: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        inherit: tuple[int, ...] = (),
        seconds: int = START_SECONDS,
    ) -> None:
        with self.log.open("ab") as log:
            done = subprocess.run(
                [self.binaries.command(program), *arguments],
                env={**self.binaries.environment, **(environment or {})},
                cwd=self.data,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=inherit,
                check=False,
                timeout=2 * seconds,
                **self.account.process,
            )
        if done.returncode != 0:
            raise self._failure(program)

    def _failure(self, program: str) -> PostgresError:
        tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return PostgresError(
            f"{program} of server {self.name} failed; {self.log} ends with:\n"
            + "\n".join(tail[-LOG_TAIL_LINES:])
        )
