"""What stands in the local cloud: one SQLite file that several processes share.

The plugins of parallel ``up``s, the PostgreSQL supervisor and the drills all
open it at once: WAL lets them read while one writes, ``BEGIN IMMEDIATE`` makes
a writer wait for the other instead of failing half-way. Everything but the names
is encrypted with a key kept beside the file (mode 0600): programs mark any
property they like as secret, and a copy of the database gives none away.
"""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.fernet import Fernet

from local.cloud.arm import Body, Record
from local.files import create_once
from local.process import start_of

BUSY_TIMEOUT_SECONDS = 60.0

SCHEMA = """
CREATE TABLE IF NOT EXISTS resources (
    key TEXT PRIMARY KEY,
    arm_id TEXT NOT NULL,
    type TEXT NOT NULL,
    sealed BLOB NOT NULL,
    urn TEXT NOT NULL,
    created_at REAL NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS resources_by_type ON resources (type);
CREATE INDEX IF NOT EXISTS resources_by_urn ON resources (urn);
CREATE TABLE IF NOT EXISTS private (key TEXT PRIMARY KEY, sealed BLOB NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS facts (
    kind TEXT NOT NULL, key TEXT NOT NULL, sealed BLOB NOT NULL, PRIMARY KEY (kind, key)
) STRICT;
CREATE TABLE IF NOT EXISTS claims (
    key TEXT PRIMARY KEY, pid INTEGER NOT NULL, started TEXT NOT NULL, operation TEXT NOT NULL
) STRICT;
"""


