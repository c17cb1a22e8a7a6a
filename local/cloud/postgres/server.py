"""One Flexible Server: a PostgreSQL process, its folder, its certificate, its superuser.

The process outlives whoever started it; a ``Lifeline`` tells whether it runs.

The private key of the server's certificate lies encrypted on disk, and the
passphrase is the data key: whoever cannot unwrap the data key cannot start the
server. Data files themselves are not encrypted; the host's disk encryption is
for that.
"""

import hashlib
import json
import shlex
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from local.cloud.postgres import ports
from local.cloud.postgres.account import Account, remove_tree
from local.cloud.postgres.alone import alone
from local.cloud.postgres.authority import Authority
from local.cloud.postgres.binaries import Binaries
from local.cloud.postgres.configuration_files import write_configuration
from local.cloud.postgres.errors import PostgresError
from local.cloud.postgres.lifeline import Lifeline
from local.files import write_atomically
from local.process import command_of, is_alive

SUPERUSER = "azuresu"
ADMIN_GROUP = "azure_pg_admin"
DOMAIN = "postgres.database.azure.com"
DATA_KEY_VARIABLE = "ENGRAM_DATA_KEY"
START_SECONDS = 120
STOP_SECONDS = 30
RELOAD_SECONDS = 10.0
LOG_TAIL_LINES = 8
LOG_BYTES = 16 << 20
POLL_SECONDS = 0.005

QUIET = "-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic"
"""For the service's own sessions: not even a password's verifier belongs into the log."""

