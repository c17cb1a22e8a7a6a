"""A rotation under writers and readers, killed at any moment, or its database under it.

The job is the command itself.  Services follow the vault's document from a mounted file, as pods
do.  Whatever is killed, in the end every row says what its writer knows, everything can be
decrypted, and the command proves that nothing is left under an older key.

How often is told by ``ENGRAM_KILLS``: with 50 each job is killed at fifty seeded moments, and its
database at ten.
"""

import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from memory.encryption.cipher import FieldCipher
from memory.encryption.errors import UnknownKey
from memory.encryption.fields import RowCipher
from memory.encryption.reloading import ReloadingRing
from memory.operations.records import unfinished, verify
from memory.schema.connection import Session
from tests.memory.conftest import Live, fleet, live, postgres_server
from tests.memory.encryption.folder_vault import KEY_URI, SECRET_URI, FolderVault
from tests.memory.operations.crashes import DATABASE_KILLS, JOB_KILLS, crash, database
from tests.memory.operations.killed_jobs import Killer
from tests.memory.operations.prepared import as_login, prepared, session_of
from tests.memory.operations.rotating import (
    INSERT,
    POLICY,
    as_json,
    keys_in_use,
    number_id,
    on_table,
    plain,
    prepared_rows,
    primary,
    read_back,
    rows_of,
)
from tests.memory.operations.traffic import Program, Writer, traffic, truth

__all__ = ["database", "fleet", "live", "postgres_server"]

ROWS, WRITERS = 160, 2
GRACE_SECONDS = 0.5
LATE_SECONDS = 20.0
Said = tuple[str, Any]
SELECT = on_table("SELECT tenant_id, content, metadata FROM {t} WHERE id = %s").encode()
ANY_ROWS = on_table(
    "SELECT id, tenant_id, content, metadata FROM {t} WHERE id >= %s ORDER BY id LIMIT 5"
).encode()
CHANGE = on_table(
    "UPDATE {t} SET content = %s, metadata = %s, key_id = %s, blind_index = %s WHERE id = %s"
).encode()


class Service(Writer[UUID, Said]):
    """A pod of the memory's service, as far as rows are concerned."""

    def __init__(self, live: Live, seed: int, rows: RowCipher, own: dict[UUID, Said]) -> None:
        super().__init__(lambda: session_of(live), seed, own)
        self._rows = rows
        self._number = 1000 * (seed + 1)

    def new(self) -> tuple[UUID, Said]:
        return uuid4(), self._text()

    def other(self, key: UUID) -> Said:
        return self._text()

    def _text(self) -> Said:
        self._number += 1
        given = plain(self._number, "written")
        return given["content"], given["metadata"]

    def _sealed(self, key: UUID, said: Said) -> Any:
        return self._rows.seal(row=key, content=said[0], metadata=said[1], sensitivity=["pii"])

    def add(self, session: Session, key: UUID, said: Said) -> None:
        row = self._sealed(key, said)
        session.execute(
            INSERT,
            (key, row.content, as_json(row.metadata), "default", '["pii"]', row.key_id,
             as_json(row.blind_index)),
        )  # fmt: skip

    def change(self, session: Session, key: UUID, said: Said) -> None:
        row = self._sealed(key, said)
        given = (row.content, as_json(row.metadata), row.key_id, as_json(row.blind_index), key)
        assert session.execute(CHANGE, given).rowcount == 1

    def delete(self, session: Session, key: UUID) -> None:
        session.execute(on_table("DELETE FROM {t} WHERE id = %s").encode(), (key,))

    def read(self, session: Session, key: UUID) -> Said | None:
        found = session.execute(SELECT, (key,)).fetchone()
        if found is None:
            return None
        tenant, content, metadata = found
        return self._rows.unseal(row=key, tenant=tenant, content=content, metadata=metadata)


class Reader(Program):
    """Reads any rows; everything can be decrypted at any time."""

    def __init__(self, live: Live, seed: int, rows: RowCipher) -> None:
        super().__init__(lambda: session_of(live), seed)
        self._rows = rows
        self.late = 0

    def once(self, session: Session) -> None:
        start = UUID(int=self.dice.getrandbits(128))
        deadline = time.monotonic() + LATE_SECONDS
        for row, tenant, content, metadata in session.execute(ANY_ROWS, (start,)).fetchall():
            while True:
                try:
                    self._rows.unseal(row=row, tenant=tenant, content=content, metadata=metadata)
                    break
                except UnknownKey:  # the machine is so busy that its file came late
                    self.late += 1
                    assert time.monotonic() < deadline
                    time.sleep(0.05)


@contextmanager
def mounted(vault: FolderVault, file: Path) -> Iterator[ReloadingRing]:
    """A ring that follows a file, which follows the vault."""
    stop = threading.Event()

    def follow() -> None:
        seen = ""
        while not stop.wait(0.03):
            value, version = vault.read_secret(SECRET_URI)
            if version != seen:
                part = file.with_suffix(".new")
                part.write_text(value)
                part.rename(file)
                seen = version

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    while not file.exists():
        time.sleep(0.01)
    with ReloadingRing(file, vault, poll_seconds=0.03) as ring:
        yield ring
    stop.set()
    thread.join()


