"""components/pooler.py: what it renders, in a real PgBouncer before a real server"""

import os
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from components import pooler
from components.pooler import Files, Login, Pool, PoolerArgs
from components.workloads import PodIdentity
from local.cloud.postgres.authority import Authority
from local.cloud.postgres.fleet import Fleet
from local.cloud.postgres.server import Server
from tests.pgbouncer import PgBouncer, Pooler
from tests.postgres import ADMIN, DATA_KEY, NUMBERS, PASSWORD, default_settings

pytestmark = pytest.mark.slow

APP_PASSWORD = """p"a#s%s:w'o\\rd"""
CLIENTS = 100
MUTATED = {"server_reset_query_always = 1": "server_reset_query_always = 0"}
"""PgBouncer's default."""


class Localhost(Server):
    """A server under a name that every resolver knows."""

    @property
    def fqdn(self) -> str:
        return "localhost"


@pytest.fixture(scope="module")
def server(fleet: Fleet) -> Localhost:
    plain = fleet.server(f"pooled-{os.getpid()}")
    own = Localhost(plain.name, plain.folder, plain.binaries, plain.account)
    own.create(fleet.authority, DATA_KEY, default_settings())
    own.set_administrator(ADMIN, PASSWORD)
    return own


@dataclass(frozen=True)
class Site:
    """A database of one test, whoever logs in to it, and a pooler on demand."""

    pgbouncer: PgBouncer
    server: Localhost
    login: Login
    roots: str

    def pooled(
        self,
        pool: Pool | None = None,
        *,
        host: str = "localhost",
        roots: str = "",
        known_as: str = APP_PASSWORD,
        mutated: dict[str, str] | None = None,
    ) -> AbstractContextManager[Pooler]:
        """Run PgBouncer with our configuration, but for the lines that are mutated."""

        def render(files: Files) -> str:
            server = pooler.Server(host=host, port=self.server.port)
            text = pooler.configuration(server, self.login, pool or Pool(), files)
            for ours, other in (mutated or {}).items():
                assert text.count(ours) == 1
                text = text.replace(ours, other)
            return text

        quoted = known_as.replace('"', '""')
        users = f'"{self.login.user}" "{quoted}"\n'
        return self.pgbouncer.running(render, users, roots or self.roots)

    def dsn(self, running: Pooler, password: str = APP_PASSWORD) -> str:
        return running.dsn(self.login.database, self.login.user, password)

    def ask(self, running: Pooler, query: str, password: str = APP_PASSWORD) -> tuple[Any, ...]:
        """Ask as Zep does: a plain connection, simple queries, no transaction of its own."""
        with psycopg.connect(self.dsn(running, password), autocommit=True) as client:
            client.prepare_threshold = None
            row = client.execute(query).fetchone()
        assert row
        return row

    def behind(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the server itself, past the pooler."""
        with self.server.superuser() as db:
            return db.execute(query, [self.login.database]).fetchall()


@pytest.fixture
def site(pgbouncer: PgBouncer, server: Localhost, fleet: Fleet) -> Iterator[Site]:
    name = f"pooled_{next(NUMBERS)}"
    database, role = sql.Identifier(name), sql.Identifier(f"{name}_app")
    with server.superuser() as db:
        db.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(APP_PASSWORD))
        )
        db.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))
    login = Login(database=name, user=f"{name}_app")
    yield Site(pgbouncer, server, login, fleet.authority.ca_file.read_text("utf-8"))
    with server.superuser() as db:
        db.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(database))
        db.execute(sql.SQL("DROP ROLE {}").format(role))


# -- TLS -------------------------------------------------------------------------------


def test_plain_connections_of_zep_reach_the_server_as_tls_1_3(site: Site) -> None:
    with site.pooled() as running:
        asked = "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        assert site.ask(running, asked) == (True, "TLSv1.3")


NO_TLS = {"server_tls_sslmode = verify-full": "server_tls_sslmode = disable"}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a server that wants TLS, without it": ({"mutated": NO_TLS}, "no encryption"),
    "a server of another name": ({"host": "127.0.0.1"}, "name `127.0.0.1' not present"),
    "a password that is not the server's": (
        {"known_as": "another"},
        "password authentication failed",
    ),
}


def refusal(site: Site, reason: str, **choices: Any) -> None:
    """Ask in vain, and find the reason in the pooler's log."""
    with site.pooled(Pool(wait_seconds=4), **choices) as running:
        with pytest.raises(psycopg.OperationalError):
            site.ask(running, "SELECT 1", choices.get("known_as", APP_PASSWORD))
        assert running.said(reason), running.log.read_text("utf-8")


@pytest.mark.parametrize("case", REFUSED)
def test_no_connection_comes_about_with(case: str, site: Site) -> None:
    choices, reason = REFUSED[case]
    refusal(site, reason, **choices)


def test_no_connection_comes_about_with_a_server_of_another_authority(
    site: Site, tmp_path: Path
) -> None:
    stranger = Authority(tmp_path).ensure().ca_file.read_text("utf-8")
    refusal(site, "certificate verify failed", roots=stranger)


def test_a_client_with_a_wrong_password_is_refused(site: Site) -> None:
    with site.pooled() as running:
        with pytest.raises(psycopg.OperationalError, match="SASL authentication failed"):
            site.ask(running, "SELECT 1", "a guess")
        assert site.ask(running, "SELECT 1") == (1,)


# -- the pool --------------------------------------------------------------------------


def locks_left_behind(site: Site, running: Pooler) -> int:
    """Let many clients lock and unlock at once, each something else; return the locks that stay."""

    def patch_metadata(number: int) -> None:
        with psycopg.connect(site.dsn(running), autocommit=True) as client:
            client.prepare_threshold = None
            client.execute(f"SELECT pg_advisory_lock({number}), pg_sleep(0.01)")
            client.execute(f"SELECT pg_advisory_unlock({number})")

    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(patch_metadata, range(CLIENTS)))
    left = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database"
        " WHERE locktype = 'advisory' AND datname = %s"
    )
    ((count,),) = site.behind(left)
    return int(count)


