"""``python -m memory schema plan|apply|explain``, in this process, against a real server"""

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from memory.__main__ import main
from memory.schema.catalog import to_plain
from memory.schema.lock import LOCK_KEY
from memory.schema.model import DesiredSchema, Hnsw
from memory.schema.runner import apply, inspect
from memory.schema.target import expected, managed
from tests.memory.conftest import PASSWORDS, Live
from tests.memory.rows import INDEX, TABLE


@dataclass(frozen=True)
class Shell:
    """The command line with this database in libpq's variables, and files for its arguments."""

    live: Live
    folder: Path
    capsys: pytest.CaptureFixture[str]

    def file(self, name: str, content: str) -> str:
        (self.folder / name).write_text(content, encoding="utf-8")
        return str(self.folder / name)

    def run(self, verb: str, desired: DesiredSchema, *words: str) -> tuple[int, str, str]:
        """Run a command; return its status and what it wrote."""
        wanted = self.file("desired.json", desired.model_dump_json())
        status = main(["schema", verb, "--desired", wanted, *words])
        out, err = self.capsys.readouterr()
        return status, out, err

    def apply(self, desired: DesiredSchema, *words: str) -> tuple[int, str, str]:
        given = self.file("passwords.json", json.dumps(PASSWORDS))
        return self.run("apply", desired, "--passwords-from", given, *words)