class Fire:
    """The job, its vault, and the programs beside it."""

    def __init__(self, live: Live, tmp_path: Path) -> None:
        prepared(live)
        self.live = live
        self.vault = FolderVault(tmp_path / "vault")
        prepared_rows(live, self.vault, ROWS)
        self.killer = Killer(
            {
                **as_login(live),
                "ENGRAM_FIELD_KEY_URI": KEY_URI,
                "ENGRAM_FIELD_KEYS_SECRET_URI": SECRET_URI,
                "ENGRAM_FIELD_KEYS_GRACE_SECONDS": str(GRACE_SECONDS),
                "ENGRAM_ENCRYPTED_FIELDS": "pii,phi,content",
                "ENGRAM_BLIND_INDEXES": "pii.email",
            }
        )
        self._file = tmp_path / "memory-field-keys"
        self.writers: list[Service] = []

    def run(self, moment: int | None = None, seed: int = 0, days: float = 0) -> tuple[int, int]:
        """One run of the command; with a moment, it is killed there."""
        return self.killer.run(
            "rotate", vault=str(self.vault.folder), moment=moment, seed=seed,
            arguments=["--not-within-days", str(days)],
        )  # fmt: skip

    @contextmanager
    def under_traffic(self) -> Iterator[None]:
        """Writers and readers, until the end of the block."""
        with mounted(self.vault, self._file) as ring:
            rows = RowCipher(policy=POLICY, cipher=FieldCipher(ring))
            own: list[dict[UUID, Said]] = [{} for _ in range(WRITERS)]
            for number in (n for n in range(ROWS) if n % 5):
                given = plain(number)
                own[number % WRITERS][number_id(number)] = (given["content"], given["metadata"])
            self.writers = [Service(self.live, n, rows, own[n]) for n in range(WRITERS)]
            with traffic(*self.writers, Reader(self.live, 9, rows)):
                yield

    def all_is_well(self) -> None:
        """What has to be true, whatever happened."""
        assert self.run(days=1)[0] == 0, "strays are swept up, and the proof is given"
        expected = truth(list(self.writers), lambda: session_of(self.live))
        expected |= {
            number_id(n): (plain(n)["content"], plain(n)["metadata"])
            for n in range(ROWS)
            if n % 5 == 0
        }
        document = self.vault.document()
        with session_of(self.live) as session:
            assert read_back(session, rows_of(self.vault)) == expected
            assert keys_in_use(session) == {primary(document)}
            assert verify(session).ok
            unfinished(session)
        assert {entry.state for entry in document.of("fields")} == {"primary", "retired"}
        assert sum(writer.done for writer in self.writers) > JOB_KILLS


@pytest.fixture
def fire(live: Live, tmp_path: Path) -> Iterator[Fire]:
    """A table under encryption, and a job to kill."""
    found = Fire(live, tmp_path)
    yield found
    found.killer.close()


def test_a_rotation_under_traffic_loses_nothing(fire: Fire) -> None:
    """Killed once in the middle; what follows is the same for any moment."""
    with fire.under_traffic():
        assert fire.run(moment=30, seed=7)[0] == -signal.SIGKILL
        assert fire.run()[0] == 0
    fire.all_is_well()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_heals_after_kills_of_the_job(fire: Fire) -> None:
    dice = random.Random(4711)  # noqa: S311 - the same moments in each run
    killed = run = 0
    with fire.under_traffic():
        status, moments = fire.run()
        assert status == 0
        while killed < JOB_KILLS:
            run += 1
            assert run < 4 * JOB_KILLS
            status, came_to = fire.run(moment=dice.randint(1, moments), seed=run)
            assert status in {0, -signal.SIGKILL}, f"run {run}: {status} after {came_to} moments"
            killed += status != 0
    fire.all_is_well()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_heals_after_kills_of_the_database(fire: Fire) -> None:
    dice = random.Random(1147)  # noqa: S311 - the same moments in each run
    server = fire.live.server.server
    with fire.under_traffic():
        for number in range(DATABASE_KILLS):
            done = threading.Event()
            statuses: list[int] = []

            def job() -> None:
                statuses.append(fire.run(seed=number)[0])  # noqa: B023 - joined below
                done.set()  # noqa: B023 - joined below

            thread = threading.Thread(target=job)
            thread.start()
            done.wait(dice.uniform(0.05, 2.0))
            crash(server)
            thread.join(600)
            assert statuses, "it ends by itself"
            assert statuses[0] in {0, 2}, "in words, and is run again"
        assert fire.run()[0] == 0
    assert any(writer.lost_sessions for writer in fire.writers)
    fire.all_is_well()
