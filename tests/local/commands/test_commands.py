"""What the commands promise before and after the engine's work."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from local import lock
from local.__main__ import COMMANDS, main, parser
from local.commands.database import variables
from local.commands.destroy import refuse_protected
from local.commands.preview import diagnosis
from local.commands.session import Session
from local.commands.status import stacks
from local.commands.summary import count_types, desired_schema, judge_key, show
from local.errors import LocalError
from local.paths import Paths

KEY = "https://v.vault.azure.net/keys/db"
OUTPUTS: dict[str, Any] = {
    "postgres": {"fqdn": "db.postgres.database.azure.com", "port": 5432, "admin_login": "admin"},
    "postgres_admin_password": "canary",
    "memory": {"database": "memory"},
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


@pytest.mark.parametrize("as_json", [True, False])
def test_an_error_is_words_or_one_document(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    def fail(_session: Session, _arguments: object) -> int:
        raise LocalError("disk: full")

    monkeypatch.setattr(COMMANDS["status"], "run", fail)
    assert main(["status", *(["--json"] if as_json else [])]) == 1
    told = capsys.readouterr()
    if as_json:
        assert json.loads(told.out) == {"error": "disk: full"}
    else:
        assert (told.out, told.err) == ("", "disk: full\n")


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
        plugin = subprocess.Popen(
            [sys.executable, "-c", "import time; time.sleep(0.5)"], pass_fds=(descriptor,)
        )
        file.write_text(f"{2**22 + 1} working on dev")
    with plugin, session.alone():
        assert plugin.poll() == 0


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


def test_the_wanted_schema_is_read_from_the_state() -> None:
    schema = {"type": "pulumi-python:dynamic/memory:VectorSchema", "inputs": {"desired": {"a": 1}}}
    assert desired_schema({"resources": [{"type": "x"}, schema]}) == {"a": 1}
    assert desired_schema({}) == {}


def test_the_summary_shows_checks_and_no_password() -> None:
    words = io.StringIO()
    report = {
        "stack": "dev",
        "seconds": 3.2,
        "changes": {"create": 4, "same": 2},
        "resources": {"a:V": 2},
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
    latest = {"resources": [{"type": "a:V", "custom": True}], "pending_operations": [{}]}
    (folder / "dev.json").write_text(json.dumps({"checkpoint": {"latest": latest}}))
    (folder / "uat.json").write_text(json.dumps({"checkpoint": {}}))
    (folder / "uat.json.attrs").write_text("{}")
    assert stacks(tmp_path) == [
        {"stack": "dev", "resources": 1, "interrupted": True},
        {"stack": "uat", "resources": 0, "interrupted": False},
    ]
    assert stacks(tmp_path / "nothing") == []