@pytest.fixture
def shell(
    live: Live,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Shell:
    for key, value in live.server.environment(live.endpoint.database).items():
        monkeypatch.setenv(key, value)
    return Shell(live, tmp_path, capsys)


def reached(live: Live, desired: DesiredSchema) -> bool:
    return managed(inspect(live.endpoint, desired, PASSWORDS), desired) == expected(desired)


def test_apply_shows_the_plan_runs_it_and_has_nothing_to_do_the_next_time(shell: Shell) -> None:
    desired = shell.live.schema()
    status, out, err = shell.apply(desired, "--yes")
    assert status == 0
    assert out.index("CREATE TABLE memory.zep_memory_vectors") < out.index("done: ")
    assert "begin     access" in err
    assert reached(shell.live, desired)
    status, out, err = shell.apply(desired, "--yes")
    assert (status, out.splitlines()[0], err) == (0, "nothing to do", "")
    text = out + err
    assert not [password for password in PASSWORDS.values() if password in text]


def test_apply_takes_no_silence_for_a_yes(shell: Shell) -> None:
    status, out, err = shell.apply(shell.live.schema())
    assert status == 2
    assert "CREATE TABLE" in out
    assert "there is no terminal to ask on; look, then say --yes" in err
    assert inspect(shell.live.endpoint, shell.live.schema()).schema is None


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("YES", 0), ("", 1), ("n", 1)])
def test_apply_asks_on_a_terminal(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        return answer

    monkeypatch.setattr("memory.schema.console.is_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", ask)
    desired = shell.live.schema()
    assert shell.apply(desired)[0] == status
    assert len(asked) == 1
    assert f"steps on {shell.live.endpoint.host}/{shell.live.endpoint.database}? [y/N]" in asked[0]
    assert reached(shell.live, desired) == (status == 0)


def test_the_end_of_input_is_a_no(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(_: str) -> str:
        raise EOFError

    monkeypatch.setattr("memory.schema.console.is_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", ask)
    status, _, err = shell.apply(shell.live.schema())
    assert (status, err) == (1, "")
    assert inspect(shell.live.endpoint, shell.live.schema()).schema is None


def test_a_plan_that_changed_while_somebody_thought_is_shown_and_asked_for_again(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, desired = shell.live, shell.live.schema()
    apply(live.endpoint, desired, passwords=PASSWORDS)
    live.owner(f"ALTER TABLE {TABLE} RESET (autovacuum_vacuum_scale_factor)")
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        if len(asked) == 1:
            live.owner(f"ALTER TABLE {TABLE} ALTER created_at DROP DEFAULT")
        return "y" if len(asked) == 1 else "n"

    monkeypatch.setattr("memory.schema.console.is_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", ask)
    status, out, _ = shell.apply(desired)
    assert (status, len(asked)) == (1, 2)
    assert "1 steps on" in asked[0]
    assert "2 steps on" in asked[1]
    assert "created_at SET DEFAULT" in out.partition("has changed meanwhile")[2]
    assert not reached(live, desired)


def test_what_the_server_says_is_an_error_and_no_traceback(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended(*_: Any) -> None:
        raise psycopg.errors.AdminShutdown("terminating connection due to administrator command")

    monkeypatch.setattr("memory.schema.wanted.inspect", ended)
    status, out, err = shell.run("plan", shell.live.schema())
    assert (status, out) == (2, "")
    assert err == "terminating connection due to administrator command (57P01)\n"


@pytest.mark.parametrize("value", ["0", "-5", "1.5", "soon"])
def test_a_wait_for_a_lock_has_an_end(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["schema", "apply", f"--lock-timeout-ms={value}"])
    assert f"found '{value}', allowed is a whole number from 1 on" in capsys.readouterr().err


def test_apply_tells_programs_everything_as_lines_of_json(shell: Shell) -> None:
    live, desired = shell.live, shell.live.schema()
    status, out, _ = shell.apply(desired, "--yes", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [events[0]["event"], events[-1]["event"]] == ["plan", "done"]
    assert events[-1]["steps"] == len(events[0]["steps"])
    assert {"event": "begin", "text": "access", "step": 1} in events
    with psycopg.connect(live.server.dsn(live.endpoint.database), autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s, %s)", LOCK_KEY)
        holder = other.info.backend_pid
        status, out, _ = shell.apply(desired, "--yes", "--json", "--wait-seconds", "0.2")
    events = [json.loads(line) for line in out.splitlines()]
    assert (status, [event["event"] for event in events]) == (2, ["waiting", "error"])
    assert f"process {holder}, engramadmin" in events[1]["text"]


PASSWORD_FILES: dict[str, tuple[str, str]] = {
    "no json": ("secret-1", "no JSON; wanted {"),
    "a list": ('["secret-1"]', "wanted an object of texts"),
    "empty": ('{"app": ""}', "wanted an object of texts that are not empty"),
    "a stranger": ('{"admin": "secret-1"}', "admin is no purpose of a role; allowed are migrator"),
    "one missing": ('{"app": "secret-1", "reader": "secret-2"}', "give the password of migrator"),
}


@pytest.mark.parametrize("case", PASSWORD_FILES)
def test_passwords_that_cannot_be_used_are_refused_and_not_quoted(shell: Shell, case: str) -> None:
    content, message = PASSWORD_FILES[case]
    given = shell.file("given.json", content)
    status, out, err = shell.run("apply", shell.live.schema(), "--yes", "--passwords-from", given)
    assert status == 2
    assert message in err
    assert "secret" not in out + err
    assert inspect(shell.live.endpoint, shell.live.schema()).schema is None


def test_passwords_come_from_standard_input(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(PASSWORDS)))
    desired = shell.live.schema()
    assert shell.run("apply", desired, "--yes", "--passwords-from", "-")[0] == 0
    assert reached(shell.live, desired)


FORMATS: dict[str, Callable[[str], object]] = {
    "table": lambda text: text.startswith("  #  tx "),
    "sql": lambda text: text.startswith("-- Run it with psql -v ON_ERROR_STOP=1"),
    "json": lambda text: [step["sql"] for step in json.loads(text)["steps"]],
}


@pytest.mark.parametrize("form", FORMATS)
def test_plan_has_three_forms(shell: Shell, form: str) -> None:
    status, out, err = shell.run("plan", shell.live.schema(), "--format", form)
    assert (status, err) == (0, "")
    assert FORMATS[form](out)


def exported(live: Live, desired: DesiredSchema, rows: int) -> dict[str, Any]:
    """What ``pulumi stack export`` would print after an ``up``."""
    outputs = {
        "desired": desired.model_dump(mode="json", exclude_none=True),
        "database": live.endpoint.database,
        "state": to_plain(expected(desired)),
        "sizes": {"zep_memory_vectors": {"rows": rows, "bytes": rows * 7000}},
    }
    kind = "pulumi-python:dynamic/memory:VectorSchema"
    urn = f"urn:pulumi:dev::engram::{kind}::memory-schema"
    return {"deployment": {"resources": [{"urn": urn, "type": kind, "outputs": outputs}]}}


def test_a_change_is_planned_from_a_stacks_state_alone(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("PGHOST", "PGDATABASE", "PGUSER"):
        monkeypatch.delenv(key)
    now = shell.live.schema()
    state = shell.file("state.json", json.dumps(exported(shell.live, now, rows=50_000)))
    assert main(["schema", "plan", "--state", state]) == 0
    assert shell.capsys.readouterr().out == "-- memory-schema\nnothing to do\n"
    wish = shell.live.schema(index=Hnsw(column="embedding", m=24, ef_construction=100))
    status, out, _ = shell.run("plan", wish, "--state", state, "--json")
    (found,) = json.loads(out)
    assert (status, found["schema"]) == (0, "memory-schema")
    build = found["steps"][0]
    assert f"CONCURRENTLY {INDEX}_new" in build["sql"]
    assert (build["cost"]["rows"], build["cost"]["memory_mib"]) == (50_000, 339)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(exported(shell.live, now, rows=5))))
    status, out, _ = shell.run("explain", wish, "--state", "-")
    assert status == 0
    assert out.startswith("memory-schema\n\n6 steps in 4 batches")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--index", "ivfflat"], "USING ivfflat (embedding public.vector_cosine_ops)"),
        (["--dimensions", "768"], "embedding is vector(1536), wanted vector(768)"),
        (["--column-type", "halfvec"], "embedding is vector(1536), wanted halfvec(1536)"),
    ],
)
def test_a_stacks_vectors_may_be_wished_otherwise(
    shell: Shell, words: list[str], wanted: str
) -> None:
    now = shell.live.schema(index=Hnsw(column="embedding", m=24, ef_construction=100))
    state = shell.file("state.json", json.dumps(exported(shell.live, now, rows=50_000)))
    assert main(["schema", "plan", "--state", state, *words]) in {0, 2}
    out, err = shell.capsys.readouterr()
    assert wanted in out + err
    same = ["--index", "hnsw", "--dimensions", "1536"]
    assert main(["schema", "plan", "--state", state, *same]) == 0
    assert shell.capsys.readouterr().out == "-- memory-schema\nnothing to do\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--of", "zep", "--dimensions", "8"], "--dimensions: Zep makes its own tables"),
        (["--state", "STATE", "--of", "zep"], "--of: the stack knows whose"),
        (["--desired", "FILE", "--index", "hnsw"], "--index: FILE says all of it; leave it out"),
    ],
)
def test_an_argument_that_would_say_nothing_is_refused(
    shell: Shell, words: list[str], message: str
) -> None:
    exports = json.dumps(exported(shell.live, shell.live.schema(), rows=5))
    state = shell.file("state.json", exports)
    given = [state if word == "STATE" else word for word in words]
    assert main(["schema", "plan", *given]) == 2
    assert message in shell.capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no JSON .*; give what `pulumi stack export` prints"),
        ("{}", "found no deployment with resources"),
        ('{"deployment": {"resources": []}}', "holds no memory:VectorSchema"),
    ],
)
def test_a_state_that_cannot_be_read_is_refused(shell: Shell, content: str, message: str) -> None:
    state = shell.file("state.json", content)
    assert main(["schema", "plan", "--state", state]) == 2
    assert re.search(message, shell.capsys.readouterr().err)


