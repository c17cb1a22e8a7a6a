"""A worker: one process, one core; as many as the database bears, on as many machines.

Encryption and the making of SQL hold Python's lock, so a second slot fills the time that the first
waits for the server, and a third hardly any.  More is done by more processes.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

from temporalio.client import Client
from temporalio.worker import Worker

from memory.embeddings.client import EmbeddingsClient, client_from_environment
from memory.embeddings.limits import RateLimit
from memory.operations.reembed.backfill import Ask
from memory.operations.reembed.goal import Goal
from memory.schema.connection import Endpoint
from memory.workflows.discreet import Discretion
from memory.workflows.field_keys import Tools
from memory.workflows.reembedding import ReembeddingWorkflow
from memory.workflows.reembedding_activities import Model, ReembeddingActivities
from memory.workflows.rotation import MemoryEncryptionKeyRotationWorkflow
from memory.workflows.rotation_activities import RotationActivities
from memory.workflows.terms import SLOTS

GRACE = timedelta(seconds=20)
"""For the batches under way when a worker is told to stop."""
WORKFLOWS: Sequence[type] = (MemoryEncryptionKeyRotationWorkflow, ReembeddingWorkflow)


@dataclass(kw_only=True)
class Models:
    """Clients of the endpoint, one for each model, within one limit for the whole worker."""

    limit: RateLimit = field(default_factory=RateLimit)
    closing: ExitStack = field(default_factory=ExitStack)
    _known: dict[tuple[str | None, int, bool], EmbeddingsClient] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, goal: Goal) -> Ask | None:
        """What asks for vectors of this goal's model."""
        if goal.source == "cast":
            return None
        with self._lock:
            key = (goal.model, goal.dimensions, goal.shorten)
            if key not in self._known:
                client = client_from_environment(
                    goal.model or "", goal.dimensions, shorten=goal.shorten, limit=self.limit
                )
                self._known[key] = self.closing.enter_context(client)
            return self._known[key].answer


@dataclass(frozen=True, kw_only=True)
class Means:
    """What the activities of a worker reach the world with."""

    tools: Tools
    endpoint: Callable[[], Endpoint]
    model: Model

    def activities(self) -> Sequence[Callable[..., Any]]:
        """All that a worker can be asked to do."""
        rotation = RotationActivities(self.tools)
        reembedding = ReembeddingActivities(self.endpoint, self.model)
        return (
            rotation.new_server_key_version,
            rotation.add_field_key,
            rotation.promote_field_key,
            rotation.cut_for_rotation,
            rotation.reencrypt_shard,
            rotation.rows_left,
            rotation.end_rotation,
            reembedding.prepare_reembedding,
            reembedding.fill_shard,
            reembedding.finish_reembedding,
        )


@contextmanager
def working(client: Client, queue: str, means: Means, *, slots: int = SLOTS) -> Iterator[Worker]:
    """A worker that is ready to run, and the threads of its activities until the block ends."""
    with ThreadPoolExecutor(slots) as threads:
        yield Worker(
            client,
            task_queue=queue,
            workflows=WORKFLOWS,
            activities=means.activities(),
            activity_executor=threads,
            max_concurrent_activities=slots,
            interceptors=[Discretion()],
            graceful_shutdown_timeout=GRACE,
        )


async def until_told(worker: Worker) -> None:
    """Run until SIGTERM or Ctrl-C; leave between two commits, so that another goes on at once."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    async with worker:
        await told.wait()


def leave(code: int) -> NoReturn:
    """End this process, when all is done and closed, without taking Python down.

    Threads of Temporal's client, which is no Python, may ask for Python's lock at that moment; now
    and then the process would end with SIGABRT instead of its code.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    logging.shutdown()
    os._exit(code)


def log_to_stderr() -> None:
    """Say what goes wrong, with lines of code and without values."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
