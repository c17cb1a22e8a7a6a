"""Runs one command to its end, and writes its exit code where the next kubelet finds it.

``python -m local.cloud.workloads.once <file> <command> …``
"""

import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType

from local.files import write_atomically


def main(file: str, *command: str) -> int:
    """Return the command's exit code; SIGTERM is handed on to it."""
    with subprocess.Popen(command) as process:

        def hand_on(number: int, _frame: FrameType | None) -> None:
            process.send_signal(number)

        signal.signal(signal.SIGTERM, hand_on)
        code = process.wait()
    if code >= 0:  # one that was killed has not ended: it is run again
        write_atomically(Path(file), f"{code}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