def test_a_state_without_the_wanted_schema_says_what_it_holds(shell: Shell) -> None:
    now = shell.live.schema()
    state = shell.file("state.json", json.dumps(exported(shell.live, now, rows=5)))
    other = now.model_copy(update={"schema_name": "another"})
    status, _, err = shell.run("plan", other, "--state", state)
    assert status == 2
    assert "wants schema another; the stack holds memory" in err


def test_explain_tells_a_live_plan_in_prose(shell: Shell) -> None:
    desired = shell.live.schema()
    apply(shell.live.endpoint, desired, passwords=PASSWORDS)
    shell.live.owner(f"ALTER TABLE {TABLE} RESET (autovacuum_vacuum_scale_factor)")
    status, out, _ = shell.run("explain", desired)
    assert status == 0
    assert "1 step in 1 batch, 0 of them outside any transaction" in " ".join(out.split())
    assert "found autovacuum_vacuum_scale_factor = unset" in out
    status, out, _ = shell.run("explain", desired, "--json")
    assert json.loads(out)[0]["text"].startswith("1 step in 1 batch")


def test_a_graph_that_no_memory_of_the_machine_holds_is_refused_in_the_plan(
    shell: Shell,
) -> None:
    now = shell.live.schema()
    state = shell.file("state.json", json.dumps(exported(shell.live, now, rows=5_000_000)))
    wish = shell.live.schema(index=Hnsw(column="embedding", m=24, ef_construction=100))
    assert shell.run("plan", wish, "--state", state, "--memory-gib", "64")[0] == 0
    status, _, err = shell.run("plan", wish, "--state", state, "--memory-gib", "16")
    assert status == 2
    assert "the machine has 16,384 MiB in all; the ways out are: declare less (halfvec" in err


@pytest.mark.parametrize("verb", ["plan", "apply", "explain", "verify"])
def test_help_states_the_exit_codes(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["schema", verb, "--help"])
    words = " ".join(capsys.readouterr().out.split())
    assert "Exit codes: 0 all is well; 1 a check failed" in words
    assert "130 stopped by SIGINT or SIGTERM" in words


@pytest.mark.parametrize(
    ("words", "never"),
    [
        (["schema", "plan", "--offline", "memory"], ["memory.operations", "rich", "openai"]),
        (["zep", "status", "--help"], ["openai"]),
    ],
)
def test_a_command_imports_what_it_needs(words: list[str], never: list[str]) -> None:
    """A run that changes nothing is mostly imports."""
    command = (
        "import sys; from memory.__main__ import main\n"
        f"try: main({words})\nfinally: print(*sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert [name for name in never if name in answer.stdout.splitlines()[-1].split()] == []
