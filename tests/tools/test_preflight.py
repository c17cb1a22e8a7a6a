"""tools/resizing/preflight.py against a real server with the memory's schema in it."""

import json
import os
from dataclasses import dataclass, replace

import psycopg
import pytest

from memory.schema import runner
from memory.schema.connection import Endpoint
from memory.schema.errors import ConnectionRefused
from memory.schema.model import DesiredSchema, Role, memory_schema
from sizing.catalogue import SKUS
from tests.postgres import ADMIN, PASSWORD, PostgresServer, default_settings
from tests.stacks.files import ROOT
from tools.resizing import cli
from tools.resizing import preflight as looked
from tools.resizing.preflight import Check, Preflight, Wanted, preflight

PASSWORDS = {"migrator": "m-secret-1", "app": "a-secret-1", "reader": "r-secret-1"}
MADE_AS = SKUS["Standard_B2s"]
"""What the test's server was made as."""
SIX = Wanted(sku=MADE_AS, storage_gib=32, connections_needed=100)


@dataclass(frozen=True)
class Live:
    """A database with the schema, its administrator, and what the stack file would say of it."""

    endpoint: Endpoint
    server: PostgresServer
    desired: DesiredSchema

    @property
    def wanted(self) -> Wanted:
        return replace(SIX, schemas={self.endpoint.database: self.desired})

    def sql(self, statement: str) -> None:
        """As a superuser, whom Azure grants nobody."""
        with self.server.server.superuser(self.endpoint.database) as session:
            session.execute(statement)


@pytest.fixture
def live(postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch) -> Live:
    for key in [key for key in os.environ if key.startswith("PG")]:
        monkeypatch.delenv(key)
    for key, value in postgres_server.endpoint.environment.items():
        monkeypatch.setenv(key, value)
    endpoint = Endpoint(
        host=postgres_server.server.fqdn, database=database, user=ADMIN, password=PASSWORD
    )
    made = memory_schema(dimensions=8)
    roles = tuple(
        Role(purpose=role.purpose, name=f"{database}_{role.purpose}", privileges=role.privileges)
        for role in made.roles
    )
    desired = made.model_copy(update={"roles": roles})
    runner.apply(endpoint, desired, passwords=PASSWORDS)  # type: ignore[arg-type] # by purpose
    return Live(endpoint, postgres_server, desired)


def report_of(live: Live, wanted: Wanted | None = None, *, warm: bool = True) -> Preflight:
    return preflight(live.endpoint, wanted or live.wanted, wait_seconds=0, warm=warm)


def named(report: Preflight, name: str) -> Check:
    (check,) = [check for check in report.checks if check.name == name]
    return check


def test_a_server_of_its_size_is_fit(live: Live) -> None:
    report = report_of(live)
    assert report.ok, list(report.lines())
    assert named(report, "connections are answered").found.startswith("PostgreSQL 18")
    assert named(report, "max_connections").advice == ""
    assert named(report, "connection budget").found.startswith("414 granted, 100 at the busiest")
    assert named(report, f"{live.endpoint.database}: drift").found == "none"
    assert next(iter(report.lines())) == f"{live.endpoint.host}: fit for work"


def test_what_azure_computed_for_the_former_size_is_told(live: Live) -> None:
    larger = replace(live.wanted, sku=SKUS["Standard_D4s_v3"])
    report = report_of(live, larger)
    assert report.ok, "it works, with less than it could have"
    connections = named(report, "max_connections")
    assert (connections.found, connections.wanted) == ("429", "1718")
    assert "--name max_connections --value 1718, then restart" in connections.advice
    buffers = named(report, "shared_buffers")
    assert buffers.wanted == str(32768 * 16), "a quarter of 16 GiB, in pages of 8 KiB"
    memory = named(report, "maintenance_work_mem")
    assert memory.wanted == "274432"
    assert memory.advice.endswith("--value 274432"), "in effect at once"
    assert any(line.startswith("  look max_connections") for line in report.lines())


def test_what_the_file_sets_is_not_azures_to_compute(live: Live) -> None:
    stated = replace(live.wanted, parameters={"maintenance_work_mem": 1048576})
    advice = named(report_of(live, stated), "maintenance_work_mem").advice
    assert advice == "1048576 is the stack file's value: pulumi refresh, then up"


def test_too_few_connections_make_it_unfit(live: Live) -> None:
    report = report_of(live, replace(live.wanted, connections_needed=415))
    assert not report.ok
    budget = named(report, "connection budget")
    assert not budget.ok
    assert "415 or more: raise max_connections" in budget.wanted
    assert "NOT fit for work" in next(iter(report.lines()))


def test_a_full_disk_makes_it_unfit(live: Live) -> None:
    assert not named(report_of(live, replace(live.wanted, storage_gib=0)), "data on the disk").ok


def test_a_schema_that_drifted_makes_it_unfit(live: Live) -> None:
    live.sql("DROP INDEX memory.zep_memory_vectors_embedding_idx")
    report = report_of(live)
    assert not report.ok
    assert not named(report, f"{live.endpoint.database}: drift").ok


def test_a_parameter_that_waits_is_named_with_its_runbook(live: Live) -> None:
    server = live.server.server
    settings = {**default_settings(), "azure.extensions": "vector,pg_stat_statements"}
    try:
        server.reload({**settings, "max_connections": "500"})
        pending = named(report_of(live), "parameters that wait for a restart")
        assert "max_connections" in pending.found
        assert pending.advice == "docs/runbooks/static-parameters.md"
    finally:
        server.reload(settings)
    assert (ROOT / pending.advice).is_file()


