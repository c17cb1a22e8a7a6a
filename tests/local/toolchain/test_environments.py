"""Environments apart: made once, made again when their lock changes, and never half."""

from pathlib import Path

import pytest

from local.errors import LocalError
from local.toolchain import environments
from local.toolchain.bootstrap import PROJECT
from local.toolchain.environments import ENVIRONMENTS, Environment, main

UV = """#!/bin/sh
echo "$*" >> "{log}"
for last; do :; done
case "$1" in venv) mkdir -p "$last/bin"; touch "$last/bin/python";; esac
exit {code}
"""


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment whose uv only notes what it was asked."""
    monkeypatch.setattr(environments, "VENV", tmp_path / "venv")
    lock = tmp_path / "requirements.txt"
    lock.write_text("one==1\n")
    _let_uv(tmp_path, code=0)
    return Environment(name="judge", lock=lock, home=tmp_path / ".local")


def _let_uv(tmp_path: Path, *, code: int) -> None:
    uv = tmp_path / "venv" / "bin" / "uv"
    uv.parent.mkdir(parents=True, exist_ok=True)
    uv.write_text(UV.format(log=tmp_path / "asked", code=code))
    uv.chmod(0o755)


def _asked(tmp_path: Path) -> list[str]:
    log = tmp_path / "asked"
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []


def test_it_is_made_once_for_each_lock(environment: Environment, tmp_path: Path) -> None:
    for _ in range(2):
        environment.ensure()
    assert environment.in_step
    assert _asked(tmp_path) == ["venv", "pip"]
    environment.lock.write_text("one==2\n")
    assert not environment.in_step
    environment.ensure()
    assert _asked(tmp_path) == ["venv", "pip"] * 2


def test_only_what_its_lock_has_hashes_for_is_installed(
    environment: Environment, tmp_path: Path
) -> None:
    environment.ensure()
    install = (tmp_path / "asked").read_text().splitlines()[1]
    assert install == (
        f"pip sync --quiet --python {environment.python} --require-hashes {environment.lock}"
    )


def test_an_interpreter_that_is_gone_is_noticed(environment: Environment) -> None:
    environment.ensure()
    environment.python.unlink()
    assert not environment.in_step


def test_a_failed_installation_does_not_count(environment: Environment, tmp_path: Path) -> None:
    _let_uv(tmp_path, code=2)
    with pytest.raises(LocalError, match="creating the environment of judge failed"):
        environment.ensure()
    assert not environment.in_step


def test_a_failure_is_told_in_words(
    environment: Environment,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(ENVIRONMENTS, "judge", environment)
    assert main(["judge"]) == 0
    environment.lock.write_text("")
    _let_uv(tmp_path, code=2)
    assert main(["judge"]) == 1
    assert "creating the environment of judge failed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_has_a_lock_with_hashes(name: str) -> None:
    lock = ENVIRONMENTS[name].lock
    assert lock.with_suffix(".in").exists()
    assert "--hash=sha256:" in lock.read_text(encoding="utf-8")
    rule = f".local/{name}/.ready: {lock.relative_to(PROJECT)}\n"
    assert rule in (PROJECT / "Makefile").read_text(encoding="utf-8")
