"""A copy of a running server's data, by PostgreSQL's own replication protocol.

It comes over the private socket; nothing of the source is stopped or locked.
"""

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from local.cloud.postgres.configuration_files import SUPERUSER
from local.cloud.postgres.errors import PostgresError

if TYPE_CHECKING:
    from local.cloud.postgres.server import Server

BACKUP_SECONDS = 1800


def back_up(source: "Server", target: Path, log: Literal["stream", "none"]) -> None:
    """Write a base into an empty folder, as ourselves: only we are superuser on the socket.

    It has the log that makes it whole, or waits until the source has archived that.
    """
    done = subprocess.run(
        [
            source.binaries.command("pg_basebackup"),
            *("--host", str(source.sockets), "--port", str(source.port)),
            *("--username", SUPERUSER, "--pgdata", str(target)),
            *("--wal-method", log, "--checkpoint", "fast"),
            *("--no-sync", "--no-manifest", "--no-password"),
        ],
        env=source.binaries.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=BACKUP_SECONDS,
    )
    if done.returncode != 0:
        raise PostgresError(f"no copy of {source.name}: {done.stderr.strip()}")
