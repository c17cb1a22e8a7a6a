"""Starting a workflow, asking how far it is, and calling it off."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from memory.workflows.client import Names
from memory.workflows.errors import AlreadyStarted, NotStarted
from memory.workflows.terms import Done, Progress

ANSWER = timedelta(seconds=5)
"""For a worker that is asked how far it is; without one, only the server answers."""


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a workflow stands."""

    id: str
    run_id: str
    status: str
    """Temporal's word: RUNNING, COMPLETED, FAILED, CANCELED …"""
    started_at: datetime
    ended_at: datetime | None
    progress: Progress | None = None
    """None where no worker answers."""
    rows_under_way: int = 0
    """Written in shards that are not done yet, as their last heartbeats say."""
    workers: list[str] = field(default_factory=list)
    """Who works on it."""
    troubles: list[str] = field(default_factory=list)
    """Why activities are being tried again, or why it failed."""

    @property
    def failed(self) -> bool:
        """Whether it ended, and not well."""
        return self.status not in {"RUNNING", "COMPLETED", "CONTINUED_AS_NEW"}

    def as_data(self) -> dict[str, Any]:
        """Plain data for ``--json``."""
        data = asdict(self)
        for name in ("started_at", "ended_at"):
            data[name] = data[name].isoformat() if data[name] else None
        return data

    def as_text(self) -> str:
        """Lines for a terminal."""
        lines = [f"{self.id}: {self.status.lower()}, run {self.run_id}"]
        if self.progress is not None:
            told = self.progress
            lines.append(
                f"  {told.phase}: {told.shards_done} of {told.shards} shards,"
                f" {told.rows + self.rows_under_way} rows written"
            )
        elif self.status == "RUNNING":
            lines.append("  no worker answers: start one with `python -m memory workflows worker`")
        if self.workers:
            lines.append(f"  at work: {', '.join(self.workers)}")
        return "\n".join([*lines, *(f"  {trouble}" for trouble in self.troubles)]) + "\n"


async def start(client: Client, names: Names, word: str, run: Any, given: Sequence[Any]) -> str:
    """Start the one workflow of its kind; return the id of its run.  Raises AlreadyStarted."""
    try:
        handle = await client.start_workflow(
            run, args=given, id=names.workflow(word), task_queue=names.queue
        )
    except WorkflowAlreadyStartedError as error:
        raise AlreadyStarted(
            f"{names.workflow(word)} is under way (run {error.run_id}): let it end, or call it off"
            f" with `python -m memory workflows cancel {word}`; `status {word}` says how far it is"
        ) from None
    return handle.first_execution_run_id or ""


async def ask(client: Client, names: Names, word: str) -> State:
    """Look at the latest one.  Raises NotStarted."""
    handle = client.get_workflow_handle(names.workflow(word))
    found = await _described(handle, names, word)
    running = found.status == WorkflowExecutionStatus.RUNNING
    pending = found.raw_description.pending_activities
    done = [await _heartbeat(client, one) for one in pending]
    return State(
        id=found.id,
        run_id=found.run_id,
        status=found.status.name if found.status else "UNKNOWN",
        started_at=found.start_time,
        ended_at=found.close_time,
        progress=await _progress(handle),
        rows_under_way=sum(one.rows for one in done),
        workers=sorted({one.last_worker_identity for one in pending if one.last_worker_identity}),
        troubles=_troubles(pending) if running else await _failure(handle),
    )


async def cancel(client: Client, names: Names, word: str) -> None:
    """Call it off; it ends when nobody works for it any more.  Raises NotStarted."""
    handle = client.get_workflow_handle(names.workflow(word))
    found = await _described(handle, names, word)
    if found.status != WorkflowExecutionStatus.RUNNING:
        raise NotStarted(f"{found.id} is not under way: it is {_name(found).lower()}")
    await handle.cancel()


async def _described(
    handle: WorkflowHandle[Any, Any], names: Names, word: str
) -> WorkflowExecutionDescription:
    try:
        return await handle.describe()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        raise NotStarted(
            f"there is no {names.workflow(word)}, or it ended so long ago that Temporal has"
            f" forgotten it: `python -m memory workflows start {word}` begins one"
        ) from None


async def _progress(handle: WorkflowHandle[Any, Any]) -> Progress | None:
    try:
        found: Progress = await handle.query("progress", result_type=Progress, rpc_timeout=ANSWER)
    except (RPCError, TimeoutError, asyncio.CancelledError):
        return None
    return found


async def _heartbeat(client: Client, one: PendingActivityInfo) -> Done:
    if not one.HasField("heartbeat_details"):
        return Done()
    found = await client.data_converter.decode(one.heartbeat_details.payloads, [Done])
    return found[0] if found and isinstance(found[0], Done) else Done()


def _troubles(pending: Sequence[PendingActivityInfo]) -> list[str]:
    found = {
        f"{one.activity_type.name}, try {one.attempt}: {one.last_failure.message}"
        for one in pending
        if one.HasField("last_failure")
    }
    return sorted(found)


async def _failure(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """What it failed with: the words of the activity that could not go on."""
    try:
        await handle.result()
    except WorkflowFailureError as failure:
        error: BaseException | None = failure
        while error is not None and error.__cause__ is not None:
            error = error.__cause__
        words = error.message if isinstance(error, ApplicationError) else str(error)
        return [words]
    return []


def _name(found: WorkflowExecutionDescription) -> str:
    return found.status.name if found.status else "UNKNOWN"
