"""Programs that write and read while a job runs, is killed, or its database dies under it.

Each writer has rows of its own, and knows what they say: what it wrote last, or, where the server
died before it answered, one of two things.  In the end everything has to be as the writers know.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import psycopg

from memory.schema.connection import Session

Key = TypeVar("Key")
Said = TypeVar("Said")
Connect = Callable[[], Any]
PAUSE_SECONDS = 0.01


class Program(threading.Thread):
    """Repeats a small piece of work until it is told to stop; a lost session is opened again."""

    def __init__(self, connect: Connect, seed: int) -> None:
        super().__init__(daemon=True)
        self.dice = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
        self.done = 0
        self.lost_sessions = 0
        self.error: BaseException | None = None
        self._connect = connect
        self._stop_it = threading.Event()

    def once(self, session: Session) -> None:
        """The piece of work."""
        raise NotImplementedError

    def run(self) -> None:
        """Work until it is told to stop, or something is not as it ought to be."""
        try:
            while not self._stop_it.is_set():
                try:
                    with self._connect() as session:
                        while not self._stop_it.is_set():
                            self.once(session)
                            self.done += 1
                            time.sleep(PAUSE_SECONDS)
                except psycopg.OperationalError:
                    self.lost_sessions += 1
                    time.sleep(0.1)
        except BaseException as error:  # noqa: BLE001 - told in the test's own thread
            self.error = error

    def finish(self) -> None:
        """Stop, and say what was wrong."""
        self._stop_it.set()
        self.join(30)
        assert self.error is None, repr(self.error)


class Writer(Program, Generic[Key, Said]):
    """Adds, changes and deletes rows of its own."""

    def __init__(self, connect: Connect, seed: int, rows: dict[Key, Said]) -> None:
        super().__init__(connect, seed)
        self.rows: dict[Key, Said | None] = dict(rows)
        """What each row says; None where it was deleted."""
        self.uncertain: tuple[Key, Said | None] | None = None
        """A write that the server did not answer."""

    def once(self, session: Session) -> None:
        """Settle what is uncertain, then write once."""
        if self.uncertain is not None:
            self._settle(session, *self.uncertain)
        there = [key for key, said in self.rows.items() if said is not None]
        dice = self.dice.random()
        if dice < 0.3 or len(there) < 5:
            key, said = self.new()
            self._attempt(key, said, lambda: self.add(session, key, said))
        elif dice < 0.4:
            key = self.dice.choice(there)
            self._attempt(key, None, lambda: self.delete(session, key))
        else:
            key = self.dice.choice(there)
            changed = self.other(key)
            self._attempt(key, changed, lambda: self.change(session, key, changed))

    def _attempt(self, key: Key, said: Said | None, write: Callable[[], None]) -> None:
        self.uncertain = (key, said)
        write()
        self.rows[key], self.uncertain = said, None

    def _settle(self, session: Session, key: Key, said: Said | None) -> None:
        found = self.read(session, key)
        assert found in (said, self.rows.get(key)), f"{key} says neither the old nor the new"
        self.rows[key], self.uncertain = found, None

    def new(self) -> tuple[Key, Said]:
        """A row that is not there yet."""
        raise NotImplementedError

    def other(self, key: Key) -> Said:
        """Something else for a row to say."""
        raise NotImplementedError

    def add(self, session: Session, key: Key, said: Said) -> None:
        """Write a new row."""
        raise NotImplementedError

    def change(self, session: Session, key: Key, said: Said) -> None:
        """Let a row say something else."""
        raise NotImplementedError

    def delete(self, session: Session, key: Key) -> None:
        """Delete a row."""
        raise NotImplementedError

    def read(self, session: Session, key: Key) -> Said | None:
        """What a row says; None where there is none."""
        raise NotImplementedError


@contextmanager
def traffic(*programs: Program) -> Iterator[None]:
    """Let programs run during the block; raise what was wrong in them."""
    for program in programs:
        program.start()
    try:
        yield
    finally:
        for program in programs:
            program.finish()


def truth(writers: list[Writer[Key, Said]], connect: Connect) -> dict[Key, Said]:
    """What all rows say, as their writers know."""
    told: dict[Key, Said] = {}
    with connect() as session:
        for writer in writers:
            if writer.uncertain is not None:
                writer._settle(session, *writer.uncertain)
            told |= {key: said for key, said in writer.rows.items() if said is not None}
    return told
