"""The steps of a rotation that touch the world; each may be tried again at any moment."""

from datetime import datetime

from temporalio import activity

from memory.operations.reembed.backfill import WINDOW
from memory.workflows.field_keys import Tools
from memory.workflows.pulse import Pulse, leave_if_told, resumed
from memory.workflows.terms import Done, RotationOptions, Shard


class RotationActivities:
    """Made once in a worker."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    @activity.defn(no_thread_cancel_exception=True)
    def new_server_key_version(self, uri: str, since: datetime) -> str:
        """Give the key of the server's disks a new version; return which."""
        with Pulse(Done()):
            return self._tools.new_version(uri, since)

    @activity.defn(no_thread_cancel_exception=True)
    def add_field_key(self, key_id: str) -> None:
        """Let everybody read with a new key."""
        self._tools.keys().add(key_id)

    @activity.defn(no_thread_cancel_exception=True)
    def promote_field_key(self, key_id: str) -> None:
        """Let everybody write with it."""
        self._tools.keys().promote(key_id)

    @activity.defn(no_thread_cancel_exception=True)
    def cut_for_rotation(self, shards: int) -> list[Shard]:
        """Divide the rows of all tenants."""
        found: list[Shard] = []
        places = self._tools.places()
        for place in places:
            with self._tools.rows(place) as rows:
                found += rows.cut(max(1, shards // len(places)))
        return found

    @activity.defn(no_thread_cancel_exception=True)
    def reencrypt_shard(self, shard: Shard, given: RotationOptions) -> Done:
        """Encrypt the rows of a span anew, from where the last try stopped."""
        done, limit = resumed(shard.span), given.pace.batch_rows * WINDOW
        with Pulse(done) as pulse, self._tools.rows(shard.place) as rows:
            while True:
                step = rows.reencrypt(done.cursor, shard.span.until, limit)
                done = Done(cursor=step.cursor, rows=done.rows + step.rows)
                if done.cursor is None:
                    return done
                pulse.moved(done)

    @activity.defn(no_thread_cancel_exception=True)
    def rows_left(self) -> int:
        """Count the rows that are not under the primary key."""
        left = 0
        with Pulse(Done()):
            for place in self._tools.places():
                leave_if_told()
                with self._tools.rows(place) as rows:
                    left += rows.left()
        return left

    @activity.defn(no_thread_cancel_exception=True)
    def end_rotation(self, key_id: str) -> list[str]:
        """Decrypt every field as a proof, retire the older keys, and return their names."""
        with Pulse(Done()):
            return self._tools.keys().end(key_id, lambda _: leave_if_told())
