"""A ring that follows its file: a rotation reaches a running program without a restart.

The file is a mounted secret, replaced in place.  Whoever decrypts never waits for the vault: a
thread looks at the file, unwraps what is new, and changes the ring at once for all.
"""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from memory.encryption.document import Document
from memory.encryption.errors import EncryptionError, NoKeys, RingUnreadable
from memory.encryption.ring import Ring
from memory.encryption.vault import Vault

POLL_SECONDS = 2.0
Signature = tuple[int, int, int]
"""Inode, time and size: what changes when a file is replaced or written."""


@dataclass
class ReloadingRing:
    """The newest good ring.  A reload that fails keeps the one before, and says so in `problem`."""

    file: Path
    vault: Vault
    poll_seconds: float = POLL_SECONDS
    problem: str | None = field(default=None, init=False)
    """Why the last reload failed; None when it did not."""
    loaded_at: datetime | None = field(default=None, init=False)
    reloads: int = field(default=0, init=False)
    failures: int = field(default=0, init=False)
    _ring: Ring | None = field(default=None, init=False, repr=False)
    _seen: Signature | None = field(default=None, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _stopped: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _thread: threading.Thread | None = field(default=None, init=False, repr=False)

    @property
    def current(self) -> Ring:
        """The ring of this moment; never blocks.  Raises NoKeys before the first good reload."""
        if self._ring is None:
            raise NoKeys(f"no field keys are loaded yet: {self.problem or 'nothing was tried'}")
        return self._ring

    def refresh(self) -> bool:
        """Look at the file, and reload where it changed; return whether it did.

        May wait for the vault.  Raises nothing: see ``problem``.
        """
        with self._lock:
            try:
                seen = self._signature()
                if seen == self._seen and self.problem is None:
                    return False
                document = Document.parse(self._text())
                self._ring = Ring.open(document, self.vault, known=self._ring)
            except EncryptionError as error:
                self.problem = str(error)
                self.failures += 1
                return False
            self._seen, self.problem = seen, None
            self.loaded_at = datetime.now(UTC)
            self.reloads += 1
            return True

    def __enter__(self) -> Self:
        """Load, and follow the file from a thread until the block ends."""
        self.refresh()
        self._stopped.clear()
        self._thread = threading.Thread(target=self._follow, name="field-keys", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Let the thread end."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=self.poll_seconds)

    def _follow(self) -> None:
        while not self._stopped.wait(self.poll_seconds):
            self.refresh()

    def _signature(self) -> Signature:
        try:
            found = self.file.stat()
        except OSError as error:
            raise RingUnreadable(f"{self.file.name}: {error.strerror}; is it mounted?") from None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _text(self) -> str:
        try:
            return self.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RingUnreadable(f"{self.file.name}: {type(error).__name__}") from None
