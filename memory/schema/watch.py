"""A second session that looks at the server while the first one is busy or waits."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import psycopg
from typing_extensions import override

from memory.schema.connection import Session
from memory.schema.errors import SchemaError

LEAST_SECONDS = 0.05
"""A shorter round would only keep the server busy."""
Look = Callable[[Session], None]


class Watch(AbstractContextManager["Watch"]):
    """Calls ``look`` every few moments, from a thread and a session of its own.

    It connects only when the work outlives ``first`` seconds: short work costs nothing extra.  A
    watch that loses its connection says so to ``blind`` and falls silent; the work does not depend
    on it.
    """

    def __init__(
        self,
        open_session: Callable[[], Session],
        look: Look,
        *,
        first: float,
        every: float,
        blind: Callable[[str], None],
    ) -> None:
        self._open = open_session
        self._look = look
        self._first = max(first, LEAST_SECONDS)
        self._every = max(every, LEAST_SECONDS)
        self._blind = blind
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @override
    def __enter__(self) -> Self:
        self._thread.start()
        return self

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        if self._done.wait(self._first):
            return
        try:
            with self._open() as session:
                while not self._done.is_set():
                    self._look(session)
                    self._done.wait(self._every)
        except (psycopg.Error, SchemaError) as error:
            self._blind(str(error))
