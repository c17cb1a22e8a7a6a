"""The heartbeat of an activity, and how it ends early.

An endpoint may take minutes for an answer and an index hours, so a thread of its own goes on saying
how far the work is.  Whether to leave is asked between two commits, never in the middle of one.
"""

import contextvars
import threading
from types import TracebackType
from typing import Self

from temporalio import activity
from temporalio.exceptions import ApplicationError, CancelledError

from memory.operations.reembed.errors import ReembedError
from memory.workflows.terms import Done, Span

FEW_SECONDS = 5.0
BEATS = 3
"""In the time after which a silent worker is taken for dead."""


class Leave(ReembedError):  # noqa: N818 - it is no failure
    """The workflow was cancelled, or the worker is told to stop: what is committed stands."""


class Pulse:
    """Says every few seconds what was done so far, until the end of its block."""

    def __init__(self, done: Done) -> None:
        self.done = done
        self._over = threading.Event()
        limit = activity.info().heartbeat_timeout
        self._every = limit.total_seconds() / BEATS if limit else FEW_SECONDS
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._beat,), daemon=True)

    def __enter__(self) -> Self:
        """Begin to beat."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End with a last beat; where it was told to leave, say so in Temporal's own words."""
        self._over.set()
        self._thread.join()
        activity.heartbeat(self.done)
        if isinstance(error, Leave):
            raise _leaving() from None

    def moved(self, done: Done) -> None:
        """What was committed.  Raises Leave where the work shall end here."""
        self.done = done
        leave_if_told()

    def _beat(self) -> None:
        while not self._over.wait(self._every):
            activity.heartbeat(self.done)


def leave_if_told() -> None:
    """Raise Leave where the work shall end here."""
    if activity.is_cancelled() or activity.is_worker_shutdown():
        raise Leave("what is committed stands")


def _leaving() -> Exception:
    if activity.is_cancelled() and not activity.is_worker_shutdown():
        return CancelledError("cancelled between two batches; what is committed stands")
    return ApplicationError(
        "the worker was told to stop; another goes on from here", type="WorkerLeaves"
    )


def resumed(span: Span) -> Done:
    """Where the last try of this activity came to; at first, the beginning of its span."""
    details = activity.info().heartbeat_details
    return Done(**details[0]) if details else Done(cursor=span.after)
