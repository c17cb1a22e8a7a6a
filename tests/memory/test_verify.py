"""memory/schema/verify.py and the command line, against a real server."""

import json
import re

import pytest

from memory.__main__ import main
from memory.schema.runner import apply
from memory.schema.verify import verify
from stacks.memory_terms import desired_schema
from tests.memory.conftest import PASSWORDS, Live, renamed
from tests.stacks.files import STACKS, settings_of

TABLE = "memory.zep_memory_vectors"
INDEX = "zep_memory_vectors_embedding_idx"


def failing(live: Live) -> dict[str, str]:
    """What verify finds wrong, by check."""
    report = verify(live.endpoint, live.schema())
    return {check.name: check.found for check in report.checks if not check.ok}


def test_proves_a_live_schema(live: Live) -> None:
    apply(live.endpoint, live.schema(), passwords=PASSWORDS)
    report = verify(live.endpoint, live.schema())
    assert report.ok
    assert report.tls == "TLSv1.3"
    found = {check.name: check.found for check in report.checks}
    assert found["dimension of embedding"] == "vector(1536)"
    assert found["extension pg_stat_statements"].startswith("1.")
    assert found["extension pgaudit"].startswith("left out; the server has not loaded its library")
    answered = rf"answered by {INDEX} \(sequential scans off\), 0 rows; \d+ scans counted"
    assert re.match(answered, found["nearest neighbours"])


@pytest.mark.parametrize(
    ("damage", "check", "found"),
    [
        (f"DROP INDEX memory.{INDEX}", f"index {INDEX}", "absent"),
        (
            f"ALTER TABLE {TABLE} RESET (autovacuum_vacuum_cost_delay)",
            "autovacuum options",
            "autovacuum_vacuum_cost_delay=unset",
        ),
        (f"REVOKE UPDATE ON {TABLE} FROM APP", "grants of APP", "vectors: DELETE INSERT SELECT;"),
        (f"DROP TABLE {TABLE}", f"table {TABLE}", "absent"),
        (
            f"ALTER TABLE {TABLE} ALTER embedding TYPE public.vector(3)",
            "dimension of embedding",
            "vector(3)",
        ),
    ],
)
def test_names_what_is_wrong(live: Live, damage: str, check: str, found: str) -> None:
    desired = live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    app = desired.role("app").name
    live.owner(damage.replace("APP", app))
    wrong = failing(live)
    assert found in wrong[check.replace("APP", app)]
    assert "drift" in wrong


@pytest.mark.parametrize("stack", STACKS)
def test_every_stacks_wish_is_reached_and_proven(live: Live, stack: str) -> None:
    desired = renamed(desired_schema(settings_of(stack).memory), live.endpoint.database)
    apply(live.endpoint, desired, passwords=PASSWORDS)
    report = verify(live.endpoint, desired)
    assert [check for check in report.checks if not check.ok] == []
    found = {check.name: check.found for check in report.checks}
    index = desired.tables[0].ann_index
    assert index is not None
    assert found[f"index {INDEX}"].startswith(f"valid {index.method} (embedding)")
    retrained = f"REINDEX INDEX CONCURRENTLY memory.{INDEX} after a load"
    assert (retrained in found[f"index {INDEX}"]) == (index.method == "ivfflat")


def test_an_empty_database_fails_every_check_but_tls(live: Live) -> None:
    assert "tls" not in failing(live)
    assert failing(live)["extension vector"] == "absent"


def test_command_line_prints_json_and_its_status(
    live: Live,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: object,
) -> None:
    desired = live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    for key, value in live.server.environment(live.endpoint.database).items():
        monkeypatch.setenv(key, value)
    file = f"{tmp_path}/desired.json"
    with open(file, "w", encoding="utf-8") as stream:  # noqa: PTH123 - tmp_path is typed loosely
        stream.write(desired.model_dump_json())
    assert main(["schema", "verify", "--json", "--desired", file]) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert main(["schema", "verify", "--index", "ivfflat"]) == 1
    assert f"NO  index {INDEX}" in " ".join(capsys.readouterr().out.split("\n")).replace("   ", " ")
    assert main(["schema", "plan", "--desired", file]) == 0
    assert capsys.readouterr().out.startswith("nothing to do\n")


@pytest.mark.parametrize(
    ("of", "statement", "granted"),
    [
        ("memory", "CREATE SCHEMA memory AUTHORIZATION memory_migrator;", False),
        ("zep", "CREATE SCHEMA zep AUTHORIZATION zep_app;", False),
        ("zep-on-azure", "CREATE SCHEMA zep AUTHORIZATION zep_app;", True),
    ],
)
def test_command_line_plans_without_a_database(
    of: str, statement: str, granted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schema", "plan", "--offline", "x", "--format", "sql", "--of", of]) == 0
    text = capsys.readouterr().out
    assert "CREATE EXTENSION vector SCHEMA public;" in text
    assert statement in text
    assert ("GRANT azure_pg_admin TO zep_app" in text) == granted


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["schema", "verify"], "PGHOST, PGDATABASE, PGUSER not set"),
        (["schema", "plan", "--dimensions", "3000"], "use halfvec (up to 4000)"),
        (["schema", "plan", "--desired", "absent.json"], "absent.json"),
    ],
)
def test_command_line_says_what_is_wrong(
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for key in ("PGHOST", "PGDATABASE", "PGUSER"):
        monkeypatch.delenv(key, raising=False)
    assert main(arguments) == 2
    assert message in capsys.readouterr().err
