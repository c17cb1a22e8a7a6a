"""Server parameters that every database of ours has, whatever its size.

A default that is right today is stated all the same: what nobody states, nobody notices when
it changes.
"""

from dataclasses import dataclass

EXTENSIONS = ("vector", "pg_stat_statements", "pgaudit")
"""Allow-listed, not installed: that is a step of the schema."""

STATIC = frozenset({"shared_preload_libraries"})
"""Take effect with the next restart, which Azure leaves to us."""

BASELINE: dict[str, str] = {
    "azure.extensions": ",".join(EXTENSIONS),
    "require_secure_transport": "on",
    "ssl_min_protocol_version": "TLSv1.3",
    # md5 is Azure's other default, and no digest to keep.
    "azure.accepted_password_auth_method": "scram-sha-256",
    "password_encryption": "scram-sha-256",
    "shared_preload_libraries": "pg_stat_statements,pgaudit",
    # Roles and structure, not data: statements hold what people said.
    "pgaudit.log": "ddl,misc,role",
    # Azure's default is none, which leaves the exporter nothing to count.
    "pg_stat_statements.track": "top",
    "log_checkpoints": "on",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_lock_waits": "on",
    "log_line_prefix": "%t-%c-user=%u,db=%d,app=%a,client=%h-",
    "logfiles.retention_days": "7",
    "autovacuum": "on",
}


@dataclass(frozen=True, kw_only=True)
class Pooler:
    """Azure's PgBouncer, beside the server on port 6432; its reserve pool cannot be set."""

    default_pool_size: int
    max_client_connections: int
    wait_seconds: int

    def parameters(self) -> dict[str, str]:
        """Return its parameters; all but the first are hidden until the first is true."""
        return {
            "pgbouncer.enabled": "true",
            "pgbouncer.pool_mode": "transaction",
            "pgbouncer.default_pool_size": str(self.default_pool_size),
            "pgbouncer.max_client_conn": str(self.max_client_connections),
            "pgbouncer.query_wait_timeout": str(self.wait_seconds),
        }
