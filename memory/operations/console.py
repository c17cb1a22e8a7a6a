"""What an operator sees: results on stdout, what happens meanwhile on stderr."""

import json
import sys
import time
from types import TracebackType
from typing import Any, Self

from memory.schema.events import Event

EVERY_SECONDS = 5.0
"""Between two lines of progress where no terminal rewrites them."""


class Console:
    """Prints results once and progress as it comes; on a terminal in place, where rich is there."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._spoke_at = -EVERY_SECONDS
        self._live: Any = _live_line() if sys.stderr.isatty() and not as_json else None

    def __enter__(self) -> Self:
        """Begin the line that is rewritten."""
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the terminal as it was."""
        if self._live is not None:
            self._live.stop()

    def event(self, event: Event) -> None:
        """Something happened on the way."""
        if event.kind == "progress":
            self._progress(event)
        elif event.kind != "begin":
            self.note_line(event.text)

    def note(self, text: str) -> None:
        """Say something that is no result."""
        if self._live is not None:
            self._live.console.print(text, end="", markup=False, highlight=False)
        else:
            sys.stderr.write(text)
            sys.stderr.flush()

    def note_line(self, text: str) -> None:
        """Say one line that is no result."""
        self.note(f"{text}\n")

    def result(self, data: dict[str, Any], text: str) -> None:
        """Print the result in the form that was asked for."""
        sys.stdout.write(json.dumps(data, indent=2) + "\n" if self._as_json else text)

    def failed(self, text: str) -> None:
        """Say why it ended."""
        self.note_line(text)

    def _progress(self, event: Event) -> None:
        share = "" if event.share is None else f" ({event.share:.0%})"
        if self._live is not None:
            self._live.update(f"{event.text}{share}")
        elif time.monotonic() - self._spoke_at >= EVERY_SECONDS:
            self._spoke_at = time.monotonic()
            self.note_line(f"{event.text}{share}")


def _live_line() -> Any:
    try:
        from rich.console import Console as Terminal  # noqa: PLC0415 - only where it is installed
        from rich.status import Status  # noqa: PLC0415 - only where it is installed
    except ImportError:
        return None
    return Status("", console=Terminal(stderr=True))
