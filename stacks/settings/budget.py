"""Who opens how many connections to PostgreSQL: plain arithmetic, for the rules and the summary.

The numbers are those of the busiest moment: every autoscaler at its bound, in a roll-out.
"""

from stacks.settings.model import ManagedPostgres, StackSettings

POOLED_LOGINS = 2
"""app and reader, who may use Azure's PgBouncer; the migrator refuses any pooler."""

ZEP_PAIRS = 1
"""Pairs of login and database in a pod of Zep: ``zep_app`` in ``zep``."""

SURGE_PODS = 1
"""A Deployment starts one new pod before it stops an old one; Zep's StatefulSet does not."""

JOBS = 2
"""Connections of the memory's jobs: one each, of the keys' rotation and of retention."""

OPERATORS = 5
"""Connections kept for the migrator, the exporters and a human with psql."""


def connection_budget(s: StackSettings) -> dict[str, int]:
    """Return the shares by who opens them, their sum, and what the server grants."""
    parts = shares(s)
    return {**parts, "needed": sum(parts.values()), "granted": granted(s)}


def shares(s: StackSettings) -> dict[str, int]:
    """Return the connections to the server by who opens them; to nodes the service goes past it."""
    return {
        "the memory service": 0 if s.nodes else application_connections(s),
        "its jobs": 0 if s.nodes else JOBS,
        "Azure's pooler": _azures_pooler(s),
        "Zep": _zep(s),
        "operators": OPERATORS,
    }


def granted(s: StackSettings) -> int:
    """Return what the server leaves to us, Azure's own share taken off."""
    if isinstance(s.postgres, ManagedPostgres):
        return s.postgres.size.user_connections
    return s.postgres.user_connections


def application_connections(s: StackSettings) -> int:
    """Return what all pods of the memory service may open."""
    app, pods = s.connections.application, s.workloads.memory_service.max_replicas + SURGE_PODS
    return pods * (app.pool_size + app.max_overflow)


def has_azures_pooler(s: StackSettings) -> bool:
    """On a Burstable server it is another rule's mistake, and no reason for smaller pools."""
    server = s.postgres
    if not isinstance(server, ManagedPostgres) or not server.built_in_pooler:
        return False
    return server.size.tier != "Burstable"


def _azures_pooler(s: StackSettings) -> int:
    return (
        POOLED_LOGINS * s.connections.pooler.default_pool_size
        if has_azures_pooler(s) and not s.nodes
        else 0
    )


def _zep(s: StackSettings) -> int:
    """Each pod brings a PgBouncer, and each of those has the whole pool."""
    pooler = s.connections.pooler
    a_pod = ZEP_PAIRS * (pooler.default_pool_size + pooler.reserve_pool_size)
    return s.workloads.zep.max_replicas * a_pod
