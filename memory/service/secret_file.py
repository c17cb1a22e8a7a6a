"""A file that a vault's driver replaces in place, read again when it was."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

Parsed = TypeVar("Parsed")
Stamp = tuple[int, int, int]


@dataclass
class SecretFile(Generic[Parsed]):
    """What a file says, by ``parse``.

    A replacement that cannot be read leaves what was read before: a secret that is renewed badly
    ends no service.  ``failures`` counts them.
    """

    path: Path
    parse: Callable[[str], Parsed]
    failures: int = 0
    _stamp: Stamp | None = field(default=None, repr=False)
    _value: Parsed | None = field(default=None, repr=False)

    def value(self) -> Parsed:
        """Return the newest that could be read.  Raises OSError or ValueError at the first time."""
        try:
            stamp = self._look()
            if stamp != self._stamp or self._value is None:
                self._value = self.parse(self.path.read_text(encoding="utf-8"))
                self._stamp = stamp
        except (OSError, ValueError):
            if self._value is None:
                raise
            self.failures += 1
        return self._value

    def _look(self) -> Stamp:
        """The driver swaps a link for a folder: what it leads to is another file then."""
        found = self.path.stat()
        return found.st_mtime_ns, found.st_ino, found.st_size


def one_line(text: str) -> str:
    """A password or a key, without the newline that editors add.  Raises ValueError."""
    line = text.strip("\r\n")
    if not line or "\n" in line:
        raise ValueError("the file must hold one line")
    return line
