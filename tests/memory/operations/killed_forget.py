"""An erasure that kills itself: ``python -m tests.memory.operations.killed_forget EVENT …``.

At event number EVENT the process gets SIGKILL; an event is an answer of a service, or a batch of
rows, of which each has one row.  The other arguments are the command's own.
"""

import os
import signal
import sys
from typing import Any

from memory.__main__ import main
from memory.operations.console import Console
from memory.operations.forget import erasure
from memory.operations.forget.http import Service
from memory.schema.events import Event


def dies_at(wanted: int) -> None:
    """Count what happens, and end with it."""
    seen = 0
    ask = Service._once

    def count() -> None:
        nonlocal seen
        if seen == wanted:
            os.kill(os.getpid(), signal.SIGKILL)
        seen += 1

    def asked(self: Service, method: str, path: tuple[str, ...], query: str) -> Any:
        answer = ask(self, method, path, query)
        if method == "DELETE":
            count()
        return answer

    def event(_: Console, told: Event) -> None:
        if told.text.startswith("memories"):
            count()

    erasure.BATCH_ROWS = 1
    Service._once = asked  # type: ignore[method-assign]
    Console.event = event  # type: ignore[method-assign,assignment]


if __name__ == "__main__":
    dies_at(int(sys.argv[1]))
    sys.exit(main(sys.argv[2:]))
