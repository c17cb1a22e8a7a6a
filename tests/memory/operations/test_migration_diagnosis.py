"""memory/operations/migration_diagnosis.py: pure, a table of what can be found."""

import pytest

from memory.operations.migration_diagnosis import MIGRATION, TABLES, Findings, notes, problems

MARKED, ALL = (MIGRATION,), TABLES
UNLOCK = "DELETE FROM zep.bun_migration_locks WHERE table_name = 'bun_migrations'"
UNMARK = (
    "DELETE FROM zep.bun_migrations WHERE name = '000000000001'"
    " AND to_regclass('zep.users') IS NULL AND to_regclass('zep.sessions') IS NULL"
    " AND to_regclass('zep.messages') IS NULL"
)
MARK = "INSERT INTO zep.bun_migrations (name, group_id) VALUES ('000000000001', 1)"
BY_HAND = None


@pytest.mark.parametrize(
    ("found", "repairs"),
    [
        (Findings(books=()), []),
        (Findings(), []),
        (Findings(marks=MARKED, tables=ALL, has_type=True), []),
        (Findings(locked=True), [UNLOCK]),
        (Findings(locked=True, marks=MARKED), [UNLOCK, UNMARK]),
        (Findings(marks=MARKED), [UNMARK]),
        (Findings(locked=True, marks=MARKED, tables=ALL, has_type=True), [UNLOCK]),
        (Findings(tables=ALL, has_type=True), [MARK]),
        (Findings(books=(), tables=ALL, has_type=True), [BY_HAND]),
        (Findings(marks=MARKED, tables=("users",), has_type=True), [BY_HAND]),
        (Findings(tables=("sessions", "messages"), has_type=True), [BY_HAND]),
        (Findings(marks=MARKED, has_type=True), [BY_HAND]),
        (Findings(has_type=True), [BY_HAND]),
    ],
)
def test_what_would_put_it_right(found: Findings, repairs: list[str | None]) -> None:
    assert [problem.repair for problem in problems(found)] == repairs


@pytest.mark.parametrize("tables", [TABLES, *((name,) for name in TABLES), TABLES[:2], TABLES[1:]])
@pytest.mark.parametrize("locked", [False, True])
@pytest.mark.parametrize("has_type", [False, True])
def test_a_mark_whose_tables_exist_is_never_deleted(
    tables: tuple[str, ...], locked: bool, has_type: bool
) -> None:
    found = Findings(locked=locked, marks=MARKED, tables=tables, has_type=has_type)
    repairs = [problem.repair or "" for problem in problems(found)]
    assert not [sql for sql in repairs if sql.startswith("DELETE FROM zep.bun_migrations")]


def test_an_unusual_schema_is_quoted() -> None:
    (problem,) = problems(Findings(schema="o'zep", marks=MARKED))
    assert "to_regclass('\"o''zep\".users') IS NULL" in (problem.repair or "")


@pytest.mark.parametrize(
    ("found", "note"),
    [
        (Findings(books=()), "Zep has never migrated here; its first start will"),
        (
            Findings(marks=(MIGRATION, "000000000002")),
            "migration 000000000002 is marked; Zep 1.0.2 has no such, and its mark is left alone",
        ),
    ],
)
def test_notes_what_is_left_alone(found: Findings, note: str) -> None:
    assert list(notes(found)) == [note]
