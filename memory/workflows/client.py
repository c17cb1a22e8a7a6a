"""The way to Temporal, from Temporal's own environment variables or its configuration file.

``TEMPORAL_ADDRESS`` and ``TEMPORAL_NAMESPACE`` say where; ``TEMPORAL_API_KEY`` is one way to be
known, ``TEMPORAL_TLS_CLIENT_CERT_PATH`` and ``TEMPORAL_TLS_CLIENT_KEY_PATH`` the other, and
``TEMPORAL_TLS_SERVER_CA_CERT_PATH`` vouches for a server of one's own.  Names of keys and rows
travel there, so beyond this machine nothing goes without TLS.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.service import RPCError

from memory.schema.connection import Endpoint
from memory.workflows.errors import NoServer

LOOPBACK_NAME = "localhost"
CONNECT_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class Names:
    """What the queue and the workflows of one database are called; a namespace may serve many."""

    host: str
    database: str

    @classmethod
    def of(cls, endpoint: Endpoint) -> "Names":
        """Those of a database."""
        return cls(host=endpoint.host, database=endpoint.database)

    @property
    def queue(self) -> str:
        """Where this database's workers look for work."""
        return f"engram/{self.host}/{self.database}"

    def workflow(self, word: str) -> str:
        """The id of the one workflow of a kind that may run at a time."""
        return f"{self.queue}/{word}"


def settings(environment: Mapping[str, str] | None = None) -> ClientConnectConfig:
    """What to connect with.  Raises NoServer for none, or one without TLS on another machine."""
    try:
        config = ClientConfig.load_client_connect_config(
            override_env_vars=None if environment is None else dict(environment)
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise NoServer(f"Temporal's configuration cannot be read: {error}") from None
    address = config.get("target_host")
    if not address:
        raise NoServer(
            "no Temporal server is named: set TEMPORAL_ADDRESS to its host:port, and"
            " TEMPORAL_NAMESPACE; one machine needs none: python -m memory rotate-field-keys"
        )
    if not config.get("tls") and not _here(address):
        raise NoServer(
            f"{address} is another machine, and would be spoken to without TLS: set TEMPORAL_TLS,"
            " TEMPORAL_API_KEY, or the paths of a client's certificate and key"
        )
    return config


@contextmanager
def explained() -> Iterator[None]:
    """Say in words what Temporal refuses.  Raises NoServer."""
    try:
        yield
    except RPCError as error:
        raise NoServer(f"Temporal refused: {error.status.name.lower()}, {error.message}") from None


async def connect(environment: Mapping[str, str] | None = None) -> Client:
    """Connect.  Raises NoServer."""
    config = settings(environment)
    try:
        return await Client.connect(**config, connect_timeout=timedelta(seconds=CONNECT_SECONDS))
    except (RuntimeError, OSError) as error:
        raise NoServer(
            f"Temporal at {config['target_host']} does not answer: {_first_line(error)}"
        ) from None


def _here(address: str) -> bool:
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == LOOPBACK_NAME


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
