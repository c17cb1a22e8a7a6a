"""PgBouncer beside Zep, in the same pod: it speaks verified TLS for a program that cannot.

Zep 1.0.2 opens plain connections only. They end here, on the pod's loopback, and go on to the
server as ``verify-full`` TLS. Pure functions: the configuration as text, the container as data.
"""

from dataclasses import dataclass, field

import pulumi
from pulumi_kubernetes import core

from components.replicas import mounted, variables
from components.trust import KEY as ROOTS
from components.trust import NAME as ROOTS_VOLUME
from components.vault_secrets import ZEP_DATABASE_PASSWORD, ZEP_POOLER_USERS
from components.workloads import PodIdentity, Size, container_security

NAME = "pooler"
HOST = "127.0.0.1"
PORT = 6432
CONFIG_FOLDER = "/etc/pgbouncer"
CONFIG_FILE = "pgbouncer.ini"
ROOTS_FOLDER = "/etc/engram/postgres-ca"
SECRETS_FOLDER = "/var/run/secrets/engram"
SECRETS_VOLUME = "secrets"
PROBE_SECONDS = 5


@dataclass(frozen=True, kw_only=True)
class Pool:
    """How many connections one pod takes, and how long a client waits for one."""

    max_client_connections: int = 1000
    """Of Zep to the pooler."""
    size: int = 25
    """To the server, for work as usual."""
    reserve: int = 5
    """To the server on top, once a client has waited for ``reserve_after_seconds``."""
    reserve_after_seconds: int = 5
    wait_seconds: int = 30
    """Then the client gets an error instead of a connection."""

    @property
    def server_connections(self) -> int:
        """The most that one pod opens: what counts against the server's ``max_connections``."""
        return self.size + self.reserve


@dataclass(frozen=True, kw_only=True)
class Login:
    """A database, and who logs in to it."""

    database: str
    user: str


@dataclass(frozen=True, kw_only=True)
class Server:
    """The server behind the pooler."""

    host: str
    """The name that its certificate must carry."""
    port: int = 5432


@dataclass(frozen=True, kw_only=True)
class Files:
    """Where PgBouncer finds what it needs, and where it listens."""

    users: str = f"{SECRETS_FOLDER}/{ZEP_POOLER_USERS}"
    """PgBouncer's list of logins; clear text, as SCRAM towards the server needs it."""
    roots: str = f"{ROOTS_FOLDER}/{ROOTS}"
    port: int = PORT


def configuration(server: Server, login: Login, pool: Pool, files: Files | None = None) -> str:
    """Return ``pgbouncer.ini``; every key of it is known to PgBouncer 1.18 and later.

    ``server_reset_query_always`` is what makes transaction pooling safe here: Zep locks users and
    sessions with session-level advisory locks, and unlocks on whichever connection comes next.
    Without the reset, a lock stays with a connection in the pool, and the next change of that user
    hangs. The price is a round trip after each transaction, and that no session keeps a
    ``search_path``: the role has its own.
    """
    files = files or Files()
    settings = {
        "listen_addr": HOST,
        "listen_port": files.port,
        "unix_socket_dir": "",
        "auth_type": "scram-sha-256",
        "auth_file": files.users,
        # May read the console's figures, and change nothing; the probes ask there.
        "stats_users": login.user,
        "client_tls_sslmode": "disable",
        "server_tls_sslmode": "verify-full",
        "server_tls_ca_file": files.roots,
        "server_tls_protocols": "tlsv1.3",
        "pool_mode": "transaction",
        "server_reset_query": "DISCARD ALL",
        "server_reset_query_always": 1,
        "max_client_conn": pool.max_client_connections,
        "default_pool_size": pool.size,
        "reserve_pool_size": pool.reserve,
        "reserve_pool_timeout": pool.reserve_after_seconds,
        "query_wait_timeout": pool.wait_seconds,
        # By default 15 s, during which Zep answers 500 although the database is back.
        "server_login_retry": 2,
        # A primary that has failed over sends no farewell: notice within half a minute.
        "tcp_keepidle": 15,
        "tcp_keepintvl": 5,
        "tcp_keepcnt": 3,
        "tcp_user_timeout": 30_000,
        # A probe every few seconds is no news.
        "log_connections": 0,
        "log_disconnections": 0,
    }
    lines = [
        "[databases]",
        f"{login.database} = host={server.host} port={server.port} dbname={login.database}",
        "",
        "[pgbouncer]",
        *(f"{key} = {value}".rstrip() for key, value in settings.items()),
    ]
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, kw_only=True)
class PoolerArgs:
    """What a caller decides."""

    image: str
    """With ``pgbouncer`` on its PATH, and ``psql``, which the probes run."""
    pool: Pool = field(default_factory=Pool)
    size: Size = field(default_factory=lambda: Size(cpu="250m", memory="128Mi"))


def container(args: PoolerArgs, login: Login, identity: PodIdentity) -> core.v1.ContainerArgs:
    """Return the sidecar: an init container that stays, so that it starts before and stops after.

    It listens on the loopback alone, where no kubelet reaches it: its probes are commands. The pod
    is ready only while the database answers through it, which Zep's own ``/healthz`` never says.
    """
    return core.v1.ContainerArgs(
        name=NAME,
        image=args.image,
        restart_policy="Always",
        # Past the image's entry point, which would write a configuration of its own.
        command=["pgbouncer", f"{CONFIG_FOLDER}/{CONFIG_FILE}"],
        env=_environment(login, identity),
        resources=args.size.requirements(),
        security_context=container_security(),
        volume_mounts=[
            mounted(NAME, CONFIG_FOLDER),
            mounted(ROOTS_VOLUME, ROOTS_FOLDER),
            mounted(SECRETS_VOLUME, SECRETS_FOLDER),
        ],
        # Zep tries once and panics: it is not started before the database answers.
        startup_probe=_probe("SELECT 1", period_seconds=2, failures=150),
        readiness_probe=_probe("SELECT 1", period_seconds=5, failures=2),
        # The console answers without the server: a restart would not bring that back.
        liveness_probe=_probe("SHOW VERSION", "--dbname=pgbouncer", period_seconds=10, failures=3),
    )


def volume(config_map: pulumi.Input[str]) -> core.v1.VolumeArgs:
    """Return the volume of the configuration."""
    return core.v1.VolumeArgs(
        name=NAME, config_map=core.v1.ConfigMapVolumeSourceArgs(name=config_map)
    )


def _environment(login: Login, identity: PodIdentity) -> list[core.v1.EnvVarArgs]:
    """Return libpq's variables, for the probes; PgBouncer itself reads none of them."""
    clear = {
        "PGHOST": HOST,
        "PGPORT": str(PORT),
        "PGDATABASE": login.database,
        "PGUSER": login.user,
        "PGSSLMODE": "disable",
        "PGCONNECT_TIMEOUT": str(PROBE_SECONDS - 1),
        "PGAPPNAME": "probe",
    }
    return [*variables(clear), identity.variable("PGPASSWORD", ZEP_DATABASE_PASSWORD)]


def _probe(statement: str, *options: str, period_seconds: int, failures: int) -> core.v1.ProbeArgs:
    command = ["psql", "--no-psqlrc", "--no-password", *options, f"--command={statement}"]
    return core.v1.ProbeArgs(
        exec_=core.v1.ExecActionArgs(command=command),
        period_seconds=period_seconds,
        timeout_seconds=PROBE_SECONDS,
        failure_threshold=failures,
    )
