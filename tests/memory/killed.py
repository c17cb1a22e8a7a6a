"""Runs of the engine that are killed, one after the other: ``python -m tests.memory.killed``.

A run is asked for by one line of JSON on standard input, and answered by one: the status of the
process that ran, and how many statements it sent.  Each run is a fork of this process, which has
everything imported and no thread.  The connection comes from libpq's variables in the request.
"""

import json
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from memory.schema.connection import from_environment
from memory.schema.model import DesiredSchema
from memory.schema.runner import apply
from tests.memory.passwords import PASSWORDS

BUILD = "CREATE INDEX CONCURRENTLY"


class Assassin:
    """Counts the statements of this process, and kills it at the one that was chosen."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.sent = 0
        self._chosen: int | None = request.get("statement")
        self._during = bool(request.get("during"))
        self._delay: float | None = request.get("delay")
        self._built = bool(request.get("built"))
        self._dice = random.Random(request.get("seed", 0))  # noqa: S311 - to be repeated, not to be secret

    @contextmanager
    def statement(self, query: object) -> Iterator[None]:
        """Strike before this statement, in the middle of it, or in the middle of a build."""
        moment = self._moment(str(query))
        self.sent += 1
        if moment is None:
            yield
            if self._built and str(query).startswith(BUILD):
                strike()
            return
        blow = threading.Timer(moment, strike)
        if moment:
            blow.start()
        else:
            strike()
        yield
        blow.join()  # the server was quicker

    def _moment(self, query: str) -> float | None:
        """Seconds from now at which this process has to die."""
        if self._delay is not None:
            return self._delay if query.startswith(BUILD) else None
        if self.sent != self._chosen:
            return None
        return self._dice.uniform(0.0001, 0.004) if self._during else 0


def strike() -> None:
    """End this process as nothing can prevent."""
    os.kill(os.getpid(), signal.SIGKILL)


def run(request: dict[str, Any], answers: int) -> None:
    """Apply, in a process of its own."""
    os.environ.update(request["environment"])
    assassin = Assassin(request)
    execute = psycopg.Connection.execute

    def watched(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            return execute(self, query, *rest, **more)  # a watch: how often it looks is chance
        with assassin.statement(query):
            return execute(self, query, *rest, **more)

    psycopg.Connection.execute = watched  # type: ignore[method-assign]  # every statement passes here
    desired = DesiredSchema.model_validate(request["desired"])
    apply(from_environment(), desired, passwords=PASSWORDS)
    os.write(answers, str(assassin.sent).encode())


def main() -> None:
    """Answer requests until there are no more."""
    for line in sys.stdin:
        readable, writable = os.pipe()
        child = os.fork()
        if not child:
            try:
                run(json.loads(line), writable)
            except BaseException as error:  # noqa: BLE001 - a fork must not fall into its parent's loop
                sys.stderr.write(f"{error}\n")
                os._exit(1)
            os._exit(0)
        os.close(writable)
        _, status = os.waitpid(child, 0)
        sent = os.read(readable, 100).decode()
        os.close(readable)
        answer = {"status": os.waitstatus_to_exitcode(status), "statements": int(sent or -1)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