def test_a_hundred_clients_with_advisory_locks_leave_none_behind(site: Site) -> None:
    with site.pooled() as running:
        assert locks_left_behind(site, running) == 0


def test_without_the_reset_locks_stay_with_the_pool(site: Site) -> None:
    with site.pooled(mutated=MUTATED) as running:
        assert locks_left_behind(site, running) > 0


def test_the_pool_bounds_what_the_server_sees(site: Site) -> None:
    seen = (
        "SELECT count(*), pg_sleep(0.05) FROM pg_stat_activity WHERE datname = current_database()"
    )
    with site.pooled(Pool(size=3, reserve=0)) as running, ThreadPoolExecutor(30) as clients:
        counts = list(clients.map(lambda _: site.ask(running, seen)[0], range(30)))
    assert max(counts) == 3


def test_a_client_that_waited_long_enough_gets_an_error(site: Site) -> None:
    with (
        site.pooled(Pool(size=1, reserve=0, wait_seconds=1)) as running,
        psycopg.connect(site.dsn(running)) as busy,
    ):
        busy.execute("SELECT 1")
        started = time.monotonic()
        with pytest.raises(psycopg.OperationalError, match="query_wait_timeout"):
            site.ask(running, "SELECT 1")
        assert time.monotonic() - started < 5


# -- the probes ------------------------------------------------------------------------


def succeeds(site: Site, running: Pooler, kind: str) -> bool:
    """Run a probe as the kubelet does: its command in the container's environment."""
    identity = PodIdentity(service_account="zep", secret_class="zep", synced_secret="zep")
    container: Any = pooler.container(PoolerArgs(image="image"), site.login, identity)
    environment = {variable.name: variable.value for variable in container.env}
    environment |= {"PGPASSWORD": APP_PASSWORD, "PGPORT": str(running.port)}
    chosen = getattr(container, f"{kind}_probe")
    program, *options = chosen.exec_.command
    binaries = site.server.binaries
    try:
        subprocess.run(
            [binaries.command(program), *options],
            env={**binaries.environment, **environment},
            capture_output=True,
            check=True,
            timeout=chosen.timeout_seconds,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return False
    return True


def test_only_readiness_depends_on_the_database(site: Site) -> None:
    name = sql.Identifier(site.login.database)
    kinds = ("startup", "readiness", "liveness")
    with site.pooled() as running:
        assert [succeeds(site, running, kind) for kind in kinds] == [True, True, True]
        with site.server.superuser() as db:
            db.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(name))
            site.behind("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s")
        assert [succeeds(site, running, kind) for kind in kinds] == [False, False, True]
