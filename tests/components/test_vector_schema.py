"""components/vector_schema.py: the provider's five methods over plain data, and a live server."""

import base64
import sys
from typing import Any

import pytest
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.runtime.rpc import UNKNOWN

from components.vector_schema import VectorSchemaProvider
from memory.schema.errors import ConnectionRefused, PlanRefused
from memory.schema.model import DesiredSchema, Hnsw, memory_schema, zep_schema
from memory.schema.runner import inspect
from tests.memory import zep
from tests.memory.conftest import PASSWORDS, Live, database, fleet, live, postgres_server
from tests.memory.operations import reembedding

__all__ = ["database", "fleet", "live", "postgres_server"]

PROVIDER = VectorSchemaProvider()
GIVEN_PASSWORDS: dict[str, str] = {str(key): value for key, value in PASSWORDS.items()}
TABLE = "memory.zep_memory_vectors"
MEMORIES = "zep_memory_vectors"
INDEX = f"{MEMORIES}_embedding_idx"


def given(wish: DesiredSchema | None = None, **changed: Any) -> dict[str, Any]:
    """The inputs of a program."""
    return {
        "host": "db.example",
        "port": 5432.0,
        "database": "memory",
        "admin_login": "admin",
        "admin_password": "admin-secret",
        "role_passwords": dict(PASSWORDS),
        "desired": dumped(wish or memory_schema()),
        "delete_data": False,
        **changed,
    }


def dumped(wish: DesiredSchema) -> dict[str, Any]:
    return wish.model_dump(mode="json", exclude_none=True)


