"""The first step on a bare machine."""

import ast
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from local.toolchain import bootstrap
from local.toolchain.bootstrap import BootstrapError

VersionInfo = namedtuple("VersionInfo", "major minor micro")


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with one lock, whose commands are noted and not run."""
    venv = tmp_path / ".local" / "venv"
    locks = (tmp_path / "requirements-dev.txt", tmp_path / "requirements-bootstrap.txt")
    for file in locks:
        file.write_text("a==1\n")
    monkeypatch.setattr(bootstrap, "PROJECT", tmp_path)
    monkeypatch.setattr(bootstrap, "VENV", venv)
    monkeypatch.setattr(bootstrap, "READY", venv / ".ready")
    monkeypatch.setattr(bootstrap, "BOOTSTRAP", locks[1])
    monkeypatch.setattr(bootstrap, "LOCKS", locks)
    return tmp_path


@pytest.fixture
def ran(clone: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was run; an installation of uv leaves uv behind."""
    seen: list[str] = []

    def note(command: list[str], what: str, hint: str = "") -> None:
        seen.append(what)
        (clone / ".local" / "venv" / "bin").mkdir(parents=True, exist_ok=True)
        if "--require-hashes" not in command and "venv" not in command:
            raise AssertionError(f"{command} installs without hashes {hint}")
        if what == "installing uv":
            (clone / ".local" / "venv" / "bin" / "uv").touch()

    monkeypatch.setattr(bootstrap, "run", note)
    return seen


def test_a_second_run_costs_nothing(ran: list[str]) -> None:
    assert bootstrap.main() == 0
    assert ran == ["creating a venv", "installing uv", "installing the locked packages"]
    assert bootstrap.main() == 0
    assert len(ran) == 3


def test_a_changed_lock_is_installed_without_a_new_environment(ran: list[str], clone: Path) -> None:
    bootstrap.main()
    (clone / "requirements-dev.txt").write_text("a==2\n")
    bootstrap.main()
    assert ran[3:] == ["installing the locked packages"]


def test_an_environment_that_was_left_half_made_is_made_again(ran: list[str], clone: Path) -> None:
    (clone / ".local" / "venv" / "bin").mkdir(parents=True)
    bootstrap.main()
    assert ran == ["creating a venv", "installing uv", "installing the locked packages"]


def test_a_failed_command_is_told_in_its_own_words(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = clone / "python"
    missing.write_text("#!/bin/sh\necho ensurepip is not available; exit 1\n")
    missing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(missing))
    assert bootstrap.main() == 1
    words = capsys.readouterr().err
    assert "creating a venv failed:\nensurepip is not available" in words
    assert "apt install python3-venv" in words


def test_a_full_disk_is_named(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "NEEDED_GIB", 10**9)
    with pytest.raises(BootstrapError, match=rf"GiB free at {clone}; .* needs 1000000000 GiB"):
        bootstrap.ensure()


def test_an_old_python_without_a_newer_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", VersionInfo(3, 9, 2))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    with pytest.raises(BootstrapError, match=r"Python 3\.9 found at .*; 3\.11 or newer is needed"):
        bootstrap.use_new_enough_python()


def test_an_old_python_hands_over_to_a_newer_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, list[str]]] = []
    monkeypatch.setattr(sys, "version_info", VersionInfo(3, 9, 2))
    monkeypatch.setattr(sys, "argv", ["bootstrap.py"])
    monkeypatch.setattr("shutil.which", {"python3.12": "/usr/bin/python3.12"}.get)
    monkeypatch.setattr("os.execv", lambda path, arguments: seen.append((path, arguments)))
    bootstrap.use_new_enough_python()
    assert seen == [("/usr/bin/python3.12", ["/usr/bin/python3.12", "bootstrap.py"])]


def test_an_old_python_can_read_the_file() -> None:
    source = Path(bootstrap.__file__).read_text(encoding="utf-8")
    assert ast.parse(source, feature_version=(3, 7))


def test_make_shows_its_targets_without_any_set_up(tmp_path: Path) -> None:
    makefile = Path(bootstrap.__file__).parents[2] / "Makefile"
    answer = subprocess.run(
        ["make", "-f", makefile], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    for target in ("up", "preview", "refresh", "destroy", "psql", "down", "clean", "test"):
        assert f"make {target} " in answer.stdout
