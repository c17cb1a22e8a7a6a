"""The way to the memory database of a stack, as libpq's environment."""

from collections.abc import Mapping
from typing import Any

from local.errors import LocalError

PASSWORD = "postgres_admin_password"  # noqa: S105 - the name of an output, not a password


def variables(stack: str, outputs: Mapping[str, Any], way: Mapping[str, str]) -> dict[str, str]:
    """Return libpq's variables for the administrator of the stack's server.

    ``way`` overrides address and port. The password travels in the environment only, which
    other users cannot read. Raises ``LocalError`` where the stack has no server.
    """
    server = _standing(stack, outputs)
    return {
        "PGHOST": server["fqdn"],
        "PGPORT": str(server["port"]),
        "PGUSER": server["admin_login"],
        "PGPASSWORD": outputs[PASSWORD],
        "PGDATABASE": outputs["memory"]["database"],
        "PGSSLMODE": "verify-full",
        **way,
    }


def server_of(stack: str, outputs: Mapping[str, Any]) -> str:
    """Return the name of the server that the stack made; ``LocalError`` where it made none."""
    server = _standing(stack, outputs)
    if server["id"] is None:
        raise LocalError(
            f"the server of stack {stack} existed before it; whoever runs {server['fqdn']} "
            "restarts it."
        )
    name: str = server["name"]
    return name


def _standing(stack: str, outputs: Mapping[str, Any]) -> Mapping[str, Any]:
    if "postgres" not in outputs:
        raise LocalError(f"stack {stack} has no database yet; run `make up STACK={stack}` first.")
    server: Mapping[str, Any] = outputs["postgres"]
    return server
