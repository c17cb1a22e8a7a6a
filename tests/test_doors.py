"""Who may import whom: the rooms of docs/architecture.md, held by a test."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT: dict[str, set[str]] = {
    "memory": set(),
    "memory.schema": set(),
    "memory.embeddings": set(),
    "memory.encryption": set(),
    "memory.service": {"memory.encryption", "memory.embeddings", "memory.schema"},
    "memory.operations": {"memory.encryption", "memory.schema", "memory.embeddings", "sizing"},
    "memory.workflows": {
        "memory.encryption",
        "memory.embeddings",
        "memory.operations",
        "memory.schema",
    },
    "sizing": {"memory.schema"},
    "local": set(),
    "components": {"memory.schema"},
    "stacks": {"components", "memory.schema", "sizing"},
    "tools": {"stacks", "sizing", "memory.schema"},
    "assurance": set(),
    "assurance.policies": {"assurance.errors", "assurance.exceptions"},
    "assurance.review": {"assurance", "memory.schema", "sizing"},
    "__main__.py": {"stacks"},
}
"""A room, and the packages of ours that it may import beside itself.

A file is of the innermost room that it is in.
"""

OURS = {"memory", "sizing", "local", "components", "stacks", "tools", "assurance", "tests", "bench"}


def _files(room: str) -> list[Path]:
    place = ROOT / room
    if place.is_file():
        return [place]
    inner = [ROOT.joinpath(*other.split(".")) for other in MAY_IMPORT if f"{room}." in other]
    files = sorted(ROOT.joinpath(*room.split(".")).rglob("*.py"))
    return [file for file in files if not any(file.is_relative_to(folder) for folder in inner)]


FILES = [(room, file) for room in MAY_IMPORT for file in _files(room)]


def imported_modules(source: str) -> set[str]:
    """Return the dotted names of our own modules that a source text imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in OURS}


def forbidden_imports(room: str, source: str) -> set[str]:
    """Return what a file of this room imports and may not."""
    allowed = {room, *MAY_IMPORT.get(room, {room.partition(".")[0]})}
    return {
        name
        for name in imported_modules(source)
        if not any(name == door or name.startswith(f"{door}.") for door in allowed)
    }


@pytest.mark.parametrize(
    ("room", "file"), FILES, ids=[f"{room}:{file.relative_to(ROOT)}" for room, file in FILES]
)
def test_imports_go_one_way(room: str, file: Path) -> None:
    assert forbidden_imports(room, file.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize(
    ("room", "source", "refused"),
    [
        ("components", "from memory.schema import model", set()),
        ("components", "from memory.service import app", {"memory.service.app"}),
        ("components", "import memory", {"memory"}),
        ("components", "from stacks.settings import Settings", {"stacks.settings.Settings"}),
        ("memory.schema", "from memory.operations import cli", {"memory.operations.cli"}),
        ("memory", "import components.postgres", {"components.postgres"}),
        ("local", "from memory.schema import plan", {"memory.schema.plan"}),
        ("stacks", "import local", {"local"}),
        ("assurance.policies", "from assurance.cluster import live", {"assurance.cluster.live"}),
        ("assurance.compliance", "from memory.schema import model", {"memory.schema.model"}),
        ("sizing", "from stacks.settings import model", {"stacks.settings.model"}),
        ("memory.schema", "from sizing import predict", {"sizing.predict"}),
    ],
)
def test_a_closed_door_is_noticed(room: str, source: str, refused: set[str]) -> None:
    assert forbidden_imports(room, source) == refused


def test_only_settings_read_the_configuration() -> None:
    readers = {
        str(file.relative_to(ROOT))
        for room in ("stacks", "components", "__main__.py")
        for file in _files(room)
        if "pulumi.Config(" in file.read_text(encoding="utf-8")
    }
    assert {name.removeprefix("stacks/")[:8] for name in readers} == {"settings"}


@pytest.mark.parametrize("room", ["stacks", "components", "memory"])
def test_no_room_asks_where_it_runs(room: str) -> None:
    for file in _files(room):
        text = file.read_text(encoding="utf-8").lower()
        assert "local.cloud" not in text, file
        assert "local cloud" not in text, file


def test_a_size_is_reckoned_without_looking() -> None:
    """What opens a connection is in ``sizing/live``; only the commands go there."""
    reckoning = [file for file in ROOT.glob("sizing/*.py") if file.name != "__main__.py"]
    used = {name for file in reckoning for name in imported_modules(file.read_text("utf-8"))}
    assert not {name for name in used if name.startswith("sizing.live")}


def test_mypy_reads_every_service_of_azure_that_the_program_uses() -> None:
    sources = [file.read_text(encoding="utf-8") for room in MAY_IMPORT for file in _files(room)]
    used = {
        name
        for source in sources
        for names in re.findall(r"from pulumi_azure_native import ([\w, ]+)", source)
        for name in re.findall(r"(\w+)(?: as \w+)?", names)
    }
    used |= {name for s in sources for name in re.findall(r"pulumi_azure_native\.(\w+)", s)}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    overrides = settings["tool"]["mypy"]["overrides"]
    read = next(entry["module"] for entry in overrides if entry["follow_imports"] == "normal")
    assert {f"pulumi_azure_native.{name}.*" for name in used} <= set(read)
