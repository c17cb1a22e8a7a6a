"""A session with the server: direct, over verified TLS, as libpq's environment directs it.

``PGHOSTADDR``, ``PGPORT`` and ``PGSSLROOTCERT`` from the environment win: that is how the same
program reaches a private server through a tunnel, and a local one.  Nothing there can weaken TLS:
``sslmode=verify-full`` is always said, and the name that is verified is the server's own.
"""

import os
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from memory.schema.errors import ConnectionRefused, DatabaseMissing

CONNECT_TIMEOUT_SECONDS = 10
# Azure forgets a connection after minutes without a packet, and a build sends none for hours.
KEEPALIVES = {"keepalives_idle": 60, "keepalives_interval": 10, "keepalives_count": 6}
CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
# Texts that pass by themselves: a restart, and a DNS record or private endpoint made just now.
TRANSIENT = (
    "the database system is starting up",
    "the database system is not yet accepting connections",
    "Name or service not known",
    "No address associated with hostname",
    "Temporary failure in name resolution",
    "could not translate host name",
)
REMEDIES = (
    ("password authentication failed", "the password in the stack is not the server's"),
    ("certificate verify failed", "set PGSSLROOTCERT to the file with the server's CA"),
    ("does not match host name", "connect by the server's FQDN; PGHOSTADDR sets the address"),
    ("no pg_hba.conf entry", "the server does not admit this address, user or database"),
    ("Connection refused", "nothing listens there: is the server started, PGPORT right?"),
    ("timeout expired", "the server is private: connect from its network, or through a tunnel with"
     " PGHOSTADDR and PGPORT"),
    *((text, "the name does not resolve: link the private DNS zone, or set PGHOSTADDR")
      for text in TRANSIENT[2:]),
)  # fmt: skip

Session = psycopg.Connection[Any]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A database, and who connects to it."""

    host: str
    database: str
    user: str
    password: str = field(default="", repr=False)
    """Empty leaves it to libpq: PGPASSWORD or a password file."""
    port: int = 5432
    ca_file: str | None = None
    """Who vouches for the server; none means the authorities that this machine trusts."""


def connect(
    endpoint: Endpoint,
    *,
    wait_seconds: float = 60,
    sleep: Callable[[float], None] = time.sleep,
) -> Session:
    """Open an autocommit session; wait up to ``wait_seconds`` for a server that is starting.

    Raises ConnectionRefused with the remedy; DatabaseMissing where only the database is not there.
    """
    deadline, pause = time.monotonic() + wait_seconds, 0.2
    while True:
        try:
            return psycopg.connect(autocommit=True, **parameters(endpoint))
        except psycopg.OperationalError as error:
            passing = any(text in str(error) for text in TRANSIENT)
            if not passing or time.monotonic() + pause > deadline:
                raise _explained(error, endpoint) from error
        sleep(pause)
        pause = min(pause * 2, 5)


def from_environment() -> Endpoint:
    """The endpoint that PGHOST, PGDATABASE and PGUSER name.  Raises ConnectionRefused."""
    missing = [key for key in ("PGHOST", "PGDATABASE", "PGUSER") if not os.environ.get(key)]
    if missing:
        raise ConnectionRefused(
            f"{', '.join(missing)} not set; the connection comes from PGHOST, PGDATABASE, PGUSER"
            " and PGPASSWORD, optionally PGHOSTADDR, PGPORT and PGSSLROOTCERT"
        )
    return Endpoint(
        host=os.environ["PGHOST"],
        database=os.environ["PGDATABASE"],
        user=os.environ["PGUSER"],
    )


def parameters(endpoint: Endpoint) -> dict[str, Any]:
    """libpq's keywords; those that the environment gives are left to it."""
    chosen: dict[str, Any] = {
        "host": endpoint.host,
        "dbname": endpoint.database,
        "user": endpoint.user,
        "sslmode": "verify-full",
        "gssencmode": "disable",
        "application_name": "engram-schema",
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        **KEEPALIVES,
    }
    if endpoint.password:
        chosen["password"] = endpoint.password
    if "PGPORT" not in os.environ:
        chosen["port"] = endpoint.port
    if "PGSSLROOTCERT" not in os.environ:
        chosen["sslrootcert"] = endpoint.ca_file or _trusted_authorities()
    return chosen


def _trusted_authorities() -> str:
    paths = ssl.get_default_verify_paths()
    candidates = (paths.cafile, paths.openssl_cafile, *CA_BUNDLES)
    for candidate in candidates:
        if candidate and Path(candidate).is_file():
            return candidate
    raise ConnectionRefused(
        "no file of trusted certificate authorities on this machine;"
        " install ca-certificates, or set PGSSLROOTCERT"
    )


def _explained(error: psycopg.OperationalError, endpoint: Endpoint) -> ConnectionRefused:
    text = " ".join(str(error).split())
    where = f"{endpoint.user}@{endpoint.host}/{endpoint.database}"
    if "does not exist" in text and f'database "{endpoint.database}"' in text:
        return DatabaseMissing(
            f"{where}: the server has no database {endpoint.database}; let an administrator run"
            f" CREATE DATABASE {endpoint.database} OWNER {endpoint.user}"
        )
    remedy = next((advice for cause, advice in REMEDIES if cause in text), "see the server's log")
    return ConnectionRefused(f"{where}: {text}; {remedy}")
