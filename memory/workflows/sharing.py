"""How a workflow hands spans out to whoever is there, and waits for all of them."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypedDict, TypeVar

from temporalio import workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from memory.workflows.terms import Done, Pace, Reembedding, RotationOptions, Shard, Share

RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=60))
"""Without end: a database that is away for a night is no reason to begin again.  What no other try
mends says so itself."""
How = TypeVar("How", RotationOptions, Reembedding)
SHORT, LONG = timedelta(minutes=10), timedelta(days=7)


class Terms(TypedDict):
    """What every activity is started with."""

    start_to_close_timeout: timedelta
    retry_policy: RetryPolicy
    heartbeat_timeout: timedelta | None
    cancellation_type: workflow.ActivityCancellationType


def brief() -> Terms:
    """For an activity of seconds, which has no heartbeat."""
    return Terms(
        start_to_close_timeout=SHORT,
        retry_policy=RETRY,
        heartbeat_timeout=None,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


def lasting(pace: Pace) -> Terms:
    """For one that may take days, and is missed after seconds.

    A workflow that was cancelled has ended when nobody writes for it any more.
    """
    return Terms(
        start_to_close_timeout=LONG,
        retry_policy=RETRY,
        heartbeat_timeout=timedelta(seconds=pace.heartbeat_seconds),
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    )


async def wave(
    method: Callable[[Any, Shard, How], Done],
    share: Share,
    how: How,
    count: Callable[[int], None],
) -> Share:
    """Have as many shards done as one run may, all at once; return what is left.

    ``count`` hears the rows of each.  Where one fails, the others are called off and waited for.
    """
    pace = how.pace
    now, later = share.shards[: pace.shards_a_run], share.shards[pace.shards_a_run :]

    async def one(shard: Shard) -> int:
        done = await workflow.execute_activity_method(method, args=[shard, how], **lasting(pace))
        count(done.rows)
        return done.rows

    tasks = [asyncio.create_task(one(shard)) for shard in now]
    try:
        rows = await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
    return Share(shards=later, total=share.total, rows=share.rows + sum(rows))
