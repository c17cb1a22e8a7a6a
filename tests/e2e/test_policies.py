"""What the policies refuse is not made."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.customer import PROGRAM
from tests.e2e.installation import PROJECT, Installation

pytestmark = pytest.mark.e2e


def weakened_program(folder: Path) -> Path:
    """Return a copy of the program whose servers accept connections without TLS."""
    for name in (*PROGRAM, "Pulumi.uat.yaml"):
        source = PROJECT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    (folder / ".local").mkdir()
    for name in ("venv", "bin"):  # the tools are the clone's
        (folder / ".local" / name).symlink_to(PROJECT / ".local" / name)
    parameters = folder / "components" / "server_parameters.py"
    text = parameters.read_text(encoding="utf-8")
    weakened = text.replace('"require_secure_transport": "on"', '"require_secure_transport": "off"')
    assert weakened != text
    parameters.write_text(weakened, encoding="utf-8")
    return folder


def test_a_violation_in_uat_stops_up_before_anything_is_made(
    fresh: Installation, tmp_path: Path
) -> None:
    own = Installation(folder=fresh.folder, project=weakened_program(tmp_path))
    answer = own.run("up", "--stack", "uat")
    words = answer.stdout + answer.stderr
    assert answer.returncode == 1, words
    assert "[mandatory] [severity: critical]  postgres-tls-required" in words
    assert "engram-uat-require_secure_transport" in words
    assert "Set the server parameter require_secure_transport: on." in words
    assert "stack uat is not up, and nothing was changed" in words
    assert own.engine("uat").deployment().get("resources", []) == []
