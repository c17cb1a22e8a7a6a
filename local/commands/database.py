"""The way to the memory database of a stack, as libpq's environment."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from local.errors import LocalError

TUNNEL = ("PGHOSTADDR", "PGPORT")
"""The user's own variables that count, and only for a server that existed before the stack."""
PASSWORD = "postgres_admin_password"  # noqa: S105 - the name of an output, not a password


def way(
    stack_file: Path, *, router: Mapping[str, str], tunnel: Mapping[str, str]
) -> dict[str, str]:
    """Return libpq's variables that lead to the server which a stack file chooses.

    A server of the stack is behind the local cloud's router. An existing one is where the file
    says, or at the end of the user's tunnel, and the file also says who vouches for it: the local
    cloud's own authority must not.
    """
    postgres = _chosen(stack_file)
    if postgres.get("kind") != "existing":
        return dict(router)
    found = {name: tunnel[name] for name in TUNNEL if name in tunnel}
    if ca_file := postgres.get("ca_file"):
        found["PGSSLROOTCERT"] = str(stack_file.parent / str(ca_file))
    return found


def _chosen(stack_file: Path) -> dict[str, Any]:
    """Return what a stack file says of PostgreSQL; nothing where the program will refuse it."""
    try:
        found = yaml.safe_load(stack_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, yaml.YAMLError):
        return {}
    for key in ("config", "engram:settings", "postgres"):
        found = found.get(key) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}


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
