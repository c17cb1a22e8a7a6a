"""local/commands/outputs.py: what a program is told, and a terminal is not."""

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from local.commands import outputs
from local.commands.session import Session
from local.engine import Engine
from local.errors import LocalError
from local.paths import Paths

OUTPUTS: dict[str, Any] = {
    "postgres": {"fqdn": "psql.example", "port": 5432, "admin_login": "engram_admin"},
    "postgres_admin_password": "hunter2",
    "memory": {"database": "memory"},
}


class Standing(Session):
    """A session of a stack that stands."""

    def engine(self, lock: int | None = None) -> Engine:
        assert lock is None, "looking needs no lock"
        way = {"PGHOSTADDR": "127.0.0.1", "PGPORT": "6000"}
        return cast(Engine, SimpleNamespace(outputs=lambda: OUTPUTS, extra=way))


@pytest.fixture
def session(tmp_path: Path) -> Session:
    paths = Paths(project=tmp_path, local=tmp_path)
    return Standing(paths=paths, stack="dev", console=Console(quiet=True), as_json=True)


def test_a_program_gets_the_outputs_and_the_way(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outputs.run(session, argparse.Namespace()) == 0
    told = json.loads(capsys.readouterr().out)
    assert {name: told[name] for name in OUTPUTS} == OUTPUTS
    assert told["environment"]["PGHOST"] == "psql.example"
    assert told["environment"]["PGPORT"] == "6000"
    assert told["environment"]["PGPASSWORD"] == "hunter2"


def test_a_terminal_gets_nothing(
    session: Session, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    with pytest.raises(LocalError, match="through a pipe"):
        outputs.run(session, argparse.Namespace())
    assert capsys.readouterr().out == ""
