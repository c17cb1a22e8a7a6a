"""Jobs that are killed, one after the other: ``python -m tests.memory.operations.killed_jobs``.

A run is asked for by one line of JSON on standard input, and answered by one: the status of the
process that ran, and how many moments it came to.  A moment is a statement or a call of the vault,
before it or in the middle of it.  Each run is a fork of this process, which has everything imported
and no thread.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from memory.__main__ import main as memory_main
from memory.operations.reembed.backfill import Pace
from memory.operations.reembed.operation import asking, open_reembedding
from memory.operations.reembed.status import status
from memory.operations.rotate_field_keys import batches, passes, rotation, setup
from memory.schema.connection import from_environment
from tests.memory.encryption.folder_vault import FolderVault
from tests.memory.operations.reembedding import QUESTION, SUBJECT, to_new_model, vector

SMALL = Pace(batch_rows=10)


class Assassin:
    """Counts the moments of this process, and kills it at the one that was chosen."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.came_to = 0
        self._chosen: int | None = request.get("moment")
        self._dice = random.Random(request.get("seed", 0))  # noqa: S311 - to be repeated, not to be secret
        self._lock = threading.Lock()

    @contextmanager
    def moment(self) -> Iterator[None]:
        """Strike before what comes now, in the middle of it, or not."""
        with self._lock:
            self.came_to += 1
            chosen = self.came_to == self._chosen
        if chosen and self._dice.random() < 1 / 3:
            strike()
        if chosen:
            threading.Timer(self._dice.uniform(0.0001, 0.004), strike).start()
        yield

    def watching(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The same work, with its moments counted."""

        def watched(*given: Any, **more: Any) -> Any:
            with self.moment():
                return work(*given, **more)

        return watched


def strike() -> None:
    """End this process as nothing can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)


def rotate(assassin: Assassin, request: dict[str, Any]) -> int:
    """The command itself, with a vault in a folder, and few rows at once."""
    vault = FolderVault(Path(request["vault"]))
    for name in ("wrap", "unwrap", "read_secret", "write_secret"):
        setattr(vault, name, assassin.watching(getattr(vault, name)))
    for module, name, value in (
        (setup, "AzureVault", lambda: vault),
        (rotation, "Pass", partial(passes.Pass, window_rows=48)),
        (batches, "ROWS_A_TRANSACTION", 8),
    ):
        setattr(module, name, value)
    return memory_main(["rotate-field-keys", "--yes", "--json", *request["arguments"]])


def reembed(_: Assassin, request: dict[str, Any]) -> int:
    """From the first look to the last drop, whatever is done already."""
    dimensions = request["dimensions"]
    goal = to_new_model(to=f"vector({dimensions})", model=f"of {dimensions}")
    ask = asking(lambda texts: [vector(text, dimensions) for text in texts], dimensions)
    endpoint = from_environment()
    with open_reembedding(endpoint, SUBJECT) as work:
        entry = work.entry()
        if entry is None and status(endpoint, SUBJECT).type_now == f"vector({dimensions})":
            return 0  # the last moment of an earlier run
        if entry is None or entry.phase not in {"ready", "swapped"}:
            work.advance(goal, extent=work.extent(), ask=ask, pace=SMALL, question=QUESTION)
        if (entry := work.entry()) is not None and entry.phase == "ready":
            work.swap(ask=ask, pace=SMALL)
        work.contract()
    return 0


JOBS = {"rotate": rotate, "reembed": reembed}


def run(request: dict[str, Any], answers: int) -> int:
    """Do the job, in a process of its own."""
    os.environ.update(request["environment"])
    assassin = Assassin(request)
    psycopg.Connection.execute = assassin.watching(psycopg.Connection.execute)  # type: ignore[method-assign]  # every statement passes here
    with Path(os.devnull).open("w") as nowhere:
        sys.stdout = nowhere
        ended = JOBS[request["job"]](assassin, request)
    os.write(answers, str(assassin.came_to).encode())
    return ended


def main() -> None:
    """Answer requests until there are no more."""
    answers = sys.stdout
    answers.write("ready\n")  # on a busy machine all those imports take their time
    answers.flush()
    for line in sys.stdin:
        readable, writable = os.pipe()
        child = os.fork()
        if not child:
            try:
                os._exit(run(json.loads(line), writable))
            except BaseException as error:  # noqa: BLE001 - a fork must not fall into its parent's loop
                sys.stderr.write(f"{type(error).__name__}: {error}\n")
                os._exit(3)
        os.close(writable)
        _, status = os.waitpid(child, 0)
        came_to = os.read(readable, 100).decode()
        os.close(readable)
        answer = {"status": os.waitstatus_to_exitcode(status), "moments": int(came_to or -1)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


class Killer:
    """The process that forks jobs and lets them be killed, as a test has it."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.memory.operations.killed_jobs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def run(self, job: str, **request: Any) -> tuple[int, int]:
        """Return the status of a run, and how many moments it came to; -1 where it was killed."""
        assert self._process.stdin
        assert self._process.stdout
        asked = {"job": job, "environment": self._environment, **request}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["status"], answer["moments"]

    def close(self) -> str:
        """End it; return what its runs said on standard error."""
        assert self._process.stdin
        self._process.stdin.close()
        assert self._process.stderr
        said = self._process.stderr.read()
        self._process.stderr.close()
        assert self._process.stdout
        self._process.stdout.close()
        self._process.wait()
        return said


if __name__ == "__main__":
    main()