def checked(olds: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    result = PROVIDER.check(olds, news)
    assert [failure.reason for failure in result.failures] == []
    return result.inputs


def planned(inputs: dict[str, Any]) -> list[str]:
    """The SQL that a preview shows."""
    return [statement for block in inputs["plan"].values() for statement in block]


def test_the_provider_is_pickled_by_name_and_holds_no_secret() -> None:
    pickled = base64.b64decode(serialize_provider(PROVIDER))
    assert b"components.vector_schema" in pickled
    assert len(pickled) < 200


def test_first_preview_shows_the_sql_with_no_database_in_reach() -> None:
    inputs = checked({}, given())
    assert planned(inputs)[0] == "CREATE EXTENSION vector SCHEMA public"
    assert any(sql.startswith("CREATE TABLE memory.zep_memory_vectors") for sql in planned(inputs))
    assert not [sql for sql in planned(inputs) for word in PASSWORDS.values() if word in sql]


def test_nothing_changed_is_no_diff_though_the_plan_is_now_empty() -> None:
    first = checked({}, given())
    second = checked(first, given())
    assert second["plan"] == {}
    assert PROVIDER.diff("id", first, second).changes is False


def test_a_change_shows_the_sql_of_a_gapless_replacement() -> None:
    first = checked({}, given())
    wanted = memory_schema(index=Hnsw(column="embedding", m=24, ef_construction=100))
    second = checked(first, given(wanted))
    assert [sql.split()[0] for sql in planned(second)] == [
        "CREATE", "EXPLAIN", "DO", "ALTER", "ALTER", "DROP",
    ]  # fmt: skip
    diff = PROVIDER.diff("id", first, second)
    assert (diff.changes, diff.replaces) == (True, [])


SMALLER = memory_schema(dimensions=768)
FULL, EMPTY = {"rows": 50_000.0, "bytes": 4e8}, {"rows": 0.0, "bytes": 0.0, "empty": True}


def test_a_dimension_change_fails_in_the_preview_with_both_ways_out() -> None:
    first = checked({}, given())
    changed = checked(first, given(SMALLER))
    with pytest.raises(PlanRefused, match=r"vector\(1536\), wanted vector\(768\)") as refusal:
        PROVIDER.diff("id", {**first, "sizes": {MEMORIES: FULL}}, changed)
    assert "(1) re-embed" in str(refusal.value)
    assert "(2) declare a new table" in str(refusal.value)
    assert "if that has been done already, the stack does not know it" in str(refusal.value)


def test_a_dimension_change_passes_where_the_last_look_found_no_row() -> None:
    first = checked({}, given())
    changed = checked(first, given(SMALLER))
    assert any("TYPE public.vector(768)" in sql for sql in planned(changed))
    diff = PROVIDER.diff("id", {**first, "sizes": {MEMORIES: EMPTY}}, changed)
    assert (diff.changes, diff.replaces) == (True, [])


def test_what_no_size_could_bear_fails_without_a_look_at_sizes() -> None:
    first = checked({}, given())
    asked = given()
    asked["desired"]["tables"][0]["primary_key"] = ["session_id"]
    (failure,) = PROVIDER.check(first, asked).failures
    assert "primary key is (id), wanted (session_id)" in failure.reason


NO_ROLES: dict[str, Any] = {**given()["desired"], "roles": []}


@pytest.mark.parametrize(
    ("changed", "where", "message"),
    [
        ({"host": ""}, "host", "is empty"),
        ({"admin_password": ""}, "admin_password", "is empty"),
        ({"role_passwords": {"app": "a", "reader": "r"}}, "role_passwords", "migrator is missing"),
        (
            {"role_passwords": {**GIVEN_PASSWORDS, "root": "x"}},
            "role_passwords",
            "root is no purpose",
        ),
        ({"desired": NO_ROLES}, "desired", "want one each of app, migrator"),
        (
            {"role_passwords": {**GIVEN_PASSWORDS, "owner": "x"}},
            "role_passwords",
            "owner is no purpose of this schema; allowed are migrator, app, reader",
        ),
    ],
)
def test_refuses_bad_inputs(changed: dict[str, Any], where: str, message: str) -> None:
    (failure,) = PROVIDER.check({}, {**given(), **changed}).failures
    assert failure.reason.startswith(f"{where}: ")
    assert message in failure.reason
    assert failure.property == "", "the engine prints the value of a property that is named"


@pytest.mark.parametrize("key", ["host", "admin_password", "role_passwords"])
def test_what_is_unknown_in_a_preview_is_not_judged(key: str) -> None:
    assert checked({}, {**given(), key: UNKNOWN})["plan"]


@pytest.mark.parametrize(
    ("changed", "changes", "replaces"),
    [
        ({}, False, []),
        ({"host": "other.example"}, True, ["host"]),
        ({"database": "other"}, True, ["database"]),
        ({"host": UNKNOWN}, True, []),
        ({"role_passwords": {**PASSWORDS, "app": "new"}}, True, []),
        ({"admin_password": "new"}, True, []),
        ({"delete_data": True}, True, []),
    ],
)
def test_diff(changed: dict[str, Any], changes: bool, replaces: list[str]) -> None:
    first = checked({}, given())
    diff = PROVIDER.diff("id", first, checked(first, given(**changed)))
    assert (diff.changes, diff.replaces) == (changes, replaces)


def place(live: Live) -> dict[str, Any]:
    endpoint = live.endpoint
    return given(
        live.schema(),
        host=endpoint.host,
        database=endpoint.database,
        admin_login=endpoint.user,
        admin_password=endpoint.password,
    )


def test_up_drift_refresh_up(live: Live) -> None:
    """The life of the resource, as the engine calls the provider."""
    inputs = checked({}, place(live))
    created = PROVIDER.create(inputs)
    outputs = created.outs or {}
    assert created.id == f"{live.endpoint.host}/{live.endpoint.database}"
    assert (outputs["index_name"], outputs["index_method"]) == (INDEX, "hnsw")
    assert (outputs["dimensions"], outputs["extension_version"][:2]) == (1536, "0.")
    assert PROVIDER.diff(created.id, outputs, checked(inputs, place(live))).changes is False
    assert PROVIDER.read(created.id, outputs).inputs is None

    live.owner(
        f"DROP INDEX memory.{INDEX}",
        f"ALTER TABLE {TABLE} RESET (autovacuum_vacuum_scale_factor)",
        f"REVOKE INSERT ON {TABLE} FROM {live.endpoint.database}_app",
    )
    seen = PROVIDER.read(created.id, outputs)
    assert seen.inputs is not None
    assert INDEX not in seen.inputs["state"]["tables"]["zep_memory_vectors"]["indexes"]
    again = checked(seen.inputs, place(live))
    assert [sql.split(" (")[0].split(" ON ")[0] for sql in planned(again)] == [
        f"ALTER TABLE {TABLE} SET",
        "GRANT INSERT",
        f"CREATE INDEX CONCURRENTLY {INDEX}",
    ]
    assert PROVIDER.diff(created.id, seen.outs or {}, again).changes is True
    repaired = PROVIDER.update(created.id, seen.outs or {}, again).outs or {}
    assert repaired["state"] == inputs["state"]
    assert PROVIDER.diff(created.id, repaired, checked(again, place(live))).changes is False


def zeps_place(live: Live) -> dict[str, Any]:
    return {
        **place(live),
        "desired": dumped(zep.schema(live)),
        "role_passwords": dict(zep.PASSWORDS),
    }


def test_zeps_database_is_another_resource_of_the_same_kind(live: Live) -> None:
    inputs = checked({}, zeps_place(live))
    login = zep.schema(live).owner
    created = PROVIDER.create(inputs)
    outputs = created.outs or {}
    assert (outputs["table"], outputs["index_name"], outputs["dimensions"]) == ("", "", 0)
    assert (outputs["roles"], outputs["extension_version"][:2]) == ({"owner": login}, "0.")
    with zep.session(live) as db:
        zep.start(db)
    assert PROVIDER.read(created.id, outputs).inputs is None, "what Zep made is no drift"
    live.sql(f"GRANT azure_pg_admin TO {login} WITH INHERIT TRUE")
    seen = PROVIDER.read(created.id, outputs)
    assert seen.inputs is not None
    granted = {"azure_pg_admin": "INHERIT"}
    assert seen.inputs["state"]["roles"][login]["member_grants"] == granted
    again = checked(seen.inputs, zeps_place(live))
    assert planned(again) == [
        f"GRANT azure_pg_admin TO {login} WITH ADMIN FALSE, INHERIT FALSE, SET FALSE"
    ]
    repaired = PROVIDER.update(created.id, seen.outs or {}, again).outs or {}
    assert PROVIDER.diff(created.id, repaired, checked(again, zeps_place(live))).changes is False


def test_zeps_first_preview_shows_its_sql_and_asks_for_one_password() -> None:
    asked = {**given(), "desired": dumped(zep_schema(extension_gate=True)), "database": "zep"}
    inputs = checked({}, {**asked, "role_passwords": {"owner": "z-secret-1"}})
    assert "CREATE SCHEMA zep AUTHORIZATION zep_app" in planned(inputs)
    assert not [sql for sql in planned(inputs) if "z-secret-1" in sql]
    reasons = [failure.reason for failure in PROVIDER.check({}, asked).failures]
    assert reasons[0] == "role_passwords: owner is missing; give one each for owner"


def test_a_missing_database_is_a_missing_resource(live: Live) -> None:
    inputs = checked({}, {**place(live), "database": "nowhere"})
    assert PROVIDER.read("id", inputs).id == ""


@pytest.mark.parametrize(("delete_data", "tables"), [(False, 3), (True, 0)])
def test_delete_keeps_the_data_unless_told(live: Live, delete_data: bool, tables: int) -> None:
    outputs = PROVIDER.create(checked({}, {**place(live), "delete_data": delete_data})).outs or {}
    PROVIDER.delete("id", outputs)
    assert len(inspect(live.endpoint, live.schema()).tables) == tables


def test_an_expected_error_reaches_the_operator_as_its_text(live: Live) -> None:
    inputs = {**place(live), "admin_password": "wrong"}
    with pytest.raises(ConnectionRefused, match="the password in the stack is not the server's"):
        PROVIDER.read("id", inputs)
    assert sys.tracebacklimit == 0


def test_delete_without_data_needs_no_database() -> None:
    PROVIDER.delete("id", given(host="nowhere.invalid"))


def test_after_a_re_embedding_a_refresh_lets_the_stack_follow(live: Live) -> None:
    """Another dimension: refused, re-embedded, refreshed, and nothing is left to do."""
    old, new = (reembedding.desired(live, size) for size in (reembedding.OLD, reembedding.NEW))
    inputs = checked({}, {**place(live), "desired": dumped(old)})
    created = PROVIDER.create(inputs)
    reembedding.insert(live, ["one", "two", "three"])
    seen = PROVIDER.read(created.id, created.outs or {})
    asked = {**place(live), "desired": dumped(new)}
    with pytest.raises(PlanRefused, match="the stack does not know it: pulumi refresh"):
        PROVIDER.diff(created.id, seen.outs or {}, checked(inputs, asked))
    reembedding.advanced(live)
    reembedding.swapped(live)
    gone_ahead = PROVIDER.read(created.id, seen.outs or {})
    assert gone_ahead.inputs is not None
    again = checked(gone_ahead.inputs, asked)
    assert planned(again) == []
    followed = PROVIDER.update(created.id, gone_ahead.outs or {}, again).outs or {}
    assert followed["state"] == again["state"]
    assert "embedding_previous waits to be dropped" in "".join(followed["unexpected"])
