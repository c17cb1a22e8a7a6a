"""A server that existed before the stack: libpq goes where the stack file and the user say."""

import io
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from local import __main__ as door
from local.commands import clusters
from local.commands.database import variables, way
from local.commands.session import Session
from local.commands.summary import show, verify_key
from local.engine import Engine
from local.errors import LocalError
from local.paths import Paths
from local.toolchain import installer

ROUTER = {"PGHOSTADDR": "127.0.0.1", "PGPORT": "6000", "PGSSLROOTCERT": "/cloud/ca.pem"}
EXISTING = {"kind": "existing", "host": "db.corp.example", "port": 6543, "ca_file": "corp/ca.pem"}
MANAGED = {"kind": "managed"}
CA = {"PGSSLROOTCERT": "{folder}/corp/ca.pem"}
TUNNEL = {"PGHOSTADDR": "127.0.0.9", "PGPORT": "7000"}


def stack_file(folder: Path, postgres: object) -> Path:
    file = folder / "Pulumi.dev.yaml"
    document = {"config": {"engram:settings": {"postgres": postgres}}}
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("postgres", "tunnel", "leads"),
    [
        (MANAGED, {}, ROUTER),
        (MANAGED, TUNNEL, ROUTER),
        (EXISTING, {}, CA),
        (EXISTING, TUNNEL, {**CA, **TUNNEL}),
        (EXISTING, {"PGHOSTADDR": "127.0.0.9"}, {**CA, "PGHOSTADDR": "127.0.0.9"}),
        (EXISTING, {"PGSSLROOTCERT": "/theirs", "PGUSER": "theirs"}, CA),
        ({**EXISTING, "ca_file": "/etc/ca.pem"}, {}, {"PGSSLROOTCERT": "/etc/ca.pem"}),
        ({"kind": "existing"}, {}, {}),
        ("mine", {}, ROUTER),
        (None, {}, ROUTER),
    ],
)
def test_the_way_is_the_routers_only_for_a_server_of_the_stack(
    tmp_path: Path, postgres: object, tunnel: dict[str, str], leads: dict[str, str]
) -> None:
    found = way(stack_file(tmp_path, postgres), router=ROUTER, tunnel=tunnel)
    assert found == {name: value.format(folder=tmp_path) for name, value in leads.items()}


@pytest.mark.parametrize("text", [None, "", "config: [", "config: 1", "- a"])
def test_a_file_that_the_program_will_refuse_is_left_to_it(
    tmp_path: Path, text: str | None
) -> None:
    file = tmp_path / "Pulumi.dev.yaml"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    assert way(file, router=ROUTER, tunnel={}) == ROUTER


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """A session whose tools, cloud and engine are there already."""

    class Endpoint:
        environment = ROUTER

    monkeypatch.setattr(clusters, "start", lambda *_: {})
    monkeypatch.setattr("local.cloud.postgres.supervisor.start", Endpoint)
    monkeypatch.setattr(installer, "ensure", lambda *_: tmp_path / "pulumi")
    monkeypatch.setattr(Engine, "prepare", lambda _: None)
    paths = Paths(project=tmp_path, local=tmp_path / "local")
    return Session(
        paths=paths, stack="dev", console=Console(quiet=True), as_json=False, tunnel=TUNNEL
    )


@pytest.mark.parametrize(("postgres", "port"), [(MANAGED, "6000"), (EXISTING, "7000")])
def test_the_engine_gets_that_way(session: Session, postgres: object, port: str) -> None:
    stack_file(session.paths.project, postgres)
    assert session.engine().environment()["PGPORT"] == port


def test_of_the_users_variables_only_a_tunnels_are_remembered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[Session] = []
    monkeypatch.setenv("ENGRAM_LOCAL", str(tmp_path / "local"))
    for name, value in {**TUNNEL, "PGPASSWORD": "theirs"}.items():
        monkeypatch.setenv(name, value)

    def look(found: Session, _arguments: object) -> int:
        seen.append(found)
        return 0

    monkeypatch.setattr(door.COMMANDS["status"], "run", look)
    assert door.main(["status"]) == 0
    (found,) = seen
    assert found.tunnel == TUNNEL


OUTPUTS: dict[str, Any] = {
    "postgres": {
        "id": None,
        "name": "db.corp.example",
        "fqdn": "db.corp.example",
        "port": 6543,
        "admin_login": "admin",
    },
    "postgres_admin_password": "canary",
    "memory": {"database": "memory"},
    "encryption_key": {"uri": "https://kv.vault.azure.net/keys/k"},
}


@pytest.mark.parametrize(
    ("given", "passage"),
    [({}, "port 6543; CA /ca"), ({"PGHOSTADDR": "::1"}, "through ::1:6543; CA /ca")],
)
def test_the_summary_says_how_an_existing_server_is_reached(
    given: dict[str, str], passage: str
) -> None:
    words = io.StringIO()
    report = {
        "stack": "dev",
        "seconds": 1,
        "changes": {},
        "resources": {},
        "waiting": [],
        "sizing": None,
        "policies": {"rules": 1, "resources": 1, "violations": 0, "undecided": 0, "exceptions": 0},
        "reach": variables("dev", OUTPUTS, {"PGSSLROOTCERT": "/ca", **given}),
        "checks": [],
    }
    show(Console(file=words, width=120), report)
    assert f"admin at db.corp.example, database memory, {passage}\n" in words.getvalue()


def test_the_encryption_of_an_existing_server_is_its_owners() -> None:
    assert verify_key(OUTPUTS) == ()


ENGINE = """#!{python}
import pathlib, sys
pathlib.Path({seen!r}).write_text(repr((sys.argv[1:4], sys.stdin.read())))
sys.exit({code})
"""


def secret(session: Session, *arguments: str, code: int = 0, given: str = "") -> str:
    """Run the command with an engine that notes what it is told."""
    seen = session.paths.project / "seen"
    executable = session.paths.project / "pulumi"
    executable.write_text(ENGINE.format(python=sys.executable, seen=str(seen), code=code))
    executable.chmod(0o755)
    session.paths.locks.mkdir(parents=True)
    chosen = door.parser().parse_args(["secret", *arguments])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(given))
        door.COMMANDS["secret"].run(session, chosen)
    return seen.read_text()


@pytest.mark.parametrize(
    ("arguments", "command", "value"),
    [
        (["engram:kubeconfig"], ["config", "set", "--secret"], "canary"),
        (["engram:kubeconfig", "--remove"], ["config", "rm", "engram:kubeconfig"], ""),
    ],
)
def test_a_secret_goes_to_the_engine_by_its_input(
    session: Session, arguments: list[str], command: list[str], value: str
) -> None:
    assert secret(session, *arguments, given="canary") == repr((command, value))


def test_a_secret_that_is_refused_is_told(session: Session) -> None:
    with pytest.raises(LocalError, match="engram:x is not kept"):
        secret(session, "engram:x", code=1)
