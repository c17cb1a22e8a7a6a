"""What the commands promise before and after the engine's work."""

import io
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from rich.console import Console

from local import lock
from local.__main__ import COMMANDS, main, parser
from local.cloud.arm import ArmError
from local.commands.database import server_of, variables
from local.commands.destroy import refuse_protected, stop_if_last, unprotect
from local.commands.failures import in_words
from local.commands.preview import diagnosis
from local.commands.session import Session
from local.commands.status import stacks
from local.commands.summary import (
    PARAMETER_TYPE,
    STACK_TYPE,
    count_types,
    desired_schemas,
    judge_key,
    show,
    waiting,
)
from local.engine import Engine
from local.errors import LocalError
from local.paths import Paths

KEY = "https://v.vault.azure.net/keys/db"
OUTPUTS: dict[str, Any] = {
    "postgres": {"fqdn": "db.postgres.database.azure.com", "port": 5432, "admin_login": "admin"},
    "postgres_admin_password": "canary",
    "memory": {"database": "memory"},
}


def _parameter(name: str, *, pending: bool) -> dict[str, Any]:
    return {
        "type": PARAMETER_TYPE,
        "custom": True,
        "urn": f"urn::{name}",
        "outputs": {"name": name, "isConfigPendingRestart": pending},
    }


