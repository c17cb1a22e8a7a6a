"""``python -m memory resize``: the door to ``tools/resize.py``, with an entry in the books.

A size is a line of the stack file: whoever changes it elsewhere has it taken back by the next
deployment.  So this command does not resize by itself.  It hands its words to the tool that writes
the file, runs the engine and asks the server whether it is fit for work.
"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

from memory.operations.bracket import bracketed
from memory.operations.console import Console
from memory.operations.errors import OperationError
from memory.operations.frame import carry_out

OPERATION = "resize"
TOOL = Path(__file__).parents[3] / "tools" / "resize.py"
ABOUT = (
    "Everything behind the word is given to tools/resize.py: `plan` says which ways there are and"
    " what each takes, `apply` writes the stack file, runs the engine, waits, and ends with the"
    " same pre-flight as `preflight`; stopped or killed, `apply` goes on where it was. The size is"
    " the stack file's: this command changes no server behind its back. `plan --help` has the"
    " tool's own options. An apply is entered in the books of operations where PGHOST and its"
    " fellows are set: before it begins, and after it ended."
)
CODES = "Status 0: done. 1: the server is not fit for work. 2: refused or failed. 130: stopped."


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``resize`` to a parser."""
    parser = commands.add_parser(
        "resize",
        help="a larger server: plan it, do it, and see that it is fit for work",
        description=ABOUT,
        epilog=CODES,
    )
    parser.set_defaults(command=run, json=False)
    parser.add_argument("verb", choices=("plan", "apply", "preflight"))
    parser.add_argument("words", nargs=argparse.REMAINDER, help="for tools/resize.py")


def run(arguments: argparse.Namespace) -> int:
    """Hand over, and return the tool's own status."""
    return carry_out(arguments, _resize)


def _resize(arguments: argparse.Namespace, console: Console) -> int:
    if not TOOL.exists():
        raise OperationError(
            f"{TOOL.name} is not here: a resize is a change of the stack file, made where the"
            " project is checked out, and not in a pod"
        )
    if arguments.verb != "apply" or not os.environ.get("PGHOST"):
        if arguments.verb == "apply":
            console.note_line("PGHOST is not set: this resize is not entered in the books")
        return _handed_over(arguments)
    with bracketed(OPERATION, {"words": arguments.words}) as result:
        result["status"] = status = _handed_over(arguments)
    return status


def _handed_over(arguments: argparse.Namespace) -> int:
    command = [sys.executable, str(TOOL), arguments.verb, *arguments.words]
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            # A terminal told the tool, too; a SIGTERM reached only us.
            if not sys.stdin.isatty():
                process.send_signal(signal.SIGINT)
