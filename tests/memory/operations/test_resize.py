"""memory/operations/resize: the door to the project's tool"""

import json
from pathlib import Path

import pytest

from memory.__main__ import main
from memory.operations.resize import cli
from tests.memory.conftest import Live
from tests.memory.operations.prepared import prepared, session_of, standing_as

TOOL = """\
import json, sys
print(json.dumps(sys.argv[1:]))
sys.exit({status})
"""


@pytest.fixture
def tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tool that says what it was told, and ends as the test wants."""
    file = tmp_path / "resize.py"
    file.write_text(TOOL.format(status=0), encoding="utf-8")
    monkeypatch.setattr(cli, "TOOL", file)
    return file


@pytest.mark.parametrize("status", [0, 1, 2])
def test_words_and_status_go_through(
    tool: Path, capfd: pytest.CaptureFixture[str], status: int
) -> None:
    tool.write_text(TOOL.format(status=status), encoding="utf-8")
    words = ["--stack", "uat", "--sku", "Standard_D4s_v3"]
    assert main(["resize", "plan", *words]) == status
    assert json.loads(capfd.readouterr().out) == ["plan", *words]


def test_the_tool_is_the_projects_own() -> None:
    assert cli.TOOL.exists()


def test_an_apply_without_a_database_is_not_entered_and_says_so(
    tool: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tool.exists()
    monkeypatch.delenv("PGHOST", raising=False)
    assert main(["resize", "apply", "--stack", "uat"]) == 0
    assert "not entered in the books" in capfd.readouterr().err


@pytest.mark.parametrize("status", [0, 1])
def test_an_apply_is_entered_before_and_after(
    live: Live, tool: Path, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    prepared(live)
    standing_as(live, monkeypatch)
    tool.write_text(TOOL.format(status=status), encoding="utf-8")
    assert main(["resize", "apply", "--stack", "uat"]) == status
    with session_of(live) as session:
        query = "SELECT detail FROM memory.memory_operations ORDER BY position"
        begun, ended = [detail for (detail,) in session.execute(query)]
    assert (begun["state"], begun["words"]) == ("begun", ["--stack", "uat"])
    assert (ended["state"], ended["status"]) == ("done", status)


def test_a_place_without_the_project_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "TOOL", tmp_path / "resize.py")
    assert main(["resize", "apply", "--stack", "uat"]) == 2
    assert "made where the project is checked out" in capsys.readouterr().err
