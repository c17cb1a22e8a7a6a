"""Zep's database as the schema engine makes it: what its login can do there, and what it cannot."""

import itertools
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from memory.schema.errors import PlanRefused
from memory.schema.runner import apply, inspect, remove
from memory.schema.target import expected, managed
from memory.schema.verify import verify
from tests.memory import zep
from tests.memory.conftest import PASSWORDS, Live
from tests.postgres import PostgresServer

NUMBERS = itertools.count(1)
MEMBERSHIPS = """
SELECT g.rolname, m.admin_option, m.inherit_option, m.set_option
FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid WHERE m.member = %s::regrole
"""
NOMINAL = ("azure_pg_admin", False, False, False)


def memberships(live: Live) -> list[tuple[Any, ...]]:
    with psycopg.connect(live.server.dsn(live.endpoint.database)) as db:
        return db.execute(MEMBERSHIPS, [f"{live.endpoint.database}_zep"]).fetchall()


def wrong(live: Live, *, gate: bool = True) -> dict[str, str]:
    """What verify finds wrong, by check."""
    report = verify(live.endpoint, zep.schema(live, gate=gate))
    return {check.name: check.found for check in report.checks if not check.ok}


def test_first_apply_reaches_the_wanted_schema_and_second_does_nothing(live: Live) -> None:
    desired = zep.prepared(live)
    assert apply(live.endpoint, desired, passwords=zep.PASSWORDS).plan.steps == ()
    assert wrong(live) == {}
    assert memberships(live) == [NOMINAL]


@pytest.mark.parametrize("discarded", [False, True])
def test_zep_starts_and_everything_it_makes_is_in_its_schema(live: Live, discarded: bool) -> None:
    """A pooler with ``server_reset_query_always`` says DISCARD ALL before each of these."""
    desired = zep.prepared(live)
    with zep.session(live) as db:
        for statement in (zep.EXTENSION, *zep.INIT, zep.LOCK, zep.MARK, zep.MIGRATE, zep.UNLOCK):
            if discarded:
                db.execute("DISCARD ALL")
            db.execute(statement)
        db.execute(zep.USE)
    made = live.sql(
        "SELECT relname FROM pg_class JOIN pg_roles r ON r.oid = relowner"
        " WHERE relkind IN ('r', 'S') AND rolname = current_database() || '_zep'"
        " AND relnamespace <> 'zep'::regnamespace"
    )
    assert made == []
    tables = live.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'zep' ORDER BY 1")
    assert [name for (name,) in tables] == [
        "bun_migration_locks", "bun_migrations", "messages", "sessions", "users",
    ]  # fmt: skip
    assert live.sql(
        "SELECT typnamespace::regnamespace::text FROM pg_type WHERE typname = 'role_type_enum'"
    ) == [("zep",)]
    applied = apply(live.endpoint, desired, passwords=zep.PASSWORDS)
    assert (applied.plan.steps, applied.notes) == ((), ())
    assert wrong(live) == {}


def test_without_the_membership_azures_gate_stops_zeps_first_statement(live: Live) -> None:
    zep.prepared(live, gate=False)
    assert memberships(live) == []
    words = 'Only members of "azure_pg_admin" are allowed to use CREATE EXTENSION'
    asked = f"CREATE EXTENSION IF NOT EXISTS vector as {live.endpoint.database}_zep"
    assert wrong(live, gate=False) == {asked: words}, "verify knows before Zep does"
    with zep.session(live) as db, pytest.raises(psycopg.errors.InsufficientPrivilege, match=words):
        db.execute(zep.EXTENSION)


def test_zeps_update_of_the_extension_fails_and_harms_nothing(live: Live) -> None:
    zep.prepared(live)
    version = live.sql("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
    with zep.session(live) as db:
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match="must be owner of extension"
        ):
            db.execute(zep.EXTENSION_UPDATE)
        zep.start(db)
    assert live.sql("SELECT extversion FROM pg_extension WHERE extname = 'vector'") == version


FORBIDDEN = {
    "become the administrators' role": "SET ROLE azure_pg_admin",
    "pass the membership on": "GRANT azure_pg_admin TO {login}",
    "read password verifiers": "SELECT * FROM pg_authid",
    "read files": "SELECT pg_read_file('postgresql.conf')",
    "run programs": "COPY (SELECT 1) TO PROGRAM 'true'",
    "end others' sessions": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = 'engramadmin'",
    "force a checkpoint": "CHECKPOINT",
    "drop the extension": "DROP EXTENSION vector",
    "update the extension": "ALTER EXTENSION vector UPDATE",
    "add an extension": "CREATE EXTENSION pg_stat_statements",
    "add a schema": "CREATE SCHEMA mine",
    "create in public": "CREATE TABLE public.mine ()",
    "create temporary tables": "CREATE TEMP TABLE mine ()",
    "make roles": "CREATE ROLE mine",
    "raise itself": "ALTER ROLE {login} CREATEDB",
    "make databases": "CREATE DATABASE mine",
    "drop its database": "ALTER DATABASE {database} RENAME TO gone",
}
REFUSED = r"permission denied|must be owner|[Oo]nly roles with"


@pytest.mark.parametrize("discarded", [False, True])
def test_zeps_login_may_do_nothing_beyond_its_schema(live: Live, discarded: bool) -> None:
    desired = zep.prepared(live)
    with zep.session(live) as db:
        for act, statement in FORBIDDEN.items():
            if discarded:
                db.execute("DISCARD ALL")
            sql = statement.format(login=desired.owner, database=live.endpoint.database)
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match=REFUSED):
                pytest.fail(f"it may {act}: {db.execute(sql)}")
        hidden = "SELECT setting FROM pg_settings WHERE name = 'data_directory'"
        assert db.execute(hidden).fetchall() == [], "it inherits pg_read_all_settings"


