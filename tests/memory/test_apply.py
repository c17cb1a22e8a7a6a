"""memory/schema/runner.py against a real server."""

import re
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from memory.schema.catalog import read_catalog
from memory.schema.errors import LockTimeout, PlanRefused, StepFailed
from memory.schema.lock import HOLDER, LOCK_KEY
from memory.schema.model import VECTOR, DesiredSchema, Extension, Hnsw, IvfFlat
from memory.schema.passwords import login_refusal
from memory.schema.runner import Event, Patience, apply, inspect, open_run, remove
from memory.schema.target import expected, managed
from memory.schema.verify import verify
from tests.memory.conftest import PASSWORDS, Live

TABLE = "memory.zep_memory_vectors"
INSERT = "INSERT INTO memory.zep_memory_vectors (session_id, content) VALUES ('s', 'c')"
COUNT = "SELECT count(*) FROM memory.zep_memory_vectors"
INDEX = "zep_memory_vectors_embedding_idx"
IMPATIENT = Patience(lock_timeout_ms=50, retry_seconds=0.3, runner_seconds=0.3)


def reach(live: Live, desired: DesiredSchema) -> list[str]:
    """Apply, check that the database now agrees, and return what had to run."""
    applied = apply(live.endpoint, desired, passwords=PASSWORDS)
    assert managed(inspect(live.endpoint, desired, PASSWORDS), desired) == expected(desired)
    return [step.sql for step in applied.plan.steps]


def test_first_apply_reaches_the_wanted_schema_and_second_does_nothing(live: Live) -> None:
    desired = live.schema()
    assert reach(live, desired)
    assert reach(live, desired) == []
    assert verify(live.endpoint, desired).ok


def test_roles_get_what_their_purpose_needs_and_no_more(live: Live) -> None:
    desired = live.schema()
    reach(live, desired)
    app, reader = desired.role("app").name, desired.role("reader").name
    insert = "INSERT INTO zep_memory_vectors (session_id, content) VALUES ('s', 'c')"
    rows = [(app, insert, None), (reader, "SELECT count(*) FROM zep_memory_vectors", None)]
    denied = [
        (reader, insert),
        (app, f"TRUNCATE {TABLE}"),
        (app, f"DROP TABLE {TABLE}"),
        (app, "CREATE TABLE memory.mine ()"),
        (app, "CREATE TABLE public.mine ()"),
        (app, "CREATE TEMP TABLE mine ()"),
    ]
    for role, statement, _ in rows:
        run_as(live, role, statement)
    for role, statement in denied:
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match=r"denied|must be owner"):
            run_as(live, role, statement)


def run_as(live: Live, role: str, statement: str) -> None:
    purpose = role.rpartition("_")[2]
    dsn = live.server.dsn(live.endpoint.database)
    with psycopg.connect(dsn, user=role, password=PASSWORDS[purpose]) as session:  # type: ignore[index]  # a purpose
        session.execute(statement)


DRIFTS: dict[str, Callable[[Live], object]] = {
    "index dropped": lambda live: live.owner(f"DROP INDEX memory.{INDEX}"),
    "option reset": lambda live: live.owner(
        f"ALTER TABLE {TABLE} RESET (autovacuum_vacuum_scale_factor)"
    ),
    "grant removed": lambda live: live.owner(
        f"REVOKE INSERT ON {TABLE} FROM {live.endpoint.database}_app"
    ),
    "grant too much": lambda live: live.owner(f"GRANT SELECT ON {TABLE} TO PUBLIC"),
    "default dropped": lambda live: live.owner(
        f"ALTER TABLE {TABLE} ALTER created_at DROP DEFAULT"
    ),
    "not null dropped": lambda live: live.owner(
        f"ALTER TABLE {TABLE} ALTER content DROP NOT NULL"
    ),
    "column dropped": lambda live: live.owner(f"ALTER TABLE {TABLE} DROP metadata"),
    "primary key dropped": lambda live: live.owner(
        f"ALTER TABLE {TABLE} DROP CONSTRAINT zep_memory_vectors_pkey"
    ),
    "table dropped": lambda live: live.owner(f"DROP TABLE {TABLE}"),
    "role may create": lambda live: live.sql(
        f"ALTER ROLE {live.endpoint.database}_app CREATEDB"
    ),
    "role locked out": lambda live: live.sql(f"ALTER ROLE {live.endpoint.database}_app NOLOGIN"),
    "search_path reset": lambda live: live.sql(
        f"ALTER ROLE {live.endpoint.database}_app IN DATABASE {live.endpoint.database}"
        " RESET search_path"
    ),
    "password changed": lambda live: live.sql(
        f"ALTER ROLE {live.endpoint.database}_app PASSWORD 'another'"
    ),
    "extension dropped": lambda live: live.sql(
        "SET ROLE NONE", f"GRANT {live.endpoint.database}_migrator TO CURRENT_USER",
        "DROP EXTENSION vector CASCADE",
    ),
    "other parameters": lambda live: live.owner(
        f"DROP INDEX memory.{INDEX}",
        f"CREATE INDEX {INDEX} ON {TABLE} USING hnsw (embedding public.vector_l2_ops)",
    ),
    "partial index": lambda live: live.owner(
        f"DROP INDEX memory.{INDEX}",
        f"CREATE INDEX {INDEX} ON {TABLE} USING hnsw (embedding public.vector_cosine_ops)"
        " WHERE content <> ''",
    ),
}  # fmt: skip


