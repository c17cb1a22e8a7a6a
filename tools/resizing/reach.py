"""Where the stack's server answers, from the stack's outputs: after a restore it is another one."""

import json
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.resizing.errors import ResizeError

ROOT = Path(__file__).parent.parent.parent
"""The project's folder: both commands are run in it, wherever the tool is called."""
SECONDS = 300
FROM_OUTSIDE = ("PGHOSTADDR", "PGPORT", "PGSSLROOTCERT")
"""The operator's own way to a private server, such as a tunnel; it wins."""


def words(template: str, stack: str) -> list[str]:
    """Return a command line with the stack's name in it."""
    return [word.replace("{stack}", stack) for word in shlex.split(template)]


def outputs(command: Sequence[str]) -> dict[str, Any]:
    """Run the command that prints the stack's outputs as JSON, secrets included.

    Raises ``ResizeError`` without repeating what it printed, as a password may be in it.
    """
    line = shlex.join(command)
    try:
        answer = subprocess.run(
            command, stdout=subprocess.PIPE, text=True, timeout=SECONDS, check=False, cwd=ROOT
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ResizeError(
            f"`{line}`: {type(error).__name__}; give another with --outputs"
        ) from None
    try:
        found = json.loads(answer.stdout)
    except ValueError:
        found = None
    stands = isinstance(found, dict) and isinstance(found.get("postgres"), dict)
    if answer.returncode or not stands:
        raise ResizeError(
            f"`{line}` ended with {answer.returncode} and told no outputs of a stack that stands;"
            " bring it up first, or give another command with --outputs"
        )
    return dict(found)


def variables(found: Mapping[str, Any]) -> dict[str, str]:
    """Return libpq's variables for the administrator; a way of the outputs' own wins.

    Raises ``ResizeError`` where the outputs lack one.
    """
    try:
        server = found["postgres"]
        own = {
            "PGHOST": server["fqdn"],
            "PGPORT": str(server["port"]),
            "PGUSER": server["admin_login"],
            "PGPASSWORD": found["postgres_admin_password"],
            "PGDATABASE": found["memory"]["database"],
        }
        tunnel = {name: os.environ[name] for name in FROM_OUTSIDE if name in os.environ}
        return {**own, **tunnel, **found.get("environment", {})}
    except (KeyError, TypeError) as error:
        lacking = error.args[0] if isinstance(error, KeyError) else "an object"
        raise ResizeError(
            f"the stack's outputs lack {lacking}: its last up did not come to an end; bring it up"
        ) from None