@pytest.fixture
def neighbour(live: Live, postgres_server: PostgresServer) -> Live:
    """The memory database of the same server, with its own logins."""
    name = f"{live.endpoint.database}_memory"
    live.sql(f"CREATE DATABASE {name}")
    endpoint = type(live.endpoint)(**{**vars(live.endpoint), "database": name})
    return Live(endpoint, postgres_server)


def test_no_login_enters_the_other_database(live: Live, neighbour: Live) -> None:
    desired, memory = zep.prepared(live), neighbour.schema()
    apply(neighbour.endpoint, memory, passwords=PASSWORDS)
    strangers = [(neighbour, desired.owner, zep.PASSWORDS["owner"])]
    strangers += [(live, role.name, PASSWORDS[role.purpose]) for role in memory.roles]
    for place, login, password in strangers:
        dsn = place.server.dsn(place.endpoint.database)
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(dsn, user=login, password=password)
    neighbour.sql(f"SET ROLE {memory.owner}", "DROP SCHEMA memory CASCADE")
    live.sql(f"DROP DATABASE {neighbour.endpoint.database} WITH (FORCE)")


GRANT = "GRANT azure_pg_admin TO ZEP WITH"
DRIFTS: dict[str, tuple[str, str]] = {
    "membership dropped": ("REVOKE azure_pg_admin FROM ZEP", "none"),
    "inherits": (f"{GRANT} INHERIT TRUE", "azure_pg_admin (INHERIT)"),
    "may become it": (f"{GRANT} SET TRUE", "azure_pg_admin (SET)"),
    "may pass it on": (f"{GRANT} ADMIN TRUE", "azure_pg_admin (ADMIN)"),
}


@pytest.mark.parametrize("drift", DRIFTS)
def test_a_changed_membership_is_seen_and_repaired(live: Live, drift: str) -> None:
    desired = zep.prepared(live)
    statement, found = DRIFTS[drift]
    live.sql(statement.replace("ZEP", desired.owner))
    seen = managed(inspect(live.endpoint, desired, zep.PASSWORDS), desired)
    assert seen != expected(desired)
    assert wrong(live)[f"memberships of {desired.owner}"] == found
    steps = apply(live.endpoint, desired, passwords=zep.PASSWORDS).plan.steps
    assert [step.sql for step in steps] == [
        f"GRANT azure_pg_admin TO {desired.owner} WITH ADMIN FALSE, INHERIT FALSE, SET FALSE"
    ]
    assert memberships(live) == [NOMINAL]
    assert wrong(live) == {}


def test_a_membership_that_is_no_longer_wanted_is_taken_back(live: Live) -> None:
    """What happens when an image is used that asks for no extension."""
    zep.prepared(live)
    zep.prepared(live, gate=False)
    assert memberships(live) == []


def test_anothers_grant_is_told_and_found_wrong_and_planned_once(live: Live) -> None:
    """The server's owner widened it: the administrator cannot undo that, and does not try."""
    desired = zep.prepared(live)
    by_azure(live, f"{GRANT} INHERIT TRUE".replace("ZEP", desired.owner))
    applied = apply(live.endpoint, desired, passwords=zep.PASSWORDS)
    assert applied.plan.steps == ()
    (note,) = applied.notes
    assert "a member of azure_pg_admin (INHERIT SET), as azuresu granted it; only azuresu" in note
    assert wrong(live) == {
        f"memberships of {desired.owner}": "azure_pg_admin (by name only), azure_pg_admin"
        " (INHERIT SET)"
    }


def test_a_membership_that_cannot_be_given_is_refused_before_anything_is_done(live: Live) -> None:
    desired = zep.schema(live)
    owner = desired.roles[0].model_copy(update={"member_of": ("nobodys_role",)})
    with pytest.raises(PlanRefused, match="may not grant it nobodys_role, or the server has no"):
        apply(live.endpoint, desired.model_copy(update={"roles": (owner,)}))


def by_azure(live: Live, statement: str) -> None:
    with live.server.server.superuser(live.endpoint.database) as db:
        db.execute(statement)


DAMAGES: dict[str, tuple[Callable[[Live], object], str]] = {
    "schema handed on": (
        lambda live: by_azure(live, f"ALTER SCHEMA zep OWNER TO {live.endpoint.user}"),
        "schema zep",
    ),
    "open to everybody": (
        lambda live: live.sql(f"GRANT CONNECT ON DATABASE {live.endpoint.database} TO PUBLIC"),
        "what everybody may in database DATABASE",
    ),
    "search_path reset": (
        lambda live: live.sql(
            f"ALTER ROLE {live.endpoint.database}_zep IN DATABASE {live.endpoint.database}"
            " RESET search_path"
        ),
        "drift",
    ),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_verify_names_what_is_wrong_and_apply_repairs_it(live: Live, damage: str) -> None:
    desired = zep.prepared(live)
    harm, check = DAMAGES[damage]
    harm(live)
    assert check.replace("DATABASE", live.endpoint.database) in wrong(live)
    apply(live.endpoint, desired, passwords=zep.PASSWORDS)
    assert wrong(live) == {}


def test_removal_takes_the_tables_that_zep_made(live: Live) -> None:
    desired = zep.prepared(live)
    with zep.session(live) as db:
        zep.start(db)
    remove(live.endpoint, desired)
    catalog = inspect(live.endpoint, desired)
    assert (catalog.schema, dict(catalog.roles)) == (None, {})
