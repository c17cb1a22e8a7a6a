"""The first step on a bare machine."""

import ast
import os
import shutil
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


def _script(path: Path, text: str) -> Path:
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def ran(clone: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was run; an installation of uv leaves uv behind."""
    seen: list[str] = []

    def note(command: list[str], what: str, hint: str = "") -> None:
        seen.append(what)
        python = clone / ".local" / "venv" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        if "--require-hashes" not in command and "venv" not in command:
            raise AssertionError(f"{command} installs without hashes {hint}")
        if what == "installing uv":
            _script(python, "exit 0")

    monkeypatch.setattr(bootstrap, "run", note)
    return seen


def test_a_second_run_costs_nothing(ran: list[str]) -> None:
    assert bootstrap.main() == 0
    assert ran == ["creating a venv", "installing uv", "installing the locked packages"]
    assert bootstrap.main() == 0
    assert len(ran) == 3


def test_nothing_is_said_where_a_machine_reads_the_answer(
    ran: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    bootstrap.main()
    said = capsys.readouterr()
    assert ran[0] == "creating a venv"
    assert (said.out, said.err) == ("", "Python environment: creating .local/venv\n")


def test_a_changed_lock_is_installed_without_a_new_environment(ran: list[str], clone: Path) -> None:
    bootstrap.main()
    (clone / "requirements-dev.txt").write_text("a==2\n")
    bootstrap.main()
    assert ran[3:] == ["installing the locked packages"]


def test_an_environment_that_was_left_half_made_is_made_again(ran: list[str], clone: Path) -> None:
    (clone / ".local" / "venv" / "bin").mkdir(parents=True)
    bootstrap.main()
    assert ran == ["creating a venv", "installing uv", "installing the locked packages"]


@pytest.mark.parametrize("upgraded", ["removed", "another version"])
def test_an_environment_whose_python_was_upgraded_away_is_made_again(
    ran: list[str], clone: Path, upgraded: str
) -> None:
    bootstrap.main()
    python = clone / ".local" / "venv" / "bin" / "python"
    if upgraded == "removed":
        python.unlink()
        python.symlink_to(clone / "nowhere")
    else:
        _script(python, "echo No module named uv >&2; exit 1")
    assert not bootstrap.works()
    bootstrap.main()
    assert ran[3:] == ["creating a venv", "installing uv", "installing the locked packages"]


def test_a_failed_command_is_told_in_its_own_words(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = _script(clone / "python", "echo ensurepip is not available; exit 1")
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


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A clone as git leaves it, as far as make needs it; its bootstrap says that it ran."""
    shutil.copy(Path(bootstrap.__file__).parents[2] / "Makefile", tmp_path)
    toolchain = tmp_path / "local" / "toolchain"
    toolchain.mkdir(parents=True)
    (tmp_path / "requirements-dev.txt").touch()
    (toolchain / "requirements-bootstrap.txt").touch()
    (toolchain / "bootstrap.py").write_text("raise SystemExit('bootstrap')")
    return tmp_path


def _make(clone: Path, target: str) -> "tuple[int, str]":
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ENGRAM", "MAKE"))}
    answer = subprocess.run(
        ["make", target],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return answer.returncode, answer.stdout


@pytest.mark.parametrize("target", ["down", "clean"])
@pytest.mark.parametrize("left", [(), (".local/venv/bin", ".local/bootstrap.lock")])
def test_a_clone_that_ran_nothing_has_nothing_to_stop(
    bare: Path, target: str, left: "tuple[str, ...]"
) -> None:
    for name in left:
        (bare / name).mkdir(parents=True)
    assert _make(bare, target) == (0, "")
    assert (bare / ".local").exists() is (bool(left) and target == "down")


@pytest.mark.parametrize("target", ["down", "clean", "up"])
def test_what_runs_is_stopped_even_where_the_environment_is_lost(bare: Path, target: str) -> None:
    (bare / ".local" / "cloud").mkdir(parents=True)
    code, words = _make(bare, target)
    assert (code, "bootstrap" in words) == (2, True)


@pytest.mark.parametrize(("target", "synced"), [("down", False), ("clean", False), ("up", True)])
def test_stopping_needs_no_package_index_when_the_locks_changed(
    bare: Path, target: str, synced: bool
) -> None:
    python = bare / ".local" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    _script(python, '[ "$1" = -c ] || echo asked "$@"')
    ready = bare / ".local" / "venv" / ".ready"
    ready.touch()
    os.utime(ready, (0, 0))
    words = _make(bare, target)[1]
    assert ("bootstrap" in words) is synced
    assert (f"asked -m local {target}" in words) is not synced


def test_an_environment_without_an_interpreter_is_noticed_by_make(bare: Path) -> None:
    python = bare / ".local" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(bare / "nowhere")
    (bare / ".local" / "venv" / ".ready").touch()
    assert "bootstrap" in _make(bare, "up")[1]


PIPS_WORDS = r"""global.index-url='https://index.example/a'
global.find-links='https://links.example /wheels'
install.index-url='https://index.example/b'
global.timeout='60'
:env:.cert='/ca.pem'
:env:.extra-index-url='https://x.example\nhttps://y.example'
"""


@pytest.mark.parametrize(
    ("users", "told"),
    [
        (
            {},
            {
                "UV_DEFAULT_INDEX": "https://index.example/b",
                "UV_INDEX": "https://x.example https://y.example",
                "UV_INDEX_STRATEGY": "unsafe-best-match",
                "UV_FIND_LINKS": "https://links.example,/wheels",
                "SSL_CERT_FILE": "/ca.pem",
            },
        ),
        (
            dict.fromkeys(("UV_INDEX_URL", "UV_INDEX", "SSL_CERT_FILE"), "theirs"),
            {"UV_FIND_LINKS": "https://links.example,/wheels"},
        ),
    ],
)
def test_uv_finds_packages_where_pip_does_unless_told_otherwise(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    users: "dict[str, str]",
    told: "dict[str, str]",
) -> None:
    for names in bootstrap.PIP_TO_UV.values():
        for name in names:
            monkeypatch.delenv(name, raising=False)
    for name, value in users.items():
        monkeypatch.setenv(name, value)
    python = _script(tmp_path / "python", f"cat <<'END'\n{PIPS_WORDS}END")
    assert bootstrap.uv_environment(str(python)) == told


def test_the_real_pip_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/a /b")
    assert bootstrap.pip_options(sys.executable)["find-links"] == "/a /b"


def test_an_interpreter_without_pip_tells_nothing(tmp_path: Path) -> None:
    assert bootstrap.pip_options(str(_script(tmp_path / "python", "exit 1"))) == {}
    assert bootstrap.pip_options(str(tmp_path / "nowhere")) == {}
