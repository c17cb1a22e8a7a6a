"""What a server can be restored from: base backups, and every segment of log since the older one.

PostgreSQL's own archiving, in a folder beside the data. ``archive.sh`` keeps each segment when
it is full or five minutes old, and takes a new base where the log since the last one has become
larger than it; two bases stand, and so the folder holds at most thrice the data and, of a small
server, a gibibyte of log.
"""

import datetime as dt
import shlex
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from local.cloud.postgres.account import remove_tree
from local.cloud.postgres.base_backup import back_up
from local.cloud.postgres.configuration_files import REPLICATOR
from local.cloud.postgres.errors import PostgresError
from local.cloud.postgres.following import make_replicator
from local.cloud.postgres.waiting import wait_until
from local.files import write_atomically

if TYPE_CHECKING:
    from local.cloud.postgres.server import Server

LIMIT_KIB = 512 * 1024
"""Log that is kept before another base is worth its time."""
TIMEOUT_SECONDS = 300
"""As on Azure: what is lost with a whole server is at most as old."""
ARCHIVED_SECONDS = 60.0
RECOVERY_SECONDS = 3600
TRIES = 3


@dataclass(frozen=True)
class Archive:
    """The archive of one server; nothing of it, where the server was made without one."""

    folder: Path

    @property
    def kept(self) -> bool:
        """Whether the server has one."""
        return self.folder.exists()

    @property
    def earliest(self) -> dt.datetime | None:
        """The first instant that a restore can reach; ``None`` where there is none."""
        whole = self._bases()
        return dt.datetime.fromtimestamp(int(whole[0].name), dt.UTC) if whole else None

    def prepare(self, server: "Server") -> None:
        """Make the folders, which the server's account writes to, before its first start."""
        for folder in (self.folder, self._log, self.folder / "bases"):
            folder.mkdir()
            server.account.own(folder)
        write_atomically(self.folder / "limit_kib", str(LIMIT_KIB))

    def settings(self, server: "Server", port: int) -> dict[str, str]:
        """Return the parameters that archive, and write the script that they name."""
        if not self.kept:
            return {}
        known = {
            "basebackup": server.binaries.command("pg_basebackup"),
            "archivecleanup": server.binaries.command("pg_archivecleanup"),
            "sockets": str(server.sockets),
            "port": str(port),
            "replicator": REPLICATOR,
        }
        lines = [f"{name}={shlex.quote(value)}" for name, value in known.items()]
        script = Path(__file__).with_name("archive.sh").read_text(encoding="utf-8")
        write_atomically(server.folder / "archive.sh", "\n".join([*lines, script]))
        return {
            "archive_mode": "on",
            # It runs in the data folder: no path of this machine has to be quoted.
            "archive_command": 'sh ../archive.sh "%p" "%f"',
            "archive_timeout": str(TIMEOUT_SECONDS),
        }

    def forget_the_killed(self) -> None:
        """Remove half a base; for who knows that no process of the server lives."""
        remove_tree(self.folder / "renewing")

    def begin(self, server: "Server") -> None:
        """Take the first base of a server that runs; every later instant can be restored."""
        with server.superuser() as db:
            make_replicator(db)
        base = self.folder / "first"
        back_up(server, base, "none")
        for path in (base, *base.rglob("*")):
            server.account.own(path)
        base.rename(self.folder / "bases" / str(int(time.time())))

    def flush(self, server: "Server") -> None:
        """Return when all that the server has committed until now is in the archive."""
        with server.superuser() as db:
            # A restore ends at the first commit after its instant: there has to be one.
            db.execute("SELECT pg_current_xact_id()")
            row = db.execute("SELECT pg_walfile_name(pg_switch_wal())").fetchone()
        segment = self._log / str(row and row[0])
        wait_until(
            segment.exists, ARCHIVED_SECONDS, f"{server.name} archives no log; see {server.log}"
        )

    def lend(self, target: Path) -> None:
        """Give a folder the whole log, which nobody prunes there."""
        for segment in self._log.iterdir():
            with suppress(FileNotFoundError):  # pruned meanwhile, hence too old for any base
                (target / segment.name).hardlink_to(segment)

    def copy_base(self, point: dt.datetime, target: Path) -> None:
        """Write the newest base of before an instant; raises PostgresError where there is none."""
        for _ in range(TRIES):
            whole = [base for base in self._bases() if int(base.name) <= point.timestamp()]
            if not whole:
                break
            remove_tree(target)
            # A renewal may remove the oldest one at any time: then there may be a newer one.
            with suppress(FileNotFoundError, shutil.Error):
                shutil.copytree(whole[-1], target, symlinks=True)
                if whole[-1].exists():
                    return
        raise PostgresError(f"no base of before {point.isoformat()} is kept in {self.folder}")

    @property
    def _log(self) -> Path:
        return self.folder / "wal"

    def _bases(self) -> list[Path]:
        """Return the bases by the second in which each was whole, which is its name."""
        return sorted((self.folder / "bases").glob("*"), key=lambda base: int(base.name))


@dataclass(frozen=True)
class Restore:
    """The data of a server as of an instant."""

    source: "Server"
    point: dt.datetime
    prepared_transactions: str = "0"
    """Of the source: a recovery needs room for them."""

    def fill(self, target: "Server") -> None:
        """Write the data folder: a base, brought to the instant by the log since then."""
        archive = self.source.archive
        archive.flush(self.source)
        replay = target.folder / "replay"
        replay.mkdir()
        archive.lend(replay)
        archive.copy_base(self.point, target.data)
        (target.data / "recovery.signal").touch()
        target.data.chmod(0o700)
        for path in (target.data, *target.data.rglob("*")):
            target.account.own(path)
        target.recover(self._recovery(), RECOVERY_SECONDS)
        remove_tree(replay)

    def await_ready(self, target: "Server") -> None:
        """Return: it was ready before it was started."""

    def _recovery(self) -> dict[str, str]:
        """Return the parameters of a process that nobody reaches, and that ends where it should."""
        return {
            "restore_command": 'cp "../replay/%f" "%p"',
            "recovery_target_time": self.point.astimezone(dt.UTC).isoformat(),
            "recovery_target_action": "promote",
            # Who serves no reader need not be as large as the source was.
            "hot_standby": "off",
            "max_prepared_transactions": self.prepared_transactions,
            "listen_addresses": "",
            "unix_socket_directories": ".",
            "fsync": "off",
        }