def _session(tmp_path: Path, stack: str = "dev") -> Session:
    paths = Paths(project=tmp_path, local=tmp_path)
    return Session(paths=paths, stack=stack, console=Console(quiet=True), as_json=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        parser().parse_args([command, "--help"])
    words = capsys.readouterr().out
    assert "--json" in words
    assert "--stack {dev,test,uat,prod}" in words


def test_an_unknown_stack_is_refused_with_the_known_ones(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["up", "--stack", "qa"])
    assert "invalid choice: 'qa' (choose from" in capsys.readouterr().err


def _let_status_raise(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(_session: Session, _arguments: object) -> int:
        raise error

    monkeypatch.setattr(COMMANDS["status"], "run", fail)


@pytest.mark.parametrize("as_json", [True, False])
def test_an_error_is_words_or_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    _let_status_raise(monkeypatch, LocalError("disk: full"))
    assert main(["status", *(["--json"] if as_json else [])]) == 1
    told = capsys.readouterr()
    if as_json:
        assert json.loads(told.out) == {"error": "disk: full"}
    else:
        assert (told.out, told.err) == ("", "disk: full\n")


COMMAND = ["/bin/pg_ctl", "start", "--canary"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (subprocess.TimeoutExpired(COMMAND, 60), "pg_ctl did not end within 60 s"),
        (subprocess.CalledProcessError(3, COMMAND), "pg_ctl failed with exit code 3"),
        (OSError(28, "No space left on device", "/a"), "No space left on device: /a. Correct"),
        (OSError("odd"), "odd. Correct the cause"),
        (psycopg.OperationalError("connection refused\n"), "PostgreSQL: connection refused\n"),
        (sqlite3.OperationalError("disk is full"), "the local cloud: disk is full. Correct"),
        (ArmError(403, "Forbidden", "no"), 'the local cloud: Status=403 Code="Forbidden"'),
    ],
)
def test_what_the_machine_refuses_is_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    words: str,
) -> None:
    _let_status_raise(monkeypatch, error)
    assert main(["status", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["error"]
    assert told == in_words(error)
    assert words in told
    assert "canary" not in told


def test_a_mistake_of_ours_shows_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    _let_status_raise(monkeypatch, ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError, match="ours"):
        main(["status"])


def test_an_interruption_ends_as_a_shell_expects(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _let_status_raise(monkeypatch, KeyboardInterrupt())
    assert main(["status"]) == 130
    assert capsys.readouterr().err.startswith("interrupted; run the command again")


def test_a_folder_of_somebody_else_is_refused_before_anything_is_removed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "letters").touch()
    monkeypatch.setenv("ENGRAM_LOCAL", str(tmp_path))
    assert main(["clean"]) == 1
    assert "holds files that are not ours" in capsys.readouterr().err
    assert (tmp_path / "letters").exists()


def test_two_commands_on_one_stack_exclude_each_other(tmp_path: Path) -> None:
    with (
        _session(tmp_path).alone(),
        pytest.raises(LocalError, match=rf"dev is busy: process {os.getpid()} \(working on dev\)"),
        _session(tmp_path).alone(),
    ):
        pass


def test_other_stacks_are_free_meanwhile(tmp_path: Path) -> None:
    with _session(tmp_path).alone() as one, _session(tmp_path, "test").alone() as other:
        assert one != other


def test_stopping_everything_waits_for_no_running_command(tmp_path: Path) -> None:
    with (
        _session(tmp_path, "uat").alone(),
        pytest.raises(LocalError, match="uat is busy"),
        _session(tmp_path).alone_everywhere(),
    ):
        pass


def test_what_a_killed_command_left_running_is_waited_for(tmp_path: Path) -> None:
    session = _session(tmp_path)
    file = session.paths.locks / "dev.lock"
    with lock.held(file, wait=False) as descriptor:
        words = "import pathlib, sys, time; time.sleep(0.5); pathlib.Path(sys.argv[1]).touch()"
        plugin = subprocess.Popen(
            [sys.executable, "-c", words, str(tmp_path / "ended")], pass_fds=(descriptor,)
        )
        file.write_text(f"{2**22 + 1} working on dev")
    with plugin, session.alone():
        assert (tmp_path / "ended").exists()


@pytest.mark.parametrize(
    ("resources", "refusal"),
    [
        (None, None),
        ([{"urn": "urn::a"}], None),
        ([{"urn": "urn::a", "protect": False}], None),
        (
            [{"urn": "urn::server", "protect": True}, {"urn": "urn::x"}],
            r"prod is protected and nothing was removed: server would .*"
            r"`make destroy STACK=prod ARGS=--unprotect`",
        ),
    ],
)
def test_protected_data_is_never_destroyed_by_accident(
    resources: list[dict[str, Any]] | None, refusal: str | None
) -> None:
    if refusal is None:
        assert refuse_protected("prod", {"resources": resources}) is None  # type: ignore[func-returns-value]
        return
    with pytest.raises(LocalError, match=refusal):
        refuse_protected("prod", {"resources": resources})


@pytest.mark.parametrize(("left", "busy"), [(0, False), (1, False), (0, True)])
def test_the_last_stack_that_goes_stops_what_nobody_else_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int, busy: bool
) -> None:
    stopped: list[bool] = []
    monkeypatch.setattr("local.cloud.postgres.supervisor.status", lambda: [None] * left)
    monkeypatch.setattr("local.cloud.postgres.supervisor.stop", lambda: stopped.append(True))
    with ExitStack() as other:
        if busy:
            other.enter_context(_session(tmp_path, "test").alone())
        stop_if_last(_session(tmp_path))
    assert stopped == ([] if left or busy else [True])


@pytest.mark.parametrize(("code", "refused"), [(0, False), (1, True)])
def test_a_protection_that_cannot_be_lifted_stops_the_command(
    tmp_path: Path, code: int, refused: bool
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: engram\n")
    executable = tmp_path / "pulumi"
    executable.write_text(f'#!/bin/sh\necho "$@" > asked\necho locked >&2\nexit {code}\n')
    executable.chmod(0o755)
    paths = Paths(project=tmp_path, local=tmp_path / "local")
    engine = Engine(executable=executable, paths=paths, stack="prod")
    if refused:
        with pytest.raises(LocalError, match=r"(?s)stack prod cannot be lifted.*:\nlocked\n"):
            unprotect(engine)
    else:
        unprotect(engine)
    assert (tmp_path / "asked").read_text() == "state unprotect --all --yes --stack prod\n"


def test_destroy_recovers_before_it_asks_what_is_protected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an interrupted run created is adopted, and may be protected."""
    asked: list[str] = []
    protected = {"resources": [{"urn": "urn::server", "protect": True}]}

    class Adopting:
        stack = "prod"

        def deployment(self) -> dict[str, Any]:
            return protected if "recover" in asked else {}

    monkeypatch.setattr(Session, "engine", lambda _self, _lock: Adopting())
    monkeypatch.setattr(
        "local.commands.recovery.recover", lambda _engine, _console: asked.append("recover")
    )
    monkeypatch.setattr(
        "local.commands.destroy.unprotect", lambda _engine: asked.append("unprotect")
    )
    for flags in ([], ["--unprotect"]):
        asked.clear()
        chosen = parser().parse_args(["destroy", *flags])
        with pytest.raises(LocalError, match="server would be lost"):
            COMMANDS["destroy"].run(_session(tmp_path, "prod"), chosen)
        assert asked == ["recover", *(flag.strip("-") for flag in flags)]


@pytest.mark.parametrize(
    ("outputs", "refusal"),
    [
        ({}, "dev has no database yet"),
        ({"postgres": {"id": None, "fqdn": "db.corp"}}, "whoever runs db.corp restarts it"),
    ],
)
def test_only_a_server_of_the_stack_is_restarted(outputs: dict[str, Any], refusal: str) -> None:
    with pytest.raises(LocalError, match=refusal):
        server_of("dev", outputs)
    assert server_of("dev", {"postgres": {"id": "/a", "name": "a"}}) == "a"


def test_parameters_that_wait_are_read_from_the_state() -> None:
    resources = [_parameter("a", pending=True), _parameter("b", pending=False), {"type": "x"}]
    assert waiting({"resources": resources}) == {"a": "urn::a"}
    assert waiting({}) == {}


def test_a_client_verifies_the_server_and_takes_the_way_from_outside() -> None:
    way = variables("dev", OUTPUTS, {"PGHOSTADDR": "127.0.0.1", "PGPORT": "6000"})
    assert way == {
        "PGHOST": "db.postgres.database.azure.com",
        "PGHOSTADDR": "127.0.0.1",
        "PGPORT": "6000",
        "PGUSER": "admin",
        "PGPASSWORD": "canary",
        "PGDATABASE": "memory",
        "PGSSLMODE": "verify-full",
    }


def test_a_stack_without_a_database_says_how_to_get_one() -> None:
    with pytest.raises(LocalError, match="dev has no database yet; run `make up STACK=dev` first"):
        variables("dev", {}, {})


@pytest.mark.parametrize(
    ("used", "ok", "found"),
    [
        (f"{KEY}/0a1b", True, f"{KEY}, version 0a1b"),
        ("https://v.vault.azure.net/keys/other/1", False, "https://v.vault.azure.net/keys/other/1"),
        (KEY, False, KEY),
        (None, False, "none"),
    ],
)
def test_the_key_check_names_the_version_in_use(used: str | None, ok: bool, found: str) -> None:
    check = judge_key(KEY, used)
    assert (check.ok, check.found) == (ok, found)


def test_only_real_resources_are_counted() -> None:
    kinds = [("a:V", True), ("a:V", True), ("pulumi:providers:a", True), ("c:Component", False)]
    resources = [{"type": kind, "custom": custom} for kind, custom in kinds]
    assert count_types({"resources": resources}) == {"a:V": 2}
    assert count_types({}) == {}


def test_the_wanted_schemas_are_read_from_the_state() -> None:
    def schema(database: str) -> dict[str, object]:
        kind = "pulumi-python:dynamic/memory:VectorSchema"
        return {"type": kind, "inputs": {"database": database, "desired": {"of": database}}}

    resources = [{"type": "x"}, schema("memory"), schema("zep")]
    wanted = {"memory": {"of": "memory"}, "zep": {"of": "zep"}}
    assert desired_schemas({"resources": resources}) == wanted
    assert desired_schemas({}) == {}


def test_the_summary_shows_checks_and_no_password() -> None:
    words = io.StringIO()
    report = {
        "stack": "dev",
        "seconds": 3.2,
        "changes": {"create": 4, "same": 2},
        "resources": {"a:V": 2},
        "waiting": ["max_connections"],
        "sizing": None,
        "policies": {
            "rules": 3,
            "resources": 2,
            "violations": 0,
            "undecided": 0,
            "exceptions": 0,
            "findings": [],
        },
        "reach": variables("dev", OUTPUTS, {"PGHOSTADDR": "127.0.0.1", "PGSSLROOTCERT": "/ca"}),
        "checks": [
            {"name": "tls", "ok": True, "found": "TLSv1.3", "wanted": "TLSv1.3"},
            {"name": "index", "ok": False, "found": "invalid [x]", "wanted": "valid"},
        ],
    }
    show(Console(file=words, width=120), report)
    text = words.getvalue()
    assert "dev stands after 3.2 s; 4 created\n" in text
    assert "invalid [x]; wanted valid" in text
    assert "policies  3 rules judged 2 resources: 0 violations" in text
    assert "waiting for `make restart STACK=dev`: max_connections\n" in text
    assert "canary" not in text


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ('{"diagnostics": [{"severity": "error", "message": "bad sku\\n"}]}', "bad sku"),
        ('{"diagnostics": [{"severity": "info", "message": "hello"}]}', None),
        ("error: no stack\n", "error: no stack"),
    ],
)
def test_a_failed_preview_keeps_the_engines_words(output: str, words: str | None) -> None:
    assert diagnosis(output) == (words or output)


def test_status_reads_what_the_backend_holds(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi" / "stacks" / "engram"
    folder.mkdir(parents=True)
    sizing = {"due_in_months": 14, "due_on": "2028-01-01"}
    root = {"type": STACK_TYPE, "outputs": {"sizing": sizing}}
    latest = {"resources": [root, _parameter("a", pending=True)], "pending_operations": [{}]}
    (folder / "dev.json").write_text(json.dumps({"checkpoint": {"latest": latest}}))
    (folder / "uat.json").write_text(json.dumps({"checkpoint": {}}))
    (folder / "uat.json.attrs").write_text("{}")
    assert stacks(tmp_path) == [
        {
            "stack": "dev",
            "resources": 1,
            "waiting": 1,
            "interrupted": True,
            "large_enough": "until 2028-01-01",
        },
        {"stack": "uat", "resources": 0, "waiting": 0, "interrupted": False, "large_enough": ""},
    ]
    assert stacks(tmp_path / "nothing") == []
