"""Folders: one override moves all of them but the shared ones."""

from pathlib import Path

import pytest

from local.paths import Paths


def test_everything_lies_below_the_clone_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGRAM_LOCAL", raising=False)
    paths = Paths.current()
    assert (paths.project / "local" / "paths.py").exists()
    assert paths.local == paths.project / ".local"


def test_the_override_moves_state_and_cloud_but_not_the_tools(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENGRAM_LOCAL", str(tmp_path))
    paths = Paths.current()
    moved = [paths.state, paths.cloud, paths.config, paths.passphrase, paths.plugins, paths.locks]
    assert all(path.is_relative_to(tmp_path) for path in moved)
    shared = [paths.venv, paths.bin]
    assert all(path.is_relative_to(paths.project / ".local") for path in shared)


@pytest.mark.parametrize(
    ("xdg", "expected"), [("/caches", "/caches/engram"), ("", "/home/ada/.cache/engram")]
)
def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, xdg: str, expected: str) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("XDG_CACHE_HOME", xdg)
    assert Paths.current().cache == Path(expected)


@pytest.mark.parametrize(
    ("uid", "mode", "inside"), [(1000, 0o700, True), (0, 0o755, True), (0, 0o700, False)]
)
def test_services_of_root_lie_where_others_can_enter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, uid: int, mode: int, inside: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_mode & 0o777 == 0o700:
            parent.chmod(0o711)
    home = tmp_path / "home"
    home.mkdir(mode=mode)
    paths = Paths(project=home, local=home / ".local")
    assert paths.services.is_relative_to(home) is inside


def test_two_clones_never_share_a_folder_outside(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    tmp_path.chmod(0o700)
    one, two = (Paths(project=tmp_path, local=tmp_path / name).services for name in ("a", "b"))
    assert one != two
