"""A run of the engine that kills itself: ``python -m tests.memory.killed <event> <delay>``.

The desired schema comes as JSON on standard input, the connection from libpq's environment.  At
the given event the process gets SIGKILL, after ``delay`` seconds; a run with fewer events ends
with status 0.
"""

import os
import signal
import sys
import threading

from memory.schema.connection import from_environment
from memory.schema.model import DesiredSchema
from memory.schema.runner import Event, apply
from tests.memory.conftest import PASSWORDS


def main() -> None:
    """Apply, and die on the way."""
    wanted, delay = int(sys.argv[1]), float(sys.argv[2])
    seen = 0

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def report(event: Event) -> None:
        nonlocal seen
        if event.kind in {"begin", "end"}:
            if seen == wanted:
                threading.Timer(delay, die).start() if delay else die()
            seen += 1

    apply(
        from_environment(),
        DesiredSchema.model_validate_json(sys.stdin.read()),
        passwords=PASSWORDS,
        report=report,
    )


if __name__ == "__main__":
    main()
