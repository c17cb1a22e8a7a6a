"""What a user sees while tools are made ready: nothing where nothing is to do."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

Advance = Callable[[float, float], None]
"""Called with (done, total); any unit."""


class Report:
    """Progress bars on a terminal, two plain lines a step anywhere else.

    Steps may run in several threads at once.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = threading.Lock()
        self._running = 0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )

    @contextmanager
    def step(self, title: str) -> Iterator[Advance]:
        """Show one piece of work, from its start to its end or failure."""
        started = time.monotonic()
        task = self._begin(title)
        try:
            yield lambda done, total: self._progress.update(task, completed=done, total=total)
        finally:
            self._end(task)
        self._console.print(f"{title}: ready in {time.monotonic() - started:.0f} s")

    def _begin(self, title: str) -> TaskID:
        with self._lock:
            if self._console.is_terminal and not self._running:
                self._progress.start()
            self._running += 1
        if not self._console.is_terminal:
            self._console.print(f"{title} ...")
        return self._progress.add_task(title, total=None)

    def _end(self, task: TaskID) -> None:
        self._progress.remove_task(task)
        with self._lock:
            self._running -= 1
            if self._console.is_terminal and not self._running:
                self._progress.stop()