@pytest.mark.parametrize("drift", DRIFTS)
def test_drift_is_seen_and_repaired(live: Live, drift: str) -> None:
    desired = live.schema()
    reach(live, desired)
    DRIFTS[drift](live)
    seen = managed(inspect(live.endpoint, desired, PASSWORDS), desired)
    assert seen != expected(desired)
    assert reach(live, desired)


def test_repair_touches_nothing_else(live: Live) -> None:
    desired = live.schema()
    reach(live, desired)
    DRIFTS["option reset"](live)
    assert reach(live, desired) == [
        f"ALTER TABLE {TABLE} SET (autovacuum_vacuum_scale_factor = 0.1)"
    ]


def test_an_unchanged_password_is_no_difference_and_a_new_one_logs_in(live: Live) -> None:
    desired = live.schema()
    reach(live, desired)
    changed = {**PASSWORDS, "app": "a-secret-2"}
    steps = apply(live.endpoint, desired, passwords=changed).plan.steps
    assert [step.password_of for step in steps] == ["app"]
    app = desired.role("app").name
    assert login_refusal(live.endpoint, app, "a-secret-2") is None
    assert "password authentication failed" in str(login_refusal(live.endpoint, app, "a-secret-1"))


def test_what_only_looks_like_a_wrong_password_sets_none(live: Live) -> None:
    """The server asks for the password before it says these."""
    desired = live.schema()
    reach(live, desired)
    app, database = desired.role("app").name, live.endpoint.database
    live.sql(f"ALTER ROLE {app} NOLOGIN", f"REVOKE CONNECT ON DATABASE {database} FROM {app}")
    seen = inspect(live.endpoint, desired, PASSWORDS).roles[app]
    assert (seen.password_current, seen.password_untested) == (True, None)
    seen = inspect(live.endpoint, desired, {**PASSWORDS, "app": "another"}).roles[app]
    assert seen.password_current is False


def test_knows_which_libraries_the_server_has_loaded(live: Live) -> None:
    names = ("pg_stat_statements", "pg_trgm")
    wanted = (VECTOR, *(Extension(name=name, preloaded=True) for name in names))
    desired = live.schema().model_copy(update={"extensions": wanted})
    reach(live, desired)
    with psycopg.connect(live.server.dsn(live.endpoint.database)) as session:
        session.execute("SET pg_trgm.said = 'set, and yet nothing is loaded'")
        found = read_catalog(session, desired).extensions
    assert [found[name].loaded for name in names] == [True, False]
    assert [name for name in names if found[name].installed] == ["pg_stat_statements"]
    assert reach(live, desired) == []


def test_a_new_role_without_a_password_is_refused(live: Live) -> None:
    with pytest.raises(StepFailed, match="is new: give the password of migrator"):
        apply(live.endpoint, live.schema())


def test_adopts_a_table_made_by_hand_without_rebuilding_its_index(live: Live) -> None:
    desired = live.schema()
    live.sql(
        "CREATE EXTENSION vector",
        "CREATE SCHEMA memory",
        f"CREATE TABLE {TABLE} (id uuid CONSTRAINT by_hand PRIMARY KEY DEFAULT gen_random_uuid(),"
        " session_id varchar(255) NOT NULL, content text NOT NULL, embedding vector(1536),"
        " metadata jsonb, created_at timestamptz NOT NULL DEFAULT now())",
        f"CREATE INDEX {INDEX} ON {TABLE} USING hnsw (embedding vector_cosine_ops)",
        INSERT,
    )
    ran = reach(live, desired)
    assert not [sql for sql in ran if INDEX in sql]
    assert live.owner(COUNT) == [(1,)]


def test_a_dimension_change_is_refused_with_both_ways_out(live: Live) -> None:
    reach(live, live.schema())
    live.owner(INSERT)
    with pytest.raises(PlanRefused, match=r"wanted vector\(768\).*reembed.*new table"):
        apply(live.endpoint, live.schema(dimensions=768), passwords=PASSWORDS)


