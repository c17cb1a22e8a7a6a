"""A repair that kills itself: ``python -m tests.memory.operations.killed <statement>``.

At the statement of this number, counted from 1, the process gets SIGKILL: it ran, and nothing is
committed yet.
"""

import os
import signal
import sys

from memory.operations.migration_lock import repair
from memory.schema.connection import from_environment


def main() -> None:
    """Repair, and die on the way."""
    ran: list[str] = []

    def said(statement: str) -> None:
        ran.append(statement)
        if len(ran) == int(sys.argv[1]):
            os.kill(os.getpid(), signal.SIGKILL)

    repair(from_environment(), said=said)


if __name__ == "__main__":
    main()
