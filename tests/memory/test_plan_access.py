"""memory/schema/plan_access.py: roles, grants and the schema itself."""

from dataclasses import replace
from typing import Any

import pytest

from memory.schema.catalog import Catalog, from_plain, to_plain
from memory.schema.errors import PlanRefused
from memory.schema.plan import plan
from memory.schema.target import expected, managed
from tests.memory.states import (
    AGREED,
    WANTED,
    on_a_server,
    reached,
    statements,
    with_,
    with_role,
    with_schema,
)

GRANTS = dict(AGREED.grants)
FULL = ("DELETE", "INSERT", "SELECT", "UPDATE")
APP, READER = "memory_app", "memory_reader"


def agrees(catalog: Catalog) -> bool:
    """Whether a state would show no difference; and it survives being written down."""
    seen = managed(catalog, WANTED)
    assert from_plain(to_plain(seen)) == seen
    return seen == expected(WANTED)


@pytest.mark.parametrize(
    ("grants", "steps"),
    [
        ({APP: FULL}, [f"GRANT SELECT ON TABLE T TO {READER}"]),
        (
            {**GRANTS, READER: ("SELECT", "TRUNCATE")},
            [f"REVOKE TRUNCATE ON TABLE T FROM {READER}"],
        ),
        ({**GRANTS, "PUBLIC": ("SELECT",)}, ["REVOKE SELECT ON TABLE T FROM PUBLIC"]),
        (
            {**GRANTS, READER: ("SELECT*",)},
            [f"REVOKE GRANT OPTION FOR SELECT ON TABLE T FROM {READER} CASCADE"],  # noqa: S608 - what is expected, and run by nobody
        ),
        (
            {**GRANTS, READER: ("SELECT", "UPDATE*")},
            [
                f"REVOKE GRANT OPTION FOR UPDATE ON TABLE T FROM {READER} CASCADE",
                f"REVOKE UPDATE ON TABLE T FROM {READER}",
            ],
        ),
        (
            {**GRANTS, READER: ("SELECT", "UPDATE(content)")},
            [f"REVOKE UPDATE(content) ON TABLE T FROM {READER}"],
        ),
        (
            {**GRANTS, "PUBLIC": ('SELECT("my ""own"" note")',)},
            ['REVOKE SELECT("my ""own"" note") ON TABLE T FROM PUBLIC'],
        ),
        ({**GRANTS, "bob": ("SELECT*",)}, []),
    ],
)
def test_grants_on_a_table(grants: dict[str, tuple[str, ...]], steps: list[str]) -> None:
    catalog = with_(grants=grants)
    assert statements(catalog) == steps
    assert agrees(catalog) == (steps == [])


FUTURE = "ALTER DEFAULT PRIVILEGES FOR ROLE memory_migrator IN SCHEMA memory"


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        ({"grants": {APP: ("USAGE",)}}, [f"GRANT USAGE ON SCHEMA memory TO {READER}"]),
        (
            {"grants": {APP: ("CREATE", "USAGE"), READER: ("USAGE",)}},
            [f"REVOKE CREATE ON SCHEMA memory FROM {APP}"],
        ),
        (
            {"default_grants": {APP: FULL}},
            [f"{FUTURE} GRANT SELECT ON TABLES TO {READER}"],
        ),
        (
            {"default_grants": {APP: FULL, READER: ("SELECT*",)}},
            [f"{FUTURE} REVOKE GRANT OPTION FOR SELECT ON TABLES FROM {READER} CASCADE"],  # noqa: S608 - what is expected, and run by nobody
        ),
        (
            {"default_grants": {APP: FULL, READER: ("SELECT",), "PUBLIC": ("SELECT",)}},
            [f"{FUTURE} REVOKE SELECT ON TABLES FROM PUBLIC"],  # noqa: S608 - as above
        ),
        (
            {"owner": "bob"},
            [
                "ALTER SCHEMA memory OWNER TO memory_migrator",
                f"{FUTURE} GRANT DELETE, INSERT, SELECT, UPDATE ON TABLES TO {APP}",
                f"{FUTURE} GRANT SELECT ON TABLES TO {READER}",
            ],
        ),
        ({"alterable": False}, []),
        ({"default_grants": {APP: FULL, READER: ("SELECT",), "bob": ("SELECT",)}}, []),
    ],
)
def test_the_schema_and_what_its_future_tables_get(found: dict[str, Any], steps: list[str]) -> None:
    catalog = with_schema(**found)
    assert statements(catalog) == steps
    assert agrees(catalog) == (steps == [])


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        ({"login": False}, [f"ALTER ROLE {APP} LOGIN"]),
        ({"createdb": True, "createrole": True}, [f"ALTER ROLE {APP} NOCREATEDB NOCREATEROLE"]),
        ({"connection_limit": 0}, [f"ALTER ROLE {APP} CONNECTION LIMIT -1"]),
        ({"connection_limit": 5}, []),
        (
            {"expires": "2020-01-01 00:00:00+00", "expired": True},
            [f"ALTER ROLE {APP} VALID UNTIL 'infinity'"],
        ),
        ({"expires": "2120-01-01 00:00:00+00"}, []),
        ({"password_current": False}, [f"ALTER ROLE {APP} PASSWORD '{{verifier}}'"]),
        (
            {"search_path": None},
            [f"ALTER ROLE {APP} IN DATABASE memory SET search_path = memory, public"],
        ),
        ({"settings": {"statement_timeout": "5s"}}, []),
        ({"members": ("bob",)}, []),
    ],
)
def test_a_role_that_cannot_log_in_or_may_too_much_is_repaired(
    found: dict[str, Any], steps: list[str]
) -> None:
    catalog = with_role(APP, **found)
    assert statements(catalog) == steps
    assert agrees(catalog) == (steps == [])


@pytest.mark.parametrize(
    ("catalog", "message"),
    [
        (
            with_role(APP, login=False, manageable=False),
            f"role {APP}: exists, and admin may not alter it; let its creator run GRANT {APP} TO"
            " admin WITH ADMIN OPTION, or choose another role name",
        ),
        (
            with_schema(owner="bob", alterable=False),
            "schema memory: belongs to bob, wanted memory_migrator, and admin may not hand it over"
            ".*ALTER SCHEMA memory OWNER TO memory_migrator, or choose another",
        ),
    ],
)
def test_what_this_session_may_not_do_is_refused(catalog: Catalog, message: str) -> None:
    with pytest.raises(PlanRefused, match=message):
        plan(on_a_server(catalog), WANTED)


def test_a_database_that_everybody_enters_is_closed() -> None:
    state = reached()
    open_ = {**state.database.grants, "PUBLIC": ("CONNECT", "TEMPORARY")}
    database = replace(state.database, grants=open_, public_creates=True)
    assert statements(replace(state, database=database)) == [
        "REVOKE CONNECT, TEMPORARY ON DATABASE memory FROM PUBLIC",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    ]