def test_unexpected_objects_are_reported_and_kept(live: Live) -> None:
    desired = live.schema()
    reach(live, desired)
    live.owner(
        "CREATE TABLE memory.stray ()",
        f"ALTER TABLE {TABLE} ADD extra text",
        f"CREATE INDEX by_hand ON {TABLE} (content)",
        f"GRANT SELECT ON {TABLE} TO pg_monitor",
    )
    applied = apply(live.endpoint, desired, passwords=PASSWORDS)
    assert applied.plan.steps == ()
    unexpected = [note for note in applied.notes if not note.startswith("extension pgaudit")]
    assert sorted(note.split(":")[-1].strip() for note in unexpected) == [
        "column extra is not declared; left alone",
        "grantee pg_monitor is not declared; left alone",
        "index by_hand is not declared; left alone",
        "not declared; left alone",
    ]


def test_replaces_an_index_by_another_method(live: Live) -> None:
    reach(live, live.schema())
    desired = live.schema(index=IvfFlat(column="embedding", lists=10))
    ran = reach(live, desired)
    assert [sql.split()[0] for sql in ran] == ["CREATE", "EXPLAIN", "DO", "ALTER", "ALTER", "DROP"]
    assert live.sql("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]


def test_a_build_reports_progress_and_who_holds_it_up(live: Live) -> None:
    reach(live, live.schema())
    events: list[Event] = []
    blocked = threading.Event()

    def report(event: Event) -> None:
        events.append(event)
        if "waits for process" in event.text:
            blocked.set()

    desired = live.schema(index=Hnsw(column="embedding", m=8))
    with psycopg.connect(live.server.dsn(live.endpoint.database)) as holder:
        owner = desired.owner
        holder.execute(f"SET ROLE {owner}")
        holder.execute(INSERT)
        run = threading.Thread(
            target=lambda: apply(live.endpoint, desired, passwords=PASSWORDS, report=report)
        )
        run.start()
        assert blocked.wait(20), events
        holder.rollback()
        run.join()
    assert reach(live, desired) == []


def test_a_held_lock_is_named_after_some_tries(live: Live) -> None:
    desired = live.schema()
    reach(live, desired)
    DRIFTS["default dropped"](live)
    with psycopg.connect(live.server.dsn(live.endpoint.database)) as holder:
        holder.execute(f"SET ROLE {desired.owner}")
        holder.execute(f"LOCK TABLE {TABLE} IN SHARE MODE")
        blocker = rf"process {holder.info.backend_pid} \(engramadmin, idle in transaction, transact"
        ending = rf"not to be had in 2 s; .*pg_terminate_backend\({holder.info.backend_pid}\)"
        events: list[Event] = []
        with pytest.raises(LockTimeout, match=rf"{blocker}.*query \d s old\).*{ending}"):
            apply(
                live.endpoint,
                desired,
                passwords=PASSWORDS,
                patience=Patience(lock_timeout_ms=400, retry_seconds=1.5),
                report=events.append,
            )
    waiting = [event.text for event in events if event.kind == "waiting"]
    assert any(re.search(blocker, text) for text in waiting)


def test_a_competing_run_is_waited_for_and_named(live: Live) -> None:
    with psycopg.connect(live.server.dsn(live.endpoint.database), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", LOCK_KEY)
        with pytest.raises(
            LockTimeout, match=rf"another run .* process {other.info.backend_pid}, "
        ):
            apply(live.endpoint, live.schema(), passwords=PASSWORDS, patience=IMPATIENT)


def test_a_run_on_another_database_is_nobody_elses_matter(live: Live) -> None:
    with (
        psycopg.connect(live.server.dsn("postgres"), autocommit=True) as other,
        open_run(live.endpoint) as run,
    ):
        other.execute("SELECT pg_advisory_lock(%s, %s)", LOCK_KEY)
        pids = {run.session.info.backend_pid}
        assert {pid for pid, *_ in run.session.execute(HOLDER, LOCK_KEY).fetchall()} == pids


def test_removal_drops_the_data_and_stops_at_what_nobody_declared(live: Live) -> None:
    desired = live.schema()
    reach(live, desired)
    live.owner("CREATE TABLE memory.stray ()")
    with pytest.raises(StepFailed, match="cannot drop schema memory"):
        remove(live.endpoint, desired)
    live.owner("DROP TABLE memory.stray")
    remove(live.endpoint, desired)
    catalog = inspect(live.endpoint, desired)
    assert (catalog.schema, dict(catalog.tables), dict(catalog.roles)) == (None, {}, {})


def test_passwords_reach_the_server_as_verifiers_only(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []
    execute = psycopg.Connection.execute

    def recording(self: Any, query: Any, *rest: Any, **more: Any) -> Any:
        sent.append(str(query))
        return execute(self, query, *rest, **more)

    monkeypatch.setattr(psycopg.Connection, "execute", recording)
    reach(live, live.schema())
    text = "\n".join(sent)
    assert text.count("PASSWORD 'SCRAM-SHA-256$4096:") == 3
    assert not [password for password in PASSWORDS.values() if password in text]
