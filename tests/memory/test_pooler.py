"""The engine before a real PgBouncer, which speaks TLS as Azure's own on port 6432 does."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization as pem

from components.pooler import Files
from local.cloud.postgres.account import Account
from local.cloud.postgres.fleet import Fleet
from memory.schema.errors import ConnectionRefused, PoolerInTheWay
from memory.schema.runner import apply, inspect
from tests.memory.conftest import PASSWORDS, Live
from tests.pgbouncer import PgBouncer
from tests.postgres import ADMIN, PASSWORD

PASSPHRASE = b"for a moment"
USERS = f'"{ADMIN}" "{PASSWORD}"\n'


def configuration(live: Live, fleet: Fleet, mode: str, tls: str) -> Callable[[Files], str]:
    """PgBouncer before this server, under the server's own name."""

    def render(files: Files) -> str:
        folder = Path(files.users).parent
        key, certificate = fleet.authority.issue(live.endpoint.host, PASSPHRASE)
        private = pem.load_pem_private_key(key, PASSPHRASE)
        plain = (pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption())
        for name, content in (("tls.crt", certificate), ("tls.key", private.private_bytes(*plain))):
            (folder / name).write_bytes(content)
            Account.choose().lend(folder / name)
        server = f"host=127.0.0.1 port={live.server.server.port} auth_user={ADMIN}"
        return (
            f"[databases]\n* = {server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {files.port}\nunix_socket_dir =\nauth_type = scram-sha-256\n"
            f"auth_file = {files.users}\npool_mode = {mode}\nserver_tls_sslmode = require\n"
            f"client_tls_sslmode = {tls}\nclient_tls_cert_file = {folder}/tls.crt\n"
            f"client_tls_key_file = {folder}/tls.key\n"
            "ignore_startup_parameters = extra_float_digits\n"
        )

    return render


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
def test_a_pooler_is_refused_and_the_direct_port_named(
    live: Live,
    fleet: Fleet,
    pgbouncer: PgBouncer,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pgbouncer.running(configuration(live, fleet, mode, "require"), USERS, "") as pooler:
        monkeypatch.setenv("PGPORT", str(pooler.port))
        direct = live.server.server.port
        refusal = rf"port {pooler.port}: a pooler .* own port: {direct}, where the pooler .*PGPORT"
        with pytest.raises(PoolerInTheWay, match=refusal):
            inspect(live.endpoint, live.schema())
        with pytest.raises(PoolerInTheWay, match="a pooler"):
            apply(live.endpoint, live.schema(), passwords=PASSWORDS)
        assert pooler.said("login attempt")
    monkeypatch.setenv("PGPORT", str(live.server.endpoint.port))
    assert inspect(live.endpoint, live.schema()).schema is None


def test_a_pooler_without_tls_is_not_even_talked_to(
    live: Live, fleet: Fleet, pgbouncer: PgBouncer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pgbouncer.running(configuration(live, fleet, "session", "disable"), USERS, "") as pooler:
        monkeypatch.setenv("PGPORT", str(pooler.port))
        with pytest.raises(ConnectionRefused, match="server does not support SSL"):
            inspect(live.endpoint, live.schema())
