"""Bring every Flexible Server of this clone up or down, and say how they are.

The doors of the commands: ``start`` after a reboot or a crash costs what is
missing, and next to nothing when all runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from local.cloud.postgres.custody import Custody
from local.cloud.postgres.fleet import Endpoint, Fleet
from local.cloud.resources.flexible_server import FlexibleServer, access_of, restart, settle_all
from local.cloud.resources.server_child import SERVER
from local.cloud.store import Store
from local.cloud.world import World
from local.paths import Paths


@dataclass(frozen=True)
class Status:
    """One server, as the summary shows it."""

    name: str
    fqdn: str
    state: str
    """Azure's word: Ready, Inaccessible or Stopped."""
    key_uri: str | None
    """The key version that holds the data key; ``None`` without a customer's key."""


def start() -> Endpoint:
    """Start the router and every server whose key lets it run; return how to reach them.

    What is wrong with a server that does not start is said in ``Endpoint.failures`` and in
    a warning: the others, and the stacks that need them, go on.
    """
    endpoint = Fleet.current().start_router()
    with _world() as world:
        return replace(endpoint, failures=settle_all(world))


def stop() -> None:
    """Stop everything that ``start`` or a deployment started; data stays."""
    fleet = Fleet.current()
    for server in fleet.servers():
        server.stop()
    fleet.stop_router()


def restart_server(name: str) -> None:
    """Restart one server, so that static parameters take effect; ``KeyError`` if unknown."""
    with _world() as world:
        record = next((r for r in world.of_type(SERVER) if r.name == name), None)
        if record is None:
            raise KeyError(name)
        restart(world, record)


def status() -> list[Status]:
    """Return all servers that the store knows."""
    fleet = Fleet.current()
    with _world() as world:
        return [
            Status(
                record.name,
                fleet.server(record.name).fqdn,
                access_of(world, record).state,
                Custody(world, record.arm_id).key_uri,
            )
            for record in world.of_type(SERVER)
        ]


@contextmanager
def _world() -> Iterator[World]:
    store = Store(Paths.current().cloud)
    try:
        yield World(store, (FlexibleServer(),))
    finally:
        store.close()
