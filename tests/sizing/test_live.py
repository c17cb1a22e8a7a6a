"""sizing/live against a real server: prediction, reality, and nothing left behind."""

import json
import os
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from memory.schema import runner
from memory.schema.connection import Endpoint, connect
from sizing.__main__ import main
from sizing.errors import SizingError
from sizing.live.load import Loader
from sizing.live.measure import Live
from sizing.live.scratch import PREFIX, scratch, wanted
from sizing.live.simulate import Simulation
from sizing.live.synthetic import Corpus
from sizing.workload import Hnsw, Ivfflat, Workload
from tests.postgres import ADMIN, PASSWORD, PostgresServer, database, fleet, postgres_server

__all__ = ["database", "fleet", "postgres_server"]

SMALL = Workload(
    sessions=40,
    messages_per_session=10,
    facts=400,
    content_bytes=200,
    dimensions=384,
    index=Hnsw(m=16, ef_construction=32),
)
JUDGED = replace(SMALL, sessions=150, facts=3_000)
"""Enough rows for five percent to be more than a few pages."""


def silence(_: str, __: int, ___: int) -> None:
    """Say nothing of how far a load is."""


@pytest.fixture
def server(
    postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> Endpoint:
    for key in [key for key in os.environ if key.startswith("PG")]:
        monkeypatch.delenv(key)
    for key, value in postgres_server.environment(database).items():
        monkeypatch.setenv(key, value)
    return Endpoint(
        host=postgres_server.server.fqdn, database=database, user=ADMIN, password=PASSWORD
    )


def left_behind(server: Endpoint) -> list[Any]:
    with connect(server) as session:
        return session.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %(p)s)"
            " UNION ALL SELECT rolname FROM pg_roles WHERE starts_with(rolname, %(p)s)",
            {"p": PREFIX},
        ).fetchall()


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"content_bytes": 3_000, "metadata_bytes": 300},
        {"dimensions": 3_072, "element_type": "halfvec"},
        # one row in four has links above the ground, and then a second page
        {"dimensions": 2_000, "index": Hnsw(m=4, ef_construction=16)},
        {"dimensions": 64},
        {"content_bytes": 3_000, "metadata_bytes": 300, "embeds_messages": True},
        {"index": Ivfflat(lists=10)},
        {"index": None},
    ],
    ids=str,
)
def test_a_simulation_finds_what_was_predicted(server: Endpoint, changed: dict[str, Any]) -> None:
    workload = replace(JUDGED, **changed)
    comparison = Simulation(server=server, workload=workload, say=silence).run()
    assert comparison.within, comparison.as_data()
    assert left_behind(server) == []


@pytest.mark.slow
@pytest.mark.parametrize("dimensions", [384, 768, 1536])
@pytest.mark.parametrize("content", [200, 3_000])
def test_so_does_a_larger_one(server: Endpoint, dimensions: int, content: int) -> None:
    workload = replace(
        SMALL, sessions=200, facts=4_000, dimensions=dimensions, content_bytes=content
    )
    comparison = Simulation(server=server, workload=workload, say=silence).run()
    assert comparison.within, comparison.as_data()


def test_rows_inserted_into_the_index_take_as_much_as_a_build(server: Endpoint) -> None:
    comparison = Simulation(server=server, workload=SMALL, index_first=True, say=silence).run()
    assert comparison.within, comparison.as_data()


def test_what_a_killed_run_left_is_removed_by_the_next(server: Endpoint) -> None:
    with connect(server) as session:
        session.execute(f"CREATE DATABASE {PREFIX}dead")
        session.execute(f"CREATE ROLE {PREFIX}dead_app")
    with scratch(server, SMALL):
        assert f"{PREFIX}dead" not in [name for (name,) in left_behind(server)]
    assert left_behind(server) == []


def test_a_failing_run_leaves_nothing(server: Endpoint) -> None:
    def run_out_of_patience(_: str, __: int, ___: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Simulation(server=server, workload=SMALL, say=run_out_of_patience).run()
    assert left_behind(server) == []


def test_a_shape_that_no_index_can_carry_is_refused(server: Endpoint) -> None:
    with pytest.raises(SizingError, match="up to 2000 dimensions"):
        Simulation(server=server, workload=replace(SMALL, dimensions=3_000), say=silence).run()
    assert left_behind(server) == []


@pytest.fixture
def filled(server: Endpoint) -> Endpoint:
    """A memory database with 400 rows, reached as its reader."""
    desired = wanted(SMALL, server.database)
    passwords = {role.purpose: "A-Password-of-1-Test" for role in desired.roles}
    runner.apply(server, desired, passwords=passwords)
    app, reader, migrator = (
        replace(server, user=desired.role(purpose).name, password=passwords[purpose])
        for purpose in ("app", "reader", "migrator")
    )
    with connect(app) as session:
        table = psycopg.sql.Identifier("memory", "zep_memory_vectors")
        Loader(session=session, corpus=Corpus(workload=SMALL), say=silence).memories(table)
    with connect(migrator) as session:
        session.execute("VACUUM (ANALYZE) memory.zep_memory_vectors")
    return reader


def test_a_live_database_is_measured_and_not_changed(
    filled: Endpoint, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PGUSER", filled.user)
    monkeypatch.setenv("PGPASSWORD", filled.password)
    assert main(["measure", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert (data["rows"], data["dead_rows"]) == ({"zep_memory_vectors": 400}, 0)
    assert data["within_limits"] is True
    assert {item["kind"] for item in data["objects"]} == {
        *("heap", "toast", "toast index", "btree", "gin", "hnsw")
    }
    assert main(["measure"]) == 0
    assert "total" in capsys.readouterr().out


@pytest.mark.usefixtures("filled")
def test_who_may_not_read_is_told_who_may(server: Endpoint) -> None:
    with connect(server) as session, pytest.raises(SizingError, match="connect as the reader"):
        Live(session=session).measure()


def test_a_database_without_our_tables_is_named(
    server: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["measure"]) == 2
    assert f"database {server.database} has neither memory.zep" in capsys.readouterr().err


def test_zeps_own_tables_are_measured_where_they_are(server: Endpoint) -> None:
    with connect(server) as session:
        session.execute("CREATE EXTENSION vector")
        Loader(session=session, corpus=Corpus(workload=SMALL), say=silence).zep()
        session.execute("VACUUM (ANALYZE) zep.messages, zep.sessions, zep.users")
        measured = Live(session=session).measure()
    assert measured.rows == {"messages": 400, "sessions": 40, "users": 40}
    assert measured.comparison.within, measured.comparison.as_data()


@pytest.mark.usefixtures("server")
def test_simulate_says_what_it_found(capsys: pytest.CaptureFixture[str]) -> None:
    shape = ["--facts", "300", "--sessions", "20", "--messages-per-session", "5"]
    assert main(["simulate", *shape, "--dimensions", "64", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["within_limits"] is True
    assert main(["simulate", *shape, "--lists", "5", "--dimensions", "64"]) == 0
    assert "ivfflat" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["simulate", "--facts", "0"], "--sessions and --facts: found 0"),
        (["simulate", "--m", "200"], "less than or equal to 100"),
        (["simulate", "--m", "1"], "greater than or equal to 2"),
        (["simulate", "--content-bytes", "200000"], "texts: found 200,000 bytes"),
        (["simulate", "--dimensions", "5000"], "up to 2000 dimensions"),
    ],
)
@pytest.mark.usefixtures("server")
def test_a_mistake_is_one_line(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert words in error
