"""What the program refuses, it refuses before any resource is declared."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.e2e.installation import PROJECT, Installation

pytestmark = pytest.mark.e2e

PROGRAM = ("Pulumi.yaml", "__main__.py", "stacks", "components", "memory")


def spoiled_program(folder: Path) -> Path:
    """Return a copy of the program whose stack file dev has three mistakes."""
    for name in PROGRAM:
        source = PROJECT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    stack = yaml.safe_load((PROJECT / "Pulumi.dev.yaml").read_text(encoding="utf-8"))
    settings = stack["config"]["engram:settings"]
    settings["memory"]["dimensions"] = 20_000
    settings["postgres"]["sku"] = "Standard_Z9"
    settings["postgress"] = {}
    (folder / "Pulumi.dev.yaml").write_text(yaml.safe_dump(stack), encoding="utf-8")
    return folder


def test_a_wrong_stack_file_declares_nothing_and_names_every_mistake(
    fresh: Installation, tmp_path: Path
) -> None:
    engine = replace(fresh.engine(), program=spoiled_program(tmp_path))
    engine.prepare()
    answer = engine.on_stack("up", "--yes", "--skip-preview", capture=True)
    assert answer.returncode != 0
    words = answer.stdout + answer.stderr
    for place in ("memory.dimensions", "postgres.sku", "postgress"):
        assert place in words
    assert "Traceback" not in words
    declared = [entry["type"] for entry in engine.deployment().get("resources", [])]
    assert declared == ["pulumi:pulumi:Stack"]  # the SDK's own, which stands for the run
