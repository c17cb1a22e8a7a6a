"""A re-embedding that kills itself: ``python -m tests.memory.operations.killed_reembed``.

Arguments: the order (advance, swap, contract, abort), the number of the event at which the process
gets SIGKILL, and a delay after it.  The endpoint is the one that the environment names; a run with
fewer events ends with status 0.
"""

import os
import signal
import sys
import threading

from memory.operations.reembed.backfill import Pace
from memory.operations.reembed.operation import open_reembedding
from memory.schema.connection import from_environment
from memory.schema.events import Event
from tests.memory.operations.reembedding import (
    QUESTION,
    SUBJECT,
    asking_over_http,
    to_new_model,
)


def main() -> None:
    """Go on with the operation, and die on the way."""
    order, wanted, delay = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    seen = 0

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def report(_: Event) -> None:
        nonlocal seen
        if seen == wanted:
            threading.Timer(delay, die).start() if delay else die()
        seen += 1

    ask = asking_over_http(os.environ["OPENAI_BASE_URL"])
    with open_reembedding(from_environment(), SUBJECT, report=report) as work:
        if order == "advance":
            work.advance(
                to_new_model(),
                extent=work.extent(),
                ask=ask,
                pace=Pace(batch_rows=10),
                question=QUESTION,
            )
        elif order == "swap":
            work.swap(ask=ask)
        elif order == "contract":
            work.contract()
        else:
            work.abort()


if __name__ == "__main__":
    main()
