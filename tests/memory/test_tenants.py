"""Tenants on a real server: whose rows who sees, and what nobody takes back."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from memory.schema.catalog import Catalog
from memory.schema.model import DesiredSchema, Table, memory_schema
from memory.schema.plan import plan
from memory.schema.runner import apply, inspect
from memory.schema.verify import verify
from tests.memory.conftest import PASSWORDS, Live, renamed
from tests.memory.passwords import PASSWORDS as BY_PURPOSE

TABLE = "memory.zep_memory_vectors"
STORE = f"INSERT INTO {TABLE} (session_id, content, tenant_id) VALUES ('s', %s, %s)"  # noqa: S608 - a constant
SEEN = f"SELECT content FROM {TABLE} ORDER BY content"  # noqa: S608 - a constant
OF_BEFORE = ("id", "session_id", "content", "embedding", "metadata", "created_at")
"""Columns that the table had in an earlier release."""


def walled(live: Live) -> DesiredSchema:
    """Tables with a wall, one row of acme's and one of globex' in them."""
    desired = live.schema(by_tenant=True)
    apply(live.endpoint, desired, passwords=PASSWORDS)
    for tenant in ("acme", "globex"):
        with session_of(live, "app", tenant) as session:
            session.execute(STORE, (f"of {tenant}", tenant))
    return desired


@contextmanager
def session_of(
    live: Live, purpose: Any, tenant: str | None = None
) -> Iterator[psycopg.Connection[Any]]:
    """Log in as a role, and speak for a tenant."""
    user, password = f"{live.endpoint.database}_{purpose}", BY_PURPOSE[purpose]
    dsn = live.server.dsn(live.endpoint.database)
    with psycopg.connect(dsn, user=user, password=password, autocommit=True) as session:
        if tenant is not None:
            session.execute("SELECT set_config('engram.tenant', %s, false)", (tenant,))
        yield session


def test_a_session_sees_the_rows_of_its_tenant_and_only_the_owner_sees_all(live: Live) -> None:
    walled(live)
    both = ["of acme", "of globex"]
    for purpose, tenant, seen in (
        ("app", None, []),
        ("app", "", []),
        ("app", "acme", ["of acme"]),
        ("app", "*", []),
        ("reader", "globex", ["of globex"]),
        ("reader", "*", []),
        ("migrator", None, []),
        ("migrator", "acme", ["of acme"]),
        ("migrator", "*", both),
    ):
        with session_of(live, purpose, tenant) as session:
            found = [content for (content,) in session.execute(SEEN).fetchall()]
            assert found == seen, (purpose, tenant)


def test_nobody_stores_or_changes_a_row_of_another_tenant(live: Live) -> None:
    walled(live)
    refused = "new row violates row-level security policy"
    with session_of(live, "app", "acme") as session:
        for statement in (
            f"INSERT INTO {TABLE} (session_id, content, tenant_id) VALUES ('s', 'x', 'globex')",  # noqa: S608 - a constant
            f"UPDATE {TABLE} SET tenant_id = 'globex'",  # noqa: S608 - a constant
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=refused):
                session.execute(statement)
        deleted = session.execute(f"DELETE FROM {TABLE}")  # noqa: S608 - a constant
        assert deleted.rowcount == 1, "and none of globex'"


def test_a_tenant_is_forgotten_with_the_transaction_that_named_it(live: Live) -> None:
    """What makes it safe behind a pooler."""
    walled(live)
    with session_of(live, "app") as session:
        with session.transaction():
            session.execute("SET LOCAL engram.tenant = 'acme'")
            assert len(session.execute(SEEN).fetchall()) == 1
        assert session.execute(SEEN).fetchall() == []


def test_no_login_changes_what_was_recorded(live: Live) -> None:
    apply(live.endpoint, live.schema(), passwords=PASSWORDS)
    with session_of(live, "app") as session:
        session.execute("INSERT INTO memory.memory_audit (actor, operation) VALUES ('a', 'get')")
        for statement in (
            "UPDATE memory.memory_audit SET actor = 'b'",
            "DELETE FROM memory.memory_audit",
            "TRUNCATE memory.memory_operations",
            "UPDATE memory.memory_operations SET digest = ''",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
                session.execute(statement)


def of_before(desired: DesiredSchema) -> DesiredSchema:
    """The schema as an earlier release had it."""
    table = desired.tables[0].model_dump()
    table["columns"] = [c for c in table["columns"] if c["name"] in OF_BEFORE]
    table.update(indexes=table["indexes"][:3], tenant_column=None)
    return desired.model_copy(update={"tables": (Table.model_validate(table),)})


@pytest.mark.parametrize("by_tenant", [False, True])
def test_a_table_of_before_grows_beside_its_rows(live: Live, by_tenant: bool) -> None:
    desired = live.schema(by_tenant=by_tenant)
    apply(live.endpoint, of_before(desired), passwords=PASSWORDS)
    live.owner(f"INSERT INTO {TABLE} (session_id, content) VALUES ('s', 'old')")  # noqa: S608 - a constant
    file = live.owner(f"SELECT pg_relation_filenode('{TABLE}')")
    steps = apply(live.endpoint, desired).plan.steps
    assert not [step for step in steps if step.destructive]
    assert live.owner(f"SELECT pg_relation_filenode('{TABLE}')") == file, "no row was rewritten"
    columns = "tenant_id, memory_type, sensitivity, key_id"
    with session_of(live, "app", "default") as session:
        found = session.execute(f"SELECT {columns} FROM {TABLE}").fetchall()  # noqa: S608 - a constant
    assert found == [("default", "episodic", [], None)]
    assert apply(live.endpoint, desired).plan.steps == ()


def test_a_tenants_own_schema_stands_beside_that_of_all(live: Live) -> None:
    shared = live.schema()
    own = renamed(memory_schema(tenant="acme"), live.endpoint.database)
    for desired in (shared, own):
        apply(live.endpoint, desired, passwords=PASSWORDS)
    for desired in (shared, own):
        found: Catalog = inspect(live.endpoint, desired, PASSWORDS)
        assert plan(found, desired).steps == (), "neither takes from the other what it needs"
    with session_of(live, "app") as session:
        session.execute(
            "INSERT INTO memory_acme.zep_memory_vectors (session_id, content) VALUES ('s', 'x')"
        )
        assert session.execute(SEEN).fetchall() == []


def test_verify_tells_a_wall_and_who_climbs_over_it(live: Live) -> None:
    desired = walled(live)
    label = f"row security of {TABLE}"
    checks = {check.name: check for check in verify(live.endpoint, desired).checks}
    assert checks[label].ok
    assert checks[label].found.startswith("forced; lets through engram_every_tenant (")
    assert all(check.ok for check in checks.values())
    app = desired.role("app").name
    with live.server.server.superuser(live.endpoint.database) as session:
        session.execute(f"ALTER ROLE {app} BYPASSRLS")
    live.owner(f"CREATE POLICY hole ON {TABLE} USING (true)")
    checks = {check.name: check for check in verify(live.endpoint, desired).checks}
    assert not checks[label].ok
    assert "hole (PUBLIC: true)" in checks[label].found
    assert checks[label].found.endswith(f"; does not hold {app}")


def test_verify_tells_a_wall_that_is_missing(live: Live) -> None:
    apply(live.endpoint, live.schema(), passwords=PASSWORDS)
    report = verify(live.endpoint, live.schema(by_tenant=True))
    wrong = {check.name: check.found for check in report.checks if not check.ok}
    assert wrong[f"row security of {TABLE}"] == "none"
