"""memory/schema/plan_nodes.py: a table on the nodes of an elastic cluster.

Citus itself is in no package that these tests could install. A stub stands for it: an extension of
the same name, schema and metadata, which shares nothing out and refuses what Citus refuses of a
key. So what is shown here is what the engine asks for, in which order, as whom, and what it makes
of the answers; that Azure's Citus does it is not.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from local.cloud.postgres.fleet import Fleet
from memory.__main__ import main
from memory.schema.catalog import Catalog, Table
from memory.schema.connection import Endpoint
from memory.schema.errors import PlanRefused
from memory.schema.model import DesiredSchema, Hnsw, memory_schema
from memory.schema.model import Table as WantedTable
from memory.schema.plan import empty_catalog, plan
from memory.schema.runner import apply, inspect
from memory.schema.target import expected, managed
from memory.schema.verify import verify
from tests.memory.conftest import PASSWORDS, renamed
from tests.memory.states import NAME, reached, with_table
from tests.postgres import ADMIN, DATA_KEY, PASSWORD, PostgresServer, default_settings

WANTED = memory_schema(distributed=True)
SHARE = "SELECT create_distributed_table('memory.zep_memory_vectors', 'session_id')"

CONTROL = """\
comment = 'stands for Citus'
default_version = '13.0'
schema = pg_catalog
relocatable = false
trusted = true
"""
STUB = """\
CREATE SCHEMA citus;
CREATE TABLE citus.pg_dist_partition (
    logicalrelid regclass PRIMARY KEY, partmethod "char" NOT NULL, partkey text, asked_by name);
ALTER TABLE citus.pg_dist_partition SET SCHEMA pg_catalog;
GRANT SELECT ON pg_catalog.pg_dist_partition TO PUBLIC;
CREATE FUNCTION pg_catalog.column_to_column_name(regclass, text) RETURNS text
    LANGUAGE sql AS 'SELECT $2';
CREATE FUNCTION pg_catalog.note_distribution(regclass, text, name) RETURNS void
    LANGUAGE sql SECURITY DEFINER AS
    $$INSERT INTO pg_catalog.pg_dist_partition VALUES ($1, 'h', $2, $3)$$;
CREATE FUNCTION pg_catalog.create_distributed_table(
    table_name regclass, distribution_column text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid
        WHERE i.indrelid = table_name AND i.indisprimary AND a.attnum = ANY (i.indkey)
            AND a.attname = distribution_column) THEN
        RAISE EXCEPTION 'cannot create constraint on "%"', table_name;
    END IF;
    PERFORM note_distribution(table_name, distribution_column, current_user);
