"""One drill: restore, reach, look, and remove, whatever happened.

What a drill makes carries a mark and the name of its source.  A drill that was killed is found by
them; nothing without the mark is ever deleted.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from memory.operations.azure import Azure, AzureRefused, FlexibleServer, Heard
from memory.operations.errors import Decision
from memory.operations.restore_drill.checks import Check, checks
from memory.operations.restore_drill.marker import Marker
from memory.operations.tenants import Place
from memory.schema.connection import Session

MARK, SOURCE = "engram-drill", "engram-drill-source"
OPERATION = "restore-drill"
LOCK_KEY = (0x656E6772, 0x64726C73)
"""``engr`` and ``drls`` as two 32-bit numbers: what pg_locks shows as classid and objid."""
ZONE = "privateDnsZoneId"
LONGEST_NAME = 63
BUSY_SECONDS = 3600.0
POLL_SECONDS = 5.0


@dataclass(kw_only=True)
class Outcome:
    """What a drill found."""

    restored: str
    checks: list[Check] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    """How long the restore, the way to it, and the look took."""
    left: str | None = None
    """Why the server is still there, where it is."""

    @property
    def ok(self) -> bool:
        """Whether everything was as it has to be."""
        return bool(self.checks) and all(check.ok for check in self.checks) and self.left is None


@dataclass(frozen=True, kw_only=True)
class Drill:
    """What is restored, and what of it is known."""

    azure: Azure
    source: FlexibleServer
    places: Sequence[Place]
    marker: Marker
    sample: int
    heard: Heard

    def run(self) -> Outcome:
        """Restore, look, remove.  Whatever is raised, removal was tried."""
        outcome = Outcome(restored=name_for(self.source, datetime.now(UTC)))
        try:
            self._look(outcome)
        finally:
            outcome.left = self._removed(self.source.beside(outcome.restored))
        return outcome

    def _look(self, outcome: Outcome) -> None:
        with _timed(outcome, "restore"):
            restored = self.azure.restore(
                self.source, outcome.restored, self.marker.point, tags_of(self.source)
            )
        with _timed(outcome, "reach"):
            if self.source.is_private:
                connect_privately(self.azure, self.source, restored)
        with _timed(outcome, "checks"):
            for check in checks(restored.host, self.places, self.marker, self.sample):
                self.heard(f"{'ok' if check.ok else 'NOT'}: {check.name}: {check.found}")
                outcome.checks.append(check)

    def _removed(self, server_id: str) -> str | None:
        try:
            found = [s for s in leftovers(self.azure, self.source) if s.id == server_id]
            for server in found:
                remove(self.azure, server)
        except AzureRefused as error:
            self.heard(f"{server_id.rsplit('/', 1)[-1]} is still there: {error}; see --clean")
            return str(error)
        return None


def name_for(source: FlexibleServer, at: datetime) -> str:
    """A name that no other drill of this server takes."""
    tail = f"-drill-{at:%y%m%d%H%M%S}"
    return source.name[: LONGEST_NAME - len(tail)].rstrip("-") + tail


def tags_of(source: FlexibleServer) -> dict[str, str]:
    """How what a drill made is told from everything else."""
    return {**source.tags, MARK: OPERATION, SOURCE: source.name}


def leftovers(azure: Azure, source: FlexibleServer) -> list[FlexibleServer]:
    """Servers that drills of this one made, and did not remove."""
    return [
        server
        for server in azure.servers_beside(source.id)
        if server.tags.get(MARK) == OPERATION and server.tags.get(SOURCE) == source.name
    ]


def connect_privately(azure: Azure, source: FlexibleServer, restored: FlexibleServer) -> None:
    """Give the restored server a way in like its source's: same subnet, same private zone."""
    if not source.endpoints:
        raise Decision(
            f"{source.name} is private and has no private endpoint: a server in a delegated subnet"
            " is restored into it by hand"
        )
    known = azure.get(source.endpoints[0])
    zones = azure.get(f"{source.endpoints[0]}/privateDnsZoneGroups").get("value") or []
    made = f"{source.endpoints[0].rsplit('/', 1)[0]}/pe-{restored.name}"
    link = {"privateLinkServiceId": restored.id, "groupIds": ["postgresqlServer"]}
    properties = {
        "subnet": {"id": known["properties"]["subnet"]["id"]},
        "privateLinkServiceConnections": [{"name": restored.name, "properties": link}],
    }
    body = {"location": known["location"], "tags": tags_of(source), "properties": properties}
    azure.put(made, body)
    for group in zones:
        configs = [
            {"name": one["name"], "properties": {"privateDnsZoneId": one["properties"][ZONE]}}
            for one in group["properties"]["privateDnsZoneConfigs"]
        ]
        azure.put(
            f"{made}/privateDnsZoneGroups/{group['name']}",
            {"properties": {"privateDnsZoneConfigs": configs}},
        )


def remove(azure: Azure, server: FlexibleServer) -> None:
    """Remove a drill's server and the way to it; waits for one that is still being made."""
    deadline = time.monotonic() + BUSY_SECONDS
    while server.state == "Provisioning" and time.monotonic() < deadline:
        azure.heard(f"{server.name} is still being made, and is removed then")
        time.sleep(POLL_SECONDS)
        server = azure.server(server.id)
    for endpoint in server.endpoints:
        if (azure.get(endpoint).get("tags") or {}).get(MARK) == OPERATION:
            azure.delete(endpoint)
    azure.delete_server(server.id)


@contextmanager
def alone(session: Session) -> Iterator[None]:
    """Refuse a second drill of the same server while one runs."""
    row = session.execute("SELECT pg_try_advisory_lock(%s, %s)", LOCK_KEY).fetchone()
    if row != (True,):
        raise Decision("another drill of this server runs; wait for its end")
    try:
        yield
    finally:
        if not session.broken:
            session.execute("SELECT pg_advisory_unlock(%s, %s)", LOCK_KEY)


@contextmanager
def _timed(outcome: Outcome, what: str) -> Iterator[None]:
    began = time.monotonic()
    yield
    outcome.seconds[what] = round(time.monotonic() - began, 1)


def as_data(outcome: Outcome) -> dict[str, Any]:
    """Plain data for certificate and ``--json``."""
    return {
        "restored": outcome.restored,
        "ok": outcome.ok,
        "removed": outcome.left is None,
        "seconds": outcome.seconds,
        "checks": [check.as_data() for check in outcome.checks],
    }
