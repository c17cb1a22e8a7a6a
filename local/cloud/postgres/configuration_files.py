"""PostgreSQL's three files, from the server parameters of one Flexible Server.

Where the machine at home is smaller than the SKU, the file says less than Azure
would: ``shared_buffers`` is capped, and libraries that are not installed are not
loaded. Parameters of Azure's own and of missing extensions become placeholders,
so that ``SHOW`` still answers.
"""

import os
import pwd
import shutil
from collections.abc import Mapping
from pathlib import Path

from local.cloud.postgres.binaries import Binaries
from local.cloud.postgres.ports import LOOPBACK
from local.files import write_atomically

NOT_POSTGRES = frozenset({"require_secure_transport", "port", "ssl"})
"""Parameters that Azure implements outside of postgresql.conf, and so do we."""
SUPERUSER = "azuresu"
REPLICATOR = "replication"
"""Azure's name for who reads the log; without a password, and so only on the private socket."""
SHARED_BUFFERS_CAP_PAGES = 16384
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only asked for its size
PARALLEL_BUILD_BYTES = 1 << 30
"""Room that parallel index builds need; containers often give /dev/shm 64 MiB."""


def write_configuration(
    folder: Path,
    settings: Mapping[str, str],
    own: Mapping[str, str],
    binaries: Binaries,
    account: str,
) -> None:
    """Write postgresql.conf, pg_hba.conf and pg_ident.conf into a server's folder.

    ``own`` is what differs from server to server at home and is no parameter on
    Azure: port, sockets, the passphrase of the certificate's key. ``account`` is
    whom the processes of all servers belong to.
    """
    platform = {
        "listen_addresses": LOOPBACK,
        "unix_socket_permissions": "0700",
        "hba_file": str(folder / "pg_hba.conf"),
        "ident_file": str(folder / "pg_ident.conf"),
        "ssl": "on",
        "ssl_cert_file": str(folder / "server.crt"),
        "ssl_key_file": str(folder / "server.key"),
        "ssl_passphrase_command_supports_reload": "on",
        "allow_alter_system": "off",
        "dynamic_shared_memory_type": "posix" if _roomy() else "mmap",
        **own,
    }
    lines = [_line(k, v) for k, v in {**_translated(settings, binaries), **platform}.items()]
    _write(folder / "postgresql.conf", lines)
    tls_only = settings["require_secure_transport"].lower() == "on"
    kind = "hostssl" if tls_only else "host"
    _write(
        folder / "pg_hba.conf",
        [
            f"local all {SUPERUSER} peer map=service",
            f"local replication {SUPERUSER},{REPLICATOR} peer map=service",
            f"host all {SUPERUSER},{REPLICATOR} all reject",
            f"{kind} all all all scram-sha-256",
        ],
    )
    # Only the account that manages the server becomes its superuser.
    manager = pwd.getpwuid(os.geteuid()).pw_name
    maps = [f"service {manager} {SUPERUSER}", f"service {account} {REPLICATOR}"]
    _write(folder / "pg_ident.conf", maps)


def _translated(settings: Mapping[str, str], binaries: Binaries) -> dict[str, str]:
    """Return what PostgreSQL itself is told of Azure's parameters."""
    told = {name: value for name, value in settings.items() if name not in NOT_POSTGRES}
    libraries = (name.strip() for name in told["shared_preload_libraries"].split(","))
    told["shared_preload_libraries"] = ",".join(n for n in libraries if binaries.has_library(n))
    told["shared_buffers"] = str(min(int(told["shared_buffers"]), SHARED_BUFFERS_CAP_PAGES))
    return told


def _line(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"{name} = '{escaped}'"


def _write(file: Path, lines: list[str]) -> None:
    write_atomically(file, "\n".join(lines) + "\n")


def _roomy() -> bool:
    return SHARED_MEMORY.exists() and shutil.disk_usage(SHARED_MEMORY).free >= PARALLEL_BUILD_BYTES
