"""What the command line shows of a run: bars on a terminal, lines in a log, JSON for programs."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from memory.schema.events import Event, Report


def write_json(data: object, *, indent: int | None = 2) -> None:
    """One document; on one line for a stream of them."""
    sys.stdout.write(json.dumps(data, indent=indent) + "\n")
    sys.stdout.flush()


def as_event(name: str, **data: Any) -> dict[str, Any]:
    """One line of ``--json`` while something runs."""
    return {"event": name, **data}


def is_terminal() -> bool:
    """Whether somebody watches and can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


@contextmanager
def shown(*, as_json: bool) -> Iterator[Report]:
    """A report that shows events in the way that fits the output."""
    if as_json:
        yield lambda event: write_json(_event_data(event), indent=None)
    elif sys.stderr.isatty():
        from memory.schema import terminal  # noqa: PLC0415 - rich, which a log does without

        with terminal.bars() as bars:
            yield bars
    else:
        yield _line


def _event_data(event: Event) -> dict[str, Any]:
    data = {key: value for key, value in asdict(event).items() if value not in {None, 0}}
    return as_event(data.pop("kind"), **data)


def _line(event: Event) -> None:
    if event.kind != "stopped":  # whoever stopped it is told at the end
        sys.stderr.write(f"{event.kind:<9} {event.text}\n")
        sys.stderr.flush()