Settings = Mapping[str, str]
"""Server parameters by name, all of them, in Azure's spelling."""


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
        """PostgreSQL's own folder; the only one that its account may write to."""
        return self.folder / "data"

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
        """Where the superuser's socket lies: as noted at the last start, whatever TMPDIR is now."""
        return Path((self.folder / "sockets").read_text(encoding="utf-8"))

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

    def create(self, authority: Authority, data_key: str, settings: Settings) -> None:
        """Make and start an empty server; remains of an interrupted creation are removed."""
        with self.control():
            self.remove()
            self.folder.mkdir(parents=True)
            for folder in (self.folder.parent, self.folder):
                folder.chmod(0o755)  # whatever the umask: the account must pass
            self.data.mkdir(mode=0o700)
            self.account.own(self.data)
            self._initialise()
            key, certificate = authority.issue(self.fqdn, data_key.encode())
            for file, content in (("server.crt", certificate), ("server.key", key)):
                path = self.folder / file
                path.touch(mode=0o600)
                path.write_bytes(content)
                self.account.lend(path)
            self._start(data_key, settings)
            self._furnish()
            (self.folder / "created").touch()

    def start(self, data_key: str, settings: Settings) -> None:
        """Start the process unless it runs; a wrong data key cannot."""
        with self.control():
            if not self.exists:
                raise PostgresError(f"server {self.name} was removed, or never completely created")
            self._start(data_key, settings)

    def _start(self, data_key: str, settings: Settings) -> None:
        if self.running and self._postmaster_lives:
            return
        # The children of one that was killed take a moment to notice.
        _await(lambda: not self.running, STOP_SECONDS, f"{self.name}: children remain")
        with self._lifeline.grab() as lifeline:
            if lifeline is not None:
                self._launch(data_key, settings, lifeline)

    @property
    def _postmaster_lives(self) -> bool:
        """Whether the noted process is there, and no stranger who got its number."""
        try:
            first = (self.data / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0]
        except FileNotFoundError:
            return False
        return is_alive(int(first)) and command_of(int(first)) in {"postgres", None}

    def _launch(self, data_key: str, settings: Settings, lifeline: int) -> None:
        # Nobody else holds the lifeline, hence nobody uses these folders; but a killed
        # postmaster that is still a zombie looks alive to the next one.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        self._make_sockets()
        self._configure(settings, ports.reserve(self.folder / "port"))
        write_atomically(self.folder / "started.json", json.dumps(dict(settings)))
        # pg_ctl hands both to a shell, and only one of them can be quoted by us.
        options = ("-D", ".", "-o", f"-c config_file={shlex.quote(str(self._config))}")
        self._run(
            *("pg_ctl", "start", "-s", "-w", "-t", str(START_SECONDS), *options),
            environment={DATA_KEY_VARIABLE: data_key},
            inherit=(lifeline,),
        )

    def _make_sockets(self) -> None:
        """Make the folder of the superuser's socket: a short path, as sockets need one."""
        self._remove_sockets()
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"engram-{digest}"
        remove_tree(folder)
        self.account.private_folder(folder)
        write_atomically(self.folder / "sockets", str(folder))

    def _remove_sockets(self) -> None:
        with suppress(FileNotFoundError):
            remove_tree(self.sockets)

    def stop(self) -> None:
        """Stop the process if it runs, rolling back what is open."""
        if not self.folder.exists():
            return
        with self.control():
            if self.running and self._postmaster_lives:
                self._halt()
            _await(lambda: not self.running, STOP_SECONDS, f"server {self.name} does not stop")
            self._remove_sockets()

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
            remove_tree(self.folder)

    def reload(self, settings: Settings) -> None:
        """Apply parameters to the running process; returns when new sessions see them."""
        with self.control():
            self._configure(settings, self.port)
            with self.superuser() as db:
                before = db.execute("SELECT pg_conf_load_time()").fetchone()
                db.execute("SELECT pg_reload_conf()")
            _await(
                lambda: self._loaded_at() != before, RELOAD_SECONDS, f"{self.name} does not reload"
            )

    def _loaded_at(self) -> object:
        with self.superuser() as db:
            return db.execute("SELECT pg_conf_load_time()").fetchone()

    # -- SQL as the service ----------------------------------------------------------

    @contextmanager
    def superuser(self, database: str = "postgres") -> Iterator[psycopg.Connection]:
        """Connect as the service itself does: over the private socket, past the network."""
        with psycopg.connect(
            host=str(self.sockets),
            port=self.port,
            user=SUPERUSER,
            dbname=database,
            autocommit=True,
            connect_timeout=START_SECONDS,
            options=QUIET,
            # Whatever libpq's variables say: they are for clients, who come by the network.
            hostaddr="",
            sslmode="disable",
            sslnegotiation="postgres",
            gssencmode="disable",
            channel_binding="prefer",
            require_auth="",
            requirepeer="",
            target_session_attrs="any",
        ) as db:
            yield db

    def add_administrator(self, login: str) -> None:
        """Give a role an administrator's rights, and make it if there is none."""
        role, group = sql.Identifier(login), sql.Identifier(ADMIN_GROUP)
        with self.superuser() as db:
            if db.execute("SELECT FROM pg_roles WHERE rolname = %s", [login]).fetchone() is None:
                db.execute(sql.SQL("CREATE ROLE {}").format(role))
            db.execute(sql.SQL("ALTER ROLE {} LOGIN INHERIT CREATEDB CREATEROLE").format(role))
            db.execute(sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(group, role))

    def set_administrator(self, login: str, password: str) -> None:
        """Create the administrator, or give it another password."""
        self.add_administrator(login)
        with self.superuser() as db:
            verifier = db.pgconn.encrypt_password(
                password.encode(), login.encode(), b"scram-sha-256"
            ).decode()
            role = sql.Identifier(login)
            db.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(verifier)))

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
        }
        write_configuration(self.folder, settings, own, self.binaries)

    def _initialise(self) -> None:
        self._run(
            *("initdb", "--pgdata", str(self.data), "--username", SUPERUSER, "--encoding", "UTF8"),
            *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--auth-local", "peer", "--auth-host", "scram-sha-256", "--no-sync"),
        )

    def _furnish(self) -> None:
        """Create what every new server holds: roles, databases, the gate on extensions."""
        with self.superuser() as db:
            _execute_file(db, "roles.sql")
            # Whoever copies template0 must not get a database without the gate.
            db.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS true")
        for database in ("template0", "template1", "postgres"):
            with self.superuser(database) as db:
                _execute_file(db, "gate.sql")
        with self.superuser() as db:
            db.execute("ALTER DATABASE template0 ALLOW_CONNECTIONS false")
            for name in ("azure_maintenance", "azure_sys"):
                db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
                db.execute(
                    sql.SQL("REVOKE CONNECT ON DATABASE {} FROM PUBLIC").format(
                        sql.Identifier(name)
                    )
                )

    def _run(
        self,
        program: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        inherit: tuple[int, ...] = (),
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
                timeout=2 * START_SECONDS,
                **self.account.process,
            )
        if done.returncode != 0:
            tail = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
            raise PostgresError(
                f"{program} of server {self.name} failed; {self.log} ends with:\n"
                + "\n".join(tail[-LOG_TAIL_LINES:])
            )


def _execute_file(db: psycopg.Connection, name: str) -> None:
    db.execute(Path(__file__).with_name(name).read_bytes())


def _await(done: Callable[[], bool], seconds: float, failure: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise PostgresError(f"{failure}: gave up after {seconds:.0f} s")
        time.sleep(POLL_SECONDS)
