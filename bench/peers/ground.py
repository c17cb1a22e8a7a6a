"""One server for all tools: reached directly, over TLS that is verified in full.

Its name is ``localhost``, so that every driver finds it, those too that know no ``PGHOSTADDR``.
"""

import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString, Self

import psycopg
from cryptography.hazmat.primitives import serialization
from psycopg import sql

from bench.peers.judge import Seen, Session
from bench.peers.pgbouncer import PgBouncer
from bench.peers.tools.tool import Address
from bench.peers.wanted import ANN_INDEX, DIMENSIONS, RELATION, ROWS, SCHEMA, TABLE
from bench.server import ADMIN, DATABASE, Server
from local.cloud.postgres import ports
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.parameters import computed_defaults, defaults
from local.cloud.postgres.server import Server as Process

HOST = "localhost"
NAME = "peers"
WATCH = "the judge"
"""Name of our own sessions, so that a tool's are told from them."""
POOL_SIZE = 4
BUILDING = "SELECT pid FROM pg_catalog.pg_stat_progress_create_index WHERE datname = %s"
WAITING = """
SELECT string_agg(DISTINCT concat_ws(' ', 'for', wait_event_type, wait_event, 'in',
                                     left(query, 60)), '; ')
FROM pg_catalog.pg_stat_activity
WHERE datname = %s AND application_name <> %s AND wait_event IS NOT NULL AND state <> 'idle'
"""
ANYBODY_WAITS = """
SELECT count(*) > 0 FROM pg_catalog.pg_stat_activity
WHERE datname = %s AND application_name <> %s AND wait_event_type = 'Lock'
"""
END_OTHERS = """
SELECT pg_terminate_backend(pid, 5000) FROM pg_catalog.pg_stat_activity
WHERE datname = %s AND application_name <> %s
"""
FILL = """
INSERT INTO memory.zep_memory_vectors (session_id, content, embedding)
SELECT 's' || i % 100, 'content ' || i,
       (SELECT array_agg(random() - 0.5 + (i + j) * 0)
        FROM generate_series(1, {dimensions}) j)::public.vector
FROM generate_series(1, {rows}) i
"""
READ = "SELECT count(*) FROM memory.zep_memory_vectors"
POOLER = """\
[databases]
* = host={host} port={server_port}
[pgbouncer]
listen_addr = {address}
listen_port = {port}
unix_socket_dir =
pool_mode = transaction
default_pool_size = {pool_size}
ignore_startup_parameters = extra_float_digits
auth_type = scram-sha-256
auth_file = {folder}/users
client_tls_sslmode = require
client_tls_cert_file = {folder}/pooler.crt
client_tls_key_file = {folder}/pooler.key
server_tls_sslmode = verify-full
server_tls_ca_file = {folder}/ca.crt
"""