def test_the_index_is_read_beforehand_where_the_server_can(live: Live) -> None:
    name = "the index is in memory"
    cold = named(report_of(live), name)
    assert (cold.ok, "CREATE EXTENSION pg_prewarm" in cold.advice) == (True, True)
    live.sql("CREATE EXTENSION pg_prewarm")
    assert named(report_of(live), name).found == "2 pages read"
    assert named(report_of(live, warm=False), name).found == "not asked for"


def test_an_index_that_may_not_be_read_is_said_to_be_cold(live: Live) -> None:
    live.sql("CREATE EXTENSION pg_prewarm; REVOKE ALL ON FUNCTION pg_prewarm FROM public")
    warmed = named(report_of(live), "the index is in memory")
    assert (warmed.ok, "permission denied" in warmed.found) == (False, True)


@pytest.mark.parametrize(("share", "fits"), [(0.79, True), (0.81, False)])
def test_an_index_beyond_four_fifths_of_memory_does_not_fit(share: float, fits: bool) -> None:
    check = looked._fits_in_memory("i", int(share * 4 * 2**30), MADE_AS)
    assert check.ok is fits


def test_a_server_that_is_switched_over_is_waited_for(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "1")
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            monkeypatch.setenv("PGPORT", str(live.server.endpoint.port))

    assert preflight(live.endpoint, SIX, wait_seconds=60, sleep=sleep).ok
    assert pauses == [5.0, 5.0]


@pytest.mark.parametrize(("port", "password", "words"), [
    ("1", PASSWORD, "nothing listens there"),
    ("", "wrong-Password-1", "the password in the stack is not the server's"),
])  # fmt: skip
def test_who_never_answers_is_told_with_the_remedy(
    port: str, password: str, words: str, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    if port:
        monkeypatch.setenv("PGPORT", port)
    endpoint = replace(live.endpoint, password=password)
    waits = 0 if port else 600  # a wrong password is not waited for

    with pytest.raises(ConnectionRefused, match=words):
        preflight(endpoint, SIX, wait_seconds=waits)


def test_the_command_answers_with_its_code(
    live: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = {
        "postgres": {"fqdn": live.endpoint.host, "port": 5432, "admin_login": ADMIN},
        "postgres_admin_password": PASSWORD,
        "memory": {"database": live.endpoint.database},
    }
    monkeypatch.setattr(cli, "outputs", lambda _: outputs)
    for name in ("PGHOST", "PGUSER", "PGPASSWORD", "PGDATABASE"):
        monkeypatch.setenv(name, "")  # so that it is put back
        monkeypatch.delenv(name)
    monkeypatch.setattr(cli, "_wanted", lambda *_: live.wanted)
    line = ["preflight", "--stack=dev", "--wait-seconds=0"]
    assert cli.main([*line, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    monkeypatch.setattr(cli, "_wanted", lambda *_: replace(live.wanted, connections_needed=10**6))
    assert cli.main(line) == 1
    assert "NOT fit for work" in capsys.readouterr().out


def test_who_was_asked_is_compared_with_the_stacks_own_server(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = {
        "postgres": {"fqdn": "new.example", "port": 5432, "admin_login": ADMIN},
        "postgres_admin_password": PASSWORD,
        "memory": {"database": "memory"},
    }
    for name, value in (("PGUSER", "u"), ("PGDATABASE", "d"), ("PGHOST", "former.example")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cli, "preflight", lambda *_, **__: Preflight(host="h", checks=()))
    monkeypatch.setattr(cli, "outputs", lambda _: outputs)
    assert cli.main(["preflight", "--stack=dev"]) == 1
    said = capsys.readouterr().out
    assert "former.example, as PGHOST says; wanted the stack's, new.example: unset PGHOST" in said
    monkeypatch.setenv("PGHOST", "new.example")
    assert cli.main(["preflight", "--stack=dev"]) == 0
    monkeypatch.setattr(cli, "outputs", lambda _: {})
    assert cli.main(["preflight", "--stack=dev"]) == 0
    assert "not compared with the stack's" in capsys.readouterr().out


def test_an_index_that_was_not_looked_at_is_said_to_be_so(live: Live) -> None:
    on_nodes = named(report_of(live, SIX), "the memory table against memory")
    assert (on_nodes.found, "on the nodes" in on_nodes.advice) == ("not looked at", True)
    live.sql("DROP INDEX memory.zep_memory_vectors_embedding_idx")
    check = named(report_of(live), "zep_memory_vectors_embedding_idx against memory")
    assert (check.found, "has no such index" in check.advice) == ("not looked at", True)


def test_the_stack_file_says_what_is_wanted() -> None:
    options = cli.parser().parse_args(["preflight", "--stack=uat"])
    options.file = ROOT / "Pulumi.uat.yaml"
    wanted = cli._wanted(*cli._server(options))
    assert (wanted.sku.name, wanted.storage_gib) == ("Standard_D2s_v3", 128)
    assert wanted.parameters == {"maintenance_work_mem": 1048576}
    assert list(wanted.schemas) == ["memory", "zep"]
    assert wanted.connections_needed == 412


def test_a_servers_refusal_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise psycopg.OperationalError("the server\nwent away")

    monkeypatch.setenv("PGHOST", "h")
    monkeypatch.setenv("PGUSER", "u")
    monkeypatch.setenv("PGDATABASE", "d")
    monkeypatch.setattr(cli, "preflight", refused)
    monkeypatch.setattr(cli, "outputs", lambda _: {})
    assert cli.main(["preflight", "--stack=dev"]) == 2
    assert capsys.readouterr().err == "the server went away\n"
