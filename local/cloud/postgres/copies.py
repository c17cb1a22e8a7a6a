"""A server that follows another one: its base backup, which goes on streaming.

Both are on one machine, so the backup comes over the private socket of the source, by
PostgreSQL's own replication protocol. Nothing of the source is stopped or locked.
"""

from dataclasses import dataclass

from local.cloud.postgres.base_backup import back_up
from local.cloud.postgres.following import make_replicator, slot_of
from local.cloud.postgres.server import Server, Settings
from local.cloud.postgres.waiting import wait_until

CATCH_UP_SECONDS = 120.0


@dataclass(frozen=True)
class Copy:
    """The data of a server as of now, and of later on."""

    source: Server
    settings: Settings
    """The source's own parameters."""

    def fill(self, target: Server) -> None:
        """Write the data folder of a new server, which does not run yet."""
        # Its rules of access may be of a time before anybody could replicate.
        self.source.reload(self.settings)
        # Before the source keeps its log for it: whoever removes the target knows of whom.
        target.note_leader(self.source)
        self._admit(target)
        self._back_up(target)
        (target.data / "standby.signal").touch()
        for path in (target.data, *target.data.rglob("*")):
            target.account.own(path)

    def await_ready(self, target: Server) -> None:
        """Return when a follower has all that the source had a moment ago."""
        with self.source.superuser() as db:
            row = db.execute("SELECT pg_current_wal_lsn()::text").fetchone()
        with target.superuser() as db:
            query = (
                "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn"
                " AND EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"
            )
            wait_until(
                lambda: db.execute(query, row).fetchone() == (True,),
                CATCH_UP_SECONDS,
                f"{target.name} does not catch up with {self.source.name}; see {target.log}",
            )

    def _admit(self, target: Server) -> None:
        """Let the target's account read the source's log, and keep the log for it."""
        target.withdraw_slot(self.source)
        with self.source.superuser() as db:
            make_replicator(db)
            slot = slot_of(target.name)
            db.execute("SELECT pg_create_physical_replication_slot(%s, true)", [slot])

    def _back_up(self, target: Server) -> None:
        back_up(self.source, target.data, "stream")