END $$;
"""


@pytest.fixture(scope="module")
def coordinator(fleet: Fleet) -> Iterator[PostgresServer]:
    """A server that offers the stub."""
    share = Path(tempfile.mkdtemp(prefix="engram-stub-"))
    folder = share / "extension"
    folder.mkdir()
    (folder / "citus.control").write_text(CONTROL, encoding="utf-8")
    (folder / "citus--13.0.sql").write_text(STUB, encoding="utf-8")
    for path in (share, *share.rglob("*")):
        path.chmod(0o755)
    settings = {
        **default_settings(),
        "azure.extensions": "vector,citus,pg_stat_statements",
        "extension_control_path": f"$system:{share}",
    }
    server = fleet.server(f"psql-nodes-{os.getpid()}")
    server.create(fleet.authority, DATA_KEY, settings)
    server.set_administrator(ADMIN, PASSWORD)
    fleet.publish(server)
    yield PostgresServer(server, fleet.endpoint)
    server.remove()
    shutil.rmtree(share)


@pytest.fixture
def endpoint(coordinator: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    """An empty database on it."""
    for key, value in coordinator.endpoint.environment.items():
        monkeypatch.setenv(key, value)
    with psycopg.connect(coordinator.dsn("postgres"), autocommit=True) as db:
        db.execute("CREATE DATABASE cluster")
        yield Endpoint(
            host=coordinator.server.fqdn, database="cluster", user=ADMIN, password=PASSWORD
        )
        db.execute("DROP DATABASE cluster WITH (FORCE)")
        for role in NODES.roles:
            db.execute(f"DROP ROLE IF EXISTS {role.name}")


NODES = renamed(WANTED, "nodes")


def asks(coordinator: PostgresServer, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(coordinator.dsn("cluster"), autocommit=True) as db:
        return db.execute(query).fetchall()


@pytest.mark.slow
def test_a_new_table_is_shared_out_by_its_owner_and_a_second_apply_does_nothing(
    coordinator: PostgresServer, endpoint: Endpoint
) -> None:
    assert SHARE in [step.sql for step in apply(endpoint, NODES, passwords=PASSWORDS).plan.steps]
    assert asks(coordinator, "SELECT partkey, asked_by FROM pg_dist_partition") == [
        ("session_id", "nodes_migrator")
    ]
    assert managed(inspect(endpoint, NODES, PASSWORDS), NODES) == expected(NODES)
    assert not apply(endpoint, NODES, passwords=PASSWORDS).plan.steps


@pytest.mark.slow
def test_a_run_that_ended_before_the_table_was_shared_out_is_finished(
    coordinator: PostgresServer, endpoint: Endpoint
) -> None:
    apply(endpoint, NODES, passwords=PASSWORDS)
    with coordinator.server.superuser("cluster") as db:
        db.execute("DELETE FROM pg_dist_partition")
    assert [step.sql for step in apply(endpoint, NODES, passwords=PASSWORDS).plan.steps] == [SHARE]


@pytest.mark.slow
def test_verify_says_where_the_rows_are_and_does_not_judge_indexes_it_cannot_see(
    endpoint: Endpoint,
) -> None:
    apply(endpoint, NODES, passwords=PASSWORDS)
    report = verify(endpoint, NODES)
    found = {check.name: check.found for check in report.checks}
    assert report.ok
    assert found[f"rows of memory.{NAME}"] == "on nodes by session_id"
    assert "nearest neighbours" not in found


@pytest.mark.slow
def test_a_table_on_nodes_is_never_taken_for_empty(endpoint: Endpoint) -> None:
    apply(endpoint, NODES, passwords=PASSWORDS)
    elsewhere = renamed(memory_schema(), "nodes")  # which knows nothing of nodes
    assert not inspect(endpoint, elsewhere, PASSWORDS).tables[NAME].empty
    with pytest.raises(PlanRefused, match="rows are on nodes by session_id, wanted on one server"):
        apply(endpoint, elsewhere, passwords=PASSWORDS)


# -- what is planned, with no database ---------------------------------------------------


def planned(catalog: Catalog, desired: DesiredSchema = WANTED) -> list[str]:
    return [step.sql for step in plan(catalog, desired).steps]


def test_a_table_is_shared_out_last_and_in_a_transaction_of_its_own() -> None:
    *before, last = plan(empty_catalog("memory"), WANTED).batches()
    assert [step.sql for step in last] == [SHARE]
    assert SHARE not in {step.sql for batch in before for step in batch}


def test_what_is_repaired_beside_it_does_not_join_that_transaction() -> None:
    there = with_shared(distributed_by=None, empty=True, options={})
    first, last = plan(there, WANTED).batches()
    assert (" SET (" in first[0].sql, [step.sql for step in last]) == (True, [SHARE])


def test_citus_is_made_before_what_it_hands_on() -> None:
    made = [sql for sql in planned(empty_catalog("memory")) if sql.startswith("CREATE EXTENSION")]
    assert made[0] == "CREATE EXTENSION citus SCHEMA pg_catalog"


def test_the_command_line_knows_the_schema_on_nodes(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["schema", "plan", "--offline", "memory", "--of", "memory-on-nodes"]
    main([*command, "--format", "sql"])
    assert f"{SHARE};" in capsys.readouterr().out


def test_who_asks_for_no_nodes_gets_none() -> None:
    plain = memory_schema()
    assert "distributed" not in str(planned(empty_catalog("memory"), plain))
    assert plain.tables[0].primary_key == ("id",)


def with_shared(**changes: Any) -> Catalog:
    return with_table(lambda table: replace(table, **changes), WANTED)


def other_graph(table: Table) -> Table:
    name = f"{NAME}_embedding_idx"
    graph = replace(table.indexes[name], options={"m": "8", "ef_construction": "64"})
    return replace(table, indexes={**table.indexes, name: graph})


@pytest.mark.parametrize(
    ("catalog", "words"),
    [
        (with_shared(distributed_by="id"), r"by id, wanted session_id; SELECT alter_distributed"),
        (with_shared(distributed_by=None), "create_distributed_table_concurrently"),
        (with_table(other_graph, WANTED), "run on the coordinator, port 5432.*CREATE INDEX"),
    ],
)
def test_what_would_move_or_rebuild_on_nodes_is_refused_with_the_way_out(
    catalog: Catalog, words: str
) -> None:
    with pytest.raises(PlanRefused, match=words):
        plan(catalog, WANTED)


def test_access_and_options_of_a_table_on_nodes_are_repaired_all_the_same() -> None:
    steps = planned(with_shared(options={}, grants={}))
    assert any(" SET (" in sql for sql in steps)
    assert any(sql.startswith("GRANT") for sql in steps)
    assert not planned(reached(WANTED), WANTED)


def test_the_key_of_a_shared_table_holds_its_column() -> None:
    table = memory_schema().tables[0]
    plain = table.model_dump()
    with pytest.raises(ValidationError, match=r"distributed by session_id.*\(id\) lacks; add it"):
        WantedTable.model_validate({**plain, "distributed_by": "session_id"})
    assert isinstance(WANTED.tables[0].ann_index, Hnsw)
