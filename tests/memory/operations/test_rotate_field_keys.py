"""A rotation brings every row under a new key, loses no write, and proves it before it retires."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from memory.encryption.document import Document
from memory.encryption.errors import NoKeys
from memory.encryption.fields import Policy, RowCipher
from memory.operations.records import records
from memory.operations.rotate_field_keys import batches, proof
from memory.operations.rotate_field_keys.alone import alone, beside
from memory.operations.rotate_field_keys.errors import AlreadyRunning, NotProven
from memory.operations.rotate_field_keys.rotation import purge
from memory.operations.rotate_field_keys.sealing import Row, sealed
from memory.operations.rotate_field_keys.target import Target
from tests.memory.conftest import Live, database, fleet, live, postgres_server
from tests.memory.encryption.folder_vault import SECRET_URI, FolderVault, ensure_ring, rotated
from tests.memory.operations.prepared import prepared, session_of
from tests.memory.operations.rotating import (
    POLICY,
    TABLE,
    by_hand,
    expected,
    insert,
    keys_in_use,
    number_id,
    on_table,
    plain,
    prepared_rows,
    primary,
    read_back,
    rotating,
    rows_of,
    setup_of,
)

__all__ = ["database", "fleet", "live", "postgres_server"]

ROWS = 60
LOOK = on_table("SELECT content, metadata, key_id FROM {t} WHERE id = %s")


@pytest.fixture
def vault(tmp_path: Path) -> FolderVault:
    return FolderVault(tmp_path / "vault")


@pytest.fixture
def filled(live: Live, vault: FolderVault) -> Live:
    prepared(live)
    prepared_rows(live, vault, ROWS)
    return live


def test_every_row_is_under_the_new_key_and_says_what_it_said(
    filled: Live, vault: FolderVault
) -> None:
    before = primary(vault.document())
    with rotating(filled, setup_of(vault.folder)) as rotation:
        found = rotation.run()
    after = vault.document()
    assert primary(after) != before
    old = after.entry(before)
    assert old is not None
    assert old.state == "retired"
    with session_of(filled) as session:
        assert keys_in_use(session) == {primary(after)}
        assert read_back(session, rows_of(vault)) == expected(range(ROWS))
        states = [r.detail["state"] for r in records(session, "rotate-field-keys")]
    assert states == ["published", "promoted", "retired"]
    assert found.ok
    assert found.coverage == 1
    assert (found.rows, found.faulty, found.left) == (ROWS, 0, 0)
    assert found.by_key == {primary(after): found.encrypted}
    assert found.fields > found.encrypted


def test_a_row_that_has_nothing_to_hide_is_not_written(filled: Live, vault: FolderVault) -> None:
    versions = "SELECT id, xmin::text FROM {t} WHERE key_id IS NULL"
    before = by_hand(filled, versions)
    with rotating(filled, setup_of(vault.folder)) as rotation:
        rotation.run()
    assert by_hand(filled, versions) == before
    assert len(before) == ROWS // 4


def test_blind_indexes_follow_only_where_it_is_asked_for(filled: Live, vault: FolderVault) -> None:
    query = "SELECT id, blind_index FROM {t} WHERE blind_index IS NOT NULL ORDER BY id"
    before = by_hand(filled, query)
    with rotating(filled, setup_of(vault.folder)) as rotation:
        rotation.run()
        assert by_hand(filled, query) == before
        rotation.run(["fields", "blind"])
    cipher = rows_of(vault).cipher
    assert cipher is not None
    tenants = {number_id(n): plain(n)["tenant"] for n in range(ROWS)}
    numbers = {number_id(n): n for n in range(ROWS)}
    after = by_hand(filled, query)
    assert len(after) == len(before) == ROWS // 4
    for row, index in after:
        email = f"{numbers[row]}@example.org"
        assert index == {"pii.email": cipher.blind("pii.email", email, tenants[row])}


def test_sensitive_fields_that_lay_in_the_clear_are_encrypted(
    live: Live, vault: FolderVault
) -> None:
    """Encryption was turned on later, or a field was added to the settings."""
    prepared(live)
    ensure_ring(vault)
    off = RowCipher(policy=Policy.of([]), cipher=None)
    with session_of(live) as session:
        for number in range(20):
            insert(session, off, number)
        with rotating(live, setup_of(vault.folder)) as rotation:
            found = rotation.run()
        assert found.encrypted == 15
        assert found.coverage == 1
        assert read_back(session, rows_of(vault)) == expected(range(20))
        assert "example.org" not in str(by_hand(live, "SELECT content, metadata FROM {t}"))
        contents = by_hand(live, "SELECT content FROM {t} WHERE sensitivity <> '[]'")
    assert all(content.startswith("engram:v1:") for (content,) in contents)


@pytest.mark.parametrize(
    ("fields", "metadata", "wanted"),
    [
        (["a.b.c"], {"a": {"b": {"c": 1}}}, True),
        (["a.b.c"], {"a.b": {"c": 1}}, True),
        (["a.b.c"], {"a": {"b.c": None}}, True),
        (["a.b.c"], {"a.b.c": "x"}, True),
        (["a.b"], {"a": [{"b": "x"}, {"c": 1}]}, True),
        (["a"], {"a": ["x"]}, True),
        (["a"], {"a": "engram:v1:key:token"}, False),
        (["a.b"], {"a": [{"b": "engram:v1:key:token"}]}, False),
        (["a.b"], {"a": 1, "b": 1}, False),
        (['quo"te'], {'quo"te': 1}, True),
        ([], {"pii": 1}, False),
    ],
)
def test_the_server_knows_what_is_in_the_clear(
    live: Live, fields: list[str], metadata: Any, *, wanted: bool
) -> None:
    prepared(live)
    target = Target(key_id="key-of-today", policy=Policy.of(fields))
    with session_of(live) as session:
        session.execute(
            on_table("INSERT INTO {t} (session_id, content, metadata) VALUES ('s', 'c', %s)"),
            (psycopg.types.json.Jsonb(metadata),),
        )
        assert proof.left(session, TABLE, target) == int(wanted)


@pytest.mark.parametrize(
    ("before", "now"),
    [(["pii"], ["pii.name"]), (["pii.name"], ["pii"]), (["pii", "old"], ["pii"]), (["pii"], [])],
)
def test_what_another_policy_encrypted_is_encrypted_once(
    tmp_path: Path, before: list[str], now: list[str]
) -> None:
    vault = FolderVault(tmp_path)
    ensure_ring(vault)
    metadata = {"pii": {"name": "somebody", "age": 30}, "old": ["x"], "topic": "clear"}
    stored = rows_of(vault, Policy.of(before)).seal(
        row=number_id(1), content="c", metadata=metadata
    )
    rotated(vault)
    rows = rows_of(vault, Policy.of(now))
    assert rows.cipher is not None
    row = Row(
        id=number_id(1), tenant="default", content=None, metadata=stored.metadata,
        blind_index=None, seen="1",
    )  # fmt: skip
    (fresh,) = sealed([row], rows.cipher, Target.of(rows.cipher, Policy.of(now))).fresh
    assert rows.cipher.key_id in str(fresh["metadata"])
    assert str(stored.key_id) not in str(fresh["metadata"])
    assert rows.unseal(row=number_id(1), content="c", metadata=fresh["metadata"])[1] == metadata


WRITERS = [
    ("changes it", "UPDATE {t} SET content = 'changed' WHERE id = %s"),
    ("deletes it", "DELETE FROM {t} WHERE id = %s"),
    ("writes the same again", "UPDATE {t} SET session_id = session_id WHERE id = %s"),
]


@pytest.mark.parametrize("statement", [w[1] for w in WRITERS], ids=[w[0] for w in WRITERS])
def test_a_writer_between_reading_and_writing_wins(
    filled: Live, vault: FolderVault, statement: str
) -> None:
    rotated(vault)
    cipher = rows_of(vault).cipher
    assert cipher is not None
    target = Target.of(cipher, POLICY)
    row = number_id(1)
    with session_of(filled) as session, session_of(filled) as writer:
        rows = batches.read(session, TABLE, target, None, None, 1000)
        writer.execute(statement.format(t=TABLE).encode(), (row,))
        after = writer.execute(LOOK, (row,)).fetchall()
        work = sealed(rows, cipher, target)
        assert batches.write(session, TABLE, target, work.fresh) == len(rows) - 1
        assert writer.execute(LOOK, (row,)).fetchall() == after


def test_a_row_that_is_held_is_not_waited_for(filled: Live, vault: FolderVault) -> None:
    rotated(vault)
    cipher = rows_of(vault).cipher
    assert cipher is not None
    with session_of(filled) as session, session_of(filled) as writer:
        session.execute("SET lock_timeout = '100ms'")
        with writer.transaction():
            writer.execute(
                on_table("UPDATE {t} SET session_id = 't' WHERE id = %s"), (number_id(1),)
            )
            batch = batches.reencrypt(session, cipher, TABLE, None, None, 1000, POLICY)
            assert batch.left_to_writers == 1
            assert batch.rows_written == ROWS - ROWS // 4 - 1
        batch = batches.reencrypt(session, cipher, TABLE, None, None, 1000, POLICY)
        assert (batch.rows_seen, batch.rows_written, batch.last) == (1, 1, None)


def test_ranges_of_keys_do_not_overlap_and_leave_nothing_out(
    filled: Live, vault: FolderVault
) -> None:
    rotated(vault)
    cipher = rows_of(vault).cipher
    assert cipher is not None
    middle = sorted(number_id(n) for n in range(ROWS))[ROWS // 2]
    written = 0
    with session_of(filled) as session:
        for after, until in ((None, middle), (middle, None)):
            cursor = after
            while True:
                batch = batches.reencrypt(session, cipher, TABLE, cursor, until, 7, POLICY)
                written += batch.rows_written
                if batch.last is None:
                    break
                assert until is None or batch.last <= until
                cursor = batch.last
        assert proof.left(session, TABLE, Target.of(cipher, POLICY)) == 0
    assert written == ROWS - ROWS // 4


def test_a_row_that_cannot_be_decrypted_keeps_the_older_key(
    filled: Live, vault: FolderVault
) -> None:
    before = primary(vault.document())
    row = number_id(1)
    by_hand(
        filled,
        "UPDATE {t} SET metadata = jsonb_set(metadata, '{phi}',"
        " to_jsonb(overlay(metadata->>'phi' placing 'AAAA' from 60))) WHERE id = {row}",
        row=row,
    )
    with rotating(filled, setup_of(vault.folder)) as rotation:
        with pytest.raises(NotProven, match=f"1 rows cannot be decrypted.*{row}") as stopped:
            rotation.run()
        assert "engram:v1" not in str(stopped.value)
        entry = vault.document().entry(before)
        assert entry is not None
        assert entry.state == "accepted"
        by_hand(filled, "DELETE FROM {t} WHERE id = {row}", row=row)
        keys = len(vault.document().keys)
        assert rotation.run().ok
    assert len(vault.document().keys) == keys, "the rotation that stopped is ended, none is begun"


def test_a_row_whose_fields_were_swapped_is_named(filled: Live, vault: FolderVault) -> None:
    one, other = number_id(1), number_id(5)
    by_hand(
        filled,
        "UPDATE {t} t SET metadata = o.metadata FROM {t} o WHERE t.id = {one} AND o.id = {other}",
        one=one,
        other=other,
    )
    with session_of(filled) as session:
        found = proof.prove(session, rows_of(vault).cipher or _no(), TABLE, POLICY)
    assert (found.faulty, found.named, found.ok) == (1, (str(one),), False)
    assert "another place" in found.why


def test_a_row_that_names_another_key_than_its_fields_is_named(
    filled: Live, vault: FolderVault
) -> None:
    by_hand(filled, "UPDATE {t} SET key_id = NULL WHERE id = {row}", row=number_id(1))
    with session_of(filled) as session:
        found = proof.prove(session, rows_of(vault).cipher or _no(), TABLE, POLICY)
    assert (found.faulty, found.named) == (1, (str(number_id(1)),))


def _no() -> Any:
    raise AssertionError("the ring is there")


class Moving:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)
        self.slept = 0.0

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += timedelta(seconds=seconds)


def test_nobody_writes_with_a_key_before_all_can_read_it(filled: Live, vault: FolderVault) -> None:
    clock = Moving()
    told: list[tuple[str, str, str]] = []

    def known_by_all(key: str, state: str) -> None:
        document = vault.document()
        entry = document.entry(key)
        assert entry is not None
        told.append((key, state, entry.state))

    setup = setup_of(vault.folder, grace_seconds=600)
    object.__setattr__(setup.keys, "now", clock)
    with rotating(filled, setup, sleep=clock.sleep, known_by_all=known_by_all) as rotation:
        rotation.run()
    new = primary(vault.document())
    assert told == [(new, "accepted", "accepted"), (new, "primary", "primary")]
    assert 1198 <= clock.slept < 1210, "one grace before it is primary, one before it is alone"


def test_a_rotation_that_was_stopped_waits_only_for_the_rest(
    filled: Live, vault: FolderVault
) -> None:
    setup, clock = setup_of(vault.folder, grace_seconds=600), Moving()
    object.__setattr__(setup.keys, "now", clock)
    setup.keys.add()
    clock.sleep(500)
    before = clock.slept
    with rotating(filled, setup, sleep=clock.sleep) as rotation:
        rotation.run()
    assert 698 <= clock.slept - before < 710
    assert len(vault.document().of("fields")) == 2


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_goes_on_from_wherever_it_stopped(filled: Live, vault: FolderVault, steps: int) -> None:
    setup = setup_of(vault.folder)
    with rotating(filled, setup) as rotation:
        for step in (setup.keys.add, setup.keys.promote, rotation.reencrypt)[:steps]:
            step()
        rotation.run()
    document = vault.document()
    assert [entry.state for entry in document.of("fields")] == ["retired", "primary"]
    with session_of(filled) as session:
        assert keys_in_use(session) == {primary(document)}


def test_a_job_that_is_started_twice_rotates_once(filled: Live, vault: FolderVault) -> None:
    with rotating(filled, setup_of(vault.folder)) as rotation:
        rotation.run(at_least_days=0)
        once = vault.document()
        found = rotation.run(at_least_days=1)
        assert found.ok
        assert vault.document() == once
        rotation.run(at_least_days=0)
    assert len(vault.document().of("fields")) == 3


def test_what_a_service_wrote_that_had_not_followed_is_found(
    filled: Live, vault: FolderVault
) -> None:
    """It writes with the older key after the first passes; the second look takes it."""
    late = rows_of(vault)
    with session_of(filled) as writer:

        def known_by_all(_: str, state: str) -> None:
            if state == "primary":
                insert(writer, late, 1000)

        with rotating(filled, setup_of(vault.folder), known_by_all=known_by_all) as rotation:
            rotation.run()
        new = primary(vault.document())
        assert keys_in_use(writer) == {new}
        insert(writer, late, 1001)  # and even later: the retired key still reads
        back = read_back(writer, rows_of(vault))
    assert back[number_id(1001)][0] == "a memory 1001"


def test_without_a_first_key_there_is_nothing_to_rotate(live: Live, vault: FolderVault) -> None:
    prepared(live)
    with (
        rotating(live, setup_of(vault.folder)) as rotation,
        pytest.raises(NoKeys, match="--ensure --yes"),
    ):
        rotation.run()
    assert vault.document() == Document()


def test_one_rotation_at_a_time(live: Live) -> None:
    prepared(live)
    with session_of(live) as one, session_of(live) as other, session_of(live) as third:
        with (
            alone(one),
            pytest.raises(AlreadyRunning, match=r"another process rotates.*connected"),
            beside(other, wait_seconds=0),
        ):
            pass
        with (
            beside(one, wait_seconds=0),
            beside(other, wait_seconds=0),
            pytest.raises(AlreadyRunning),
            alone(third, wait_seconds=0),
        ):
            pass
        with alone(third, wait_seconds=0):
            pass


def test_purge_waits_for_the_last_backup(filled: Live, vault: FolderVault) -> None:
    clock, setup = Moving(), setup_of(vault.folder)
    object.__setattr__(setup.keys, "now", clock)
    old = primary(vault.document())
    with rotating(filled, setup) as rotation:
        rotation.run()
        clock.now += timedelta(days=13, hours=23)
        assert purge(rotation) == []
        clock.now += timedelta(hours=2)
        assert purge(rotation) == [old]
        assert vault.document().entry(old) is None
        assert purge(rotation) == []


def test_a_key_that_a_row_needs_is_not_purged(filled: Live, vault: FolderVault) -> None:
    clock, setup, late = Moving(), setup_of(vault.folder), rows_of(vault)
    object.__setattr__(setup.keys, "now", clock)
    with rotating(filled, setup) as rotation, session_of(filled) as writer:
        rotation.run()
        insert(writer, late, 1000)
        clock.now += timedelta(days=15)
        with pytest.raises(NotProven, match="rows are still under"):
            purge(rotation)


def test_secrets_and_contents_are_in_no_record(filled: Live, vault: FolderVault) -> None:
    with rotating(filled, setup_of(vault.folder)) as rotation:
        rotation.run()
    with session_of(filled) as session:
        told = " ".join(str(r.detail) for r in records(session))
    assert vault.read_secret(SECRET_URI)[0]
    for entry in vault.document().keys:
        assert entry.wrapped not in told
    assert "person" not in told
    assert "example.org" not in told


def test_updates_leave_the_graph_alone(live: Live, vault: FolderVault) -> None:
    """Nearly all new versions find room on their pages, so no index is written."""
    prepared(live)
    prepared_rows(live, vault, 600)
    by_hand(live, "VACUUM FULL {t}")
    with rotating(live, setup_of(vault.folder)) as rotation:
        rotation.run()
        rotation.run()
    ((updated, hot),) = by_hand(
        live,
        "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = '{t}'::regclass",
    )
    assert updated == 900
    assert hot / updated > 0.6
