"""Where a resize has come to, in a file: who is killed in the middle is not asked twice."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tools.resizing.errors import ResizeError
from tools.resizing.stages import Stage


@dataclass(frozen=True, kw_only=True)
class Journal:
    """The stages of a resize, and how many are done."""

    asked: dict[str, Any]
    """The target, to tell a second run of the same resize from another one."""
    stages: tuple[Stage, ...]
    file: str
    """The stack file, and the two commands: who goes on from elsewhere means the same stack."""
    engine: str
    outputs: str
    done: int = 0

    @property
    def left(self) -> tuple[Stage, ...]:
        """What is still to be done, the stage in hand first."""
        return self.stages[self.done :]

    def after_one(self) -> "Journal":
        """Return the journal with one stage more done."""
        return replace(self, done=self.done + 1)


def load(file: Path) -> Journal | None:
    """Return what an earlier run has left, or None.  Raises ``ResizeError`` for a broken file."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        found = json.loads(text)
        stages = tuple(Stage(**stage) for stage in found["stages"])
        return Journal(**{**found, "stages": stages})
    except (ValueError, TypeError, KeyError):
        raise ResizeError(f"{file}: found no journal of a resize; remove it") from None


def save(file: Path, journal: Journal) -> None:
    """Write it at once: a kill leaves the old one or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    new = file.with_suffix(f".{os.getpid()}.new")
    new.write_text(json.dumps(asdict(journal), indent=2) + "\n", encoding="utf-8")
    new.replace(file)


@contextmanager
def alone(file: Path) -> Iterator[None]:
    """Let no second resize of this stack run.  Raises ``ResizeError`` where one does."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_suffix(".lock").open("w", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ResizeError(f"another resize of {file.stem} is running; wait for it") from None
        yield