class Store:
    """Records by ARM id (case ignored), private data, facts and claims.

    Safe for threads (a connection each) and for processes. Every method joins the
    transaction that the thread has open; without one, it is its own.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "cloud.sqlite"
        self._local = threading.local()
        self._fernet = Fernet(create_once(folder / "cloud.key", Fernet.generate_key().decode()))
        with self.transaction() as db:
            for statement in SCHEMA.split(";\n"):
                db.execute(statement)

    @property
    def _db(self) -> sqlite3.Connection:
        if not hasattr(self._local, "db"):
            db = sqlite3.connect(self._file, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = NORMAL")
            self._local.db = db
        connection: sqlite3.Connection = self._local.db
        return connection

    @property
    def in_transaction(self) -> bool:
        """Return whether this thread holds the write lock."""
        return self._db.in_transaction

    @property
    def touched(self) -> list[str]:
        """Return the ids that this thread wrote and has not announced yet."""
        if not hasattr(self._local, "touched"):
            self._local.touched = []
        touched: list[str] = self._local.touched
        return touched

    def close(self) -> None:
        """Close this thread's connection."""
        if hasattr(self._local, "db"):
            self._local.db.close()
            del self._local.db

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock; an inner one joins the outer. An exception undoes everything."""
        db = self._db
        if db.in_transaction:
            yield db
            return
        db.execute("BEGIN IMMEDIATE")
        try:
            yield db
        except BaseException:
            db.execute("ROLLBACK")
            self.touched.clear()
            raise
        db.execute("COMMIT")

    # -- records ---------------------------------------------------------------------

    def get(self, arm_id: str) -> Record | None:
        """Return the record of an ARM id."""
        return next(self._records("key = ?", arm_id.lower()), None)

    def children(self, arm_id: str) -> list[Record]:
        """Return everything below an ARM id, however deep."""
        prefix = arm_id.rstrip("/").lower() + "/"
        return list(self._records("substr(key, 1, ?) = ?", len(prefix), prefix))

    def of_type(self, arm_type: str) -> list[Record]:
        """Return all records of one ARM type, in every subscription."""
        return list(self._records("type = ?", arm_type))

    def created_by(self, urn: str) -> str | None:
        """Return the ARM id of what a Pulumi resource created and still stands, if anything.

        A resource that was created just before ``up`` was killed is missing in
        Pulumi's state; its URN leads here. Of a resource and its replacement it is
        the newer one.
        """
        found = list(self._records("urn = ?", urn))
        return found[-1].arm_id if found else None

    def put(self, record: Record) -> None:
        """Insert or replace a record; creation time and creator of an older one stay."""
        self._db.execute(
            "INSERT INTO resources VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET sealed = excluded.sealed",
            (
                record.arm_id.lower(),
                record.arm_id,
                record.type,
                self._seal(
                    {
                        "inputs": record.inputs,
                        "outputs": record.outputs,
                        "secrets": sorted(record.secrets, key=str),
                    }
                ),
                record.urn,
                record.created_at or time.time(),
            ),
        )

    def delete(self, arm_id: str) -> None:
        """Remove a record and its private data; the things below it stay."""
        with self.transaction() as db:
            db.execute("DELETE FROM resources WHERE key = ?", (arm_id.lower(),))
            db.execute("DELETE FROM private WHERE key = ?", (arm_id.lower(),))

    def _records(self, where: str, *values: str | int) -> Iterator[Record]:
        columns = "arm_id, type, sealed, urn, created_at"
        # Every condition is a literal of this class.
        query = f"SELECT {columns} FROM resources WHERE {where} ORDER BY created_at, key"  # noqa: S608 - see above
        for arm_id, type_, sealed, urn, created_at in self._db.execute(query, values).fetchall():
            body = self._unseal(sealed)
            secrets = frozenset(tuple(path) for path in body["secrets"])
            yield Record(arm_id, type_, body["inputs"], body["outputs"], urn, created_at, secrets)

    # -- private data and facts ------------------------------------------------------

    def private(self, arm_id: str) -> Body:
        """Return what only the local cloud may see of a resource; empty if nothing was kept."""
        return self._unsealed("SELECT sealed FROM private WHERE key = ?", arm_id.lower()) or {}

    def set_private(self, arm_id: str, body: Body) -> None:
        """Keep private data of a resource; it goes when the record goes."""
        self._db.execute(
            "INSERT OR REPLACE INTO private VALUES (?, ?)", (arm_id.lower(), self._seal(body))
        )

    def fact(self, kind: str, name: str) -> Body | None:
        """Return a fact that outlives any record, e.g. a soft-deleted vault's name."""
        return self._unsealed(
            "SELECT sealed FROM facts WHERE kind = ? AND key = ?", kind, name.lower()
        )

    def set_fact(self, kind: str, name: str, body: Body | None) -> None:
        """Keep a fact, or with ``None`` forget it."""
        if body is None:
            self._db.execute("DELETE FROM facts WHERE kind = ? AND key = ?", (kind, name.lower()))
        else:
            self._db.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?, ?)",
                (kind, name.lower(), self._seal(body)),
            )

    def _seal(self, body: Body) -> bytes:
        return self._fernet.encrypt(json.dumps(body).encode())

    def _unseal(self, sealed: bytes) -> Body:
        body: Body = json.loads(self._fernet.decrypt(sealed))
        return body

    def _unsealed(self, query: str, *values: str) -> Body | None:
        row = self._db.execute(query, values).fetchone()
        return None if row is None else self._unseal(row[0])

    # -- claims ----------------------------------------------------------------------

    def claim(self, arm_id: str, operation: str) -> bool:
        """Mark a resource busy; ``False`` if a living process already has."""
        with self.transaction() as db:
            row = db.execute(
                "SELECT pid, started FROM claims WHERE key = ?", (arm_id.lower(),)
            ).fetchone()
            if row is not None and start_of(row[0]) == row[1]:
                return False
            db.execute(
                "INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?)",
                (arm_id.lower(), os.getpid(), start_of(os.getpid()), operation),
            )
        return True

    def release(self, arm_id: str) -> None:
        """End a claim."""
        self._db.execute("DELETE FROM claims WHERE key = ?", (arm_id.lower(),))
