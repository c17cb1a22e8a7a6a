"""Server parameters that every database of ours has, whatever its size.

A default that is right today is stated all the same: what nobody states, nobody notices when
it changes.
"""

from collections.abc import Mapping
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
    # Roles and structure, not data: statements hold what people said.  Who read or wrote which
    # memory is in the table memory_audit, without a word of them.
    "pgaudit.log": "ddl,misc,role",
    # Nor the values that a statement was given, whether it was audited, slow, or failed.
    "pgaudit.log_parameter": "off",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    # The detail of an error quotes the row that was refused.
    "log_error_verbosity": "terse",
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

LEFT_TO_AZURE = frozenset({"shared_preload_libraries", "logfiles.retention_days"})
"""Of nodes: Azure loads Citus by the first, and lets nobody download what the second keeps.

https://learn.microsoft.com/azure/postgresql/elastic-clusters/concepts-elastic-clusters-limitations
"""


def of_nodes(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return what of these parameters the nodes of an elastic cluster are told."""
    return {name: value for name, value in parameters.items() if name not in LEFT_TO_AZURE}


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