class _Local(Process):
    """A server whose certificate says ``localhost``."""

    @property
    def fqdn(self) -> str:
        """The name that clients verify."""
        return HOST


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The server, and what the study does to it behind the tools' backs."""

    server: Server
    fleet: Fleet

    @classmethod
    def create(cls) -> Self:
        """Make the server in the folders of this process, with the parameters of Standard_B2s."""
        fleet = Fleet.current()
        fleet.authority.ensure()
        found = fleet.server(NAME)
        process = _Local(found.name, found.folder, found.binaries, found.account)
        settings = {
            **defaults(computed_defaults(memory_gib=4, storage_gib=32)),
            "azure.extensions": "vector",
        }
        password = secrets.token_urlsafe()
        process.create(fleet.authority, secrets.token_hex(32), settings)
        process.set_administrator(ADMIN, password)
        way = {
            "PGHOSTADDR": ports.LOOPBACK,
            "PGPORT": str(process.port),
            "PGSSLROOTCERT": str(fleet.authority.ca_file),
        }
        return cls(server=Server(process=process, way=way, password=password), fleet=fleet)

    def address(self, database: str = DATABASE, port: int | None = None) -> Address:
        """Return a database as its administrator reaches it; ``port`` may be a pooler's."""
        return Address(
            host=HOST,
            address=ports.LOOPBACK,
            port=port or self.server.process.port,
            database=database,
            user=ADMIN,
            password=self.server.password,
            ca_file=str(self.fleet.authority.ca_file),
        )

    def connect(self, database: str = DATABASE, port: int | None = None) -> Session:
        """Open a session of ours, known by its name."""
        to = self.address(database, port)
        return psycopg.connect(
            host=to.host,
            hostaddr=to.address,
            port=to.port,
            dbname=to.database,
            user=to.user,
            password=to.password,
            sslmode="verify-full",
            sslrootcert=to.ca_file,
            application_name=WATCH,
            autocommit=True,
            prepare_threshold=None,  # a pooler stands between now and then
        )

    def seen(self) -> Seen:
        """Let the judge look."""
        with self.connect() as session:
            self.as_owner(session)  # who alone may read the rows, if they are ours
            return Seen.of(session)

    # -- databases -------------------------------------------------------------------

    def empty(self, roles: Iterable[str] = ()) -> None:
        """Let there be an empty database, and none of these roles."""
        with self.connect("postgres") as session:
            session.execute(_named("DROP DATABASE IF EXISTS {} WITH (FORCE)", DATABASE))
            for role in roles:
                session.execute(_named("DROP ROLE IF EXISTS {}", role))
            session.execute(_named("CREATE DATABASE {}", DATABASE))

    def keep(self, template: str) -> None:
        """Keep the database as it is, under another name."""
        with self.connect("postgres") as session:
            session.execute(_named("ALTER DATABASE {} RENAME TO {}", DATABASE, template))

    def copy(self, template: str) -> None:
        """Let the database be as one that was kept."""
        with self.connect("postgres") as session:
            session.execute(_named("DROP DATABASE IF EXISTS {} WITH (FORCE)", DATABASE))
            session.execute(_named("CREATE DATABASE {} TEMPLATE {}", DATABASE, template))

    def load(self) -> None:
        """Fill the table with random vectors, the same ones each time."""
        with self.connect() as session:
            self.as_owner(session)
            session.execute("SELECT setseed(0.42)")
            session.execute(FILL.format(dimensions=DIMENSIONS, rows=ROWS).encode())
            session.execute(f"ANALYZE {RELATION}")

    def as_owner(self, session: Session) -> None:
        """Let a session act as the owner of the table."""
        row = session.execute(
            "SELECT tableowner FROM pg_catalog.pg_tables WHERE (schemaname, tablename) = (%s, %s)",
            (SCHEMA, TABLE),
        ).fetchone()
        session.execute(_named("SET ROLE {}", row[0] if row else ADMIN))

    # -- others who are in the way -----------------------------------------------------

    @contextmanager
    def writer(self) -> Iterator[Session]:
        """Hold a transaction that has written, or could have: a concurrent build waits for it."""
        with self.connect() as session:
            self.as_owner(session)
            session.execute("BEGIN")
            session.execute(f"LOCK TABLE {RELATION} IN ROW EXCLUSIVE MODE")
            yield session
            with suppress(psycopg.Error):
                session.execute("ROLLBACK")

    @contextmanager
    def reader(self) -> Iterator[Session]:
        """Hold a transaction that has read, and then sits idle with its lock and its snapshot."""
        with self.connect() as session:
            self.as_owner(session)
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            session.execute(READ)
            yield session
            with suppress(psycopg.Error):
                session.execute("ROLLBACK")

    def building(self) -> int | None:
        """Return the process that builds an index now, if one does."""
        pid = self._ask(BUILDING, DATABASE)
        return int(pid) if pid else None

    def somebody_waits(self) -> bool:
        """Whether a session of a tool waits for a lock."""
        return bool(self._ask(ANYBODY_WAITS, DATABASE, WATCH))

    def waits(self) -> str:
        """Return in words what the sessions of a tool wait for."""
        return str(self._ask(WAITING, DATABASE, WATCH) or "nothing on the server")

    def end_others(self) -> None:
        """End every session but ours, as a failover does, and wait until they are gone."""
        self._ask(END_OTHERS, DATABASE, WATCH)

    def _ask(self, query: LiteralString, *parameters: str) -> Any:
        """Return the first column of the first row."""
        with self.connect("postgres") as session:
            row = session.execute(query, parameters).fetchone()
            return row[0] if row else None

    # -- damage ------------------------------------------------------------------------

    def leave_invalid(self) -> None:
        """Leave the HNSW index as an interrupted concurrent build does."""
        self.alter(f"DROP INDEX IF EXISTS {SCHEMA}.{ANN_INDEX}")
        with self.connect() as session, self.writer(), suppress(psycopg.errors.QueryCanceled):
            self.as_owner(session)
            session.execute("SET statement_timeout = '300ms'")
            session.execute(
                f"CREATE INDEX CONCURRENTLY {ANN_INDEX} ON {RELATION} USING hnsw"
                " (embedding public.vector_cosine_ops) WITH (m = 16, ef_construction = 64)"
            )

    def alter(self, statement: str) -> None:
        """Change something by hand, as the owner of the table."""
        with self.connect() as session:
            self.as_owner(session)
            session.execute(statement.encode())

    # -- the pooler --------------------------------------------------------------------

    @contextmanager
    def pooler(self, program: PgBouncer) -> Iterator[int]:
        """Yield the port of a PgBouncer in transaction mode, with TLS on both sides of it."""
        passphrase = secrets.token_hex().encode()
        locked, certificate = self.fleet.authority.issue(HOST, passphrase)
        key = serialization.load_pem_private_key(locked, passphrase).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        files = {
            "users": f'"{ADMIN}" "{self.server.password}"\n',
            "ca.crt": self.fleet.authority.ca_file.read_text(encoding="utf-8"),
            "pooler.crt": certificate.decode(),
            "pooler.key": key.decode(),
        }
        with program.running(files, self._pooler_configuration) as pooler:
            yield pooler.port

    def _pooler_configuration(self, folder: Path, port: int) -> str:
        return POOLER.format(
            host=HOST,
            address=ports.LOOPBACK,
            port=port,
            folder=folder,
            pool_size=POOL_SIZE,
            server_port=self.server.process.port,
        )


def _named(template: Any, *identifiers: str) -> sql.Composed:
    return sql.SQL(template).format(*map(sql.Identifier, identifiers))
