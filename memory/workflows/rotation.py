"""``MemoryEncryptionKeyRotationWorkflow``: one new key for all fields, on all machines."""

from dataclasses import replace
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from memory.workflows.rotation_activities import RotationActivities as Do
    from memory.workflows.sharing import brief, lasting, wave
    from memory.workflows.terms import (
        Progress,
        Rotated,
        RotationOptions,
        RotationState,
        Share,
    )

MOST_PASSES = 5
"""A writer that still has the old ring after so many will not get the new one."""


@workflow.defn(name="MemoryEncryptionKeyRotationWorkflow")
class MemoryEncryptionKeyRotationWorkflow:
    """Rotates the keys of all memory data, and loses none of it.

    1. The server's own key gets a new version, where that is left to us.
    2. The new field key is added; readers learn it before anybody writes with it.
    3. Fields are encrypted anew, span by span, until no row is left under another key.
    4. After a grace period every field is decrypted as a proof, and the old keys are retired.
    """

    def __init__(self) -> None:
        self._progress = Progress(phase="begun")

    @workflow.query
    def progress(self) -> Progress:
        """How far it is."""
        return self._progress

    @workflow.run
    async def run(self, new_key_id: str, options: RotationOptions | None = None) -> Rotated:
        """Carry out all steps."""
        given = options or RotationOptions()
        state = given.state
        if state is None:
            server_key = await self._renew_server_key(given)
            await self._take_up(new_key_id, given)
            share = await self._cut(given)
            state = RotationState(share=share, server_key=server_key)
        state = await self._reencrypt(new_key_id, given, state)
        if not state.left:
            self._progress = Progress.of("grace", state.share)
            await workflow.sleep(timedelta(hours=given.grace_hours))
        self._progress = Progress.of("proof", state.share)
        retired = await workflow.execute_activity_method(
            Do.end_rotation, new_key_id, **lasting(given.pace)
        )
        self._progress = Progress.of("done", state.share)
        return Rotated(
            key_id=new_key_id,
            rows=state.rows,
            passes=state.passes,
            retired=retired,
            server_key=state.server_key,
        )

    async def _renew_server_key(self, given: RotationOptions) -> str | None:
        if given.server_key is None:
            return None
        self._progress = Progress(phase="server key")
        return await workflow.execute_activity_method(
            Do.new_server_key_version,
            args=[given.server_key, workflow.info().start_time],
            **lasting(given.pace),
        )

    async def _take_up(self, new_key_id: str, given: RotationOptions) -> None:
        self._progress = Progress(phase="new field key")
        await workflow.execute_activity_method(Do.add_field_key, new_key_id, **brief())
        await workflow.sleep(timedelta(seconds=given.reload_seconds))
        await workflow.execute_activity_method(Do.promote_field_key, new_key_id, **brief())

    async def _cut(self, given: RotationOptions) -> Share:
        shards = await workflow.execute_activity_method(
            Do.cut_for_rotation, given.pace.shards, **brief()
        )
        return Share(shards=shards, total=len(shards))

    async def _reencrypt(
        self, new_key_id: str, given: RotationOptions, state: RotationState
    ) -> RotationState:
        """Pass over the table until no row is left under another key.

        The first pass is followed by a wait: a service that had not yet followed wrote meanwhile.
        Rows that no pass brings further are named by the proof at the end, and fail it.
        """
        while True:
            state = await self._pass(new_key_id, given, state)
            await workflow.sleep(timedelta(seconds=given.reload_seconds))
            left = await workflow.execute_activity_method(Do.rows_left, **lasting(given.pace))
            if not left or state.passes >= MOST_PASSES or not state.share.rows:
                return replace(state, left=left)
            state = replace(state, share=await self._cut(given))

    async def _pass(
        self, new_key_id: str, given: RotationOptions, state: RotationState
    ) -> RotationState:
        share = state.share
        while share.shards:
            self._progress = Progress.of("re-encryption", share)
            share = await wave(Do.reencrypt_shard, share, given, self._count)
            if share.shards:
                onward = replace(given, state=replace(state, share=share))
                workflow.continue_as_new(args=[new_key_id, onward])
        return replace(state, share=share, passes=state.passes + 1, rows=state.rows + share.rows)

    def _count(self, rows: int) -> None:
        self._progress = self._progress.plus(rows)
