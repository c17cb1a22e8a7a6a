"""Folders: one override moves all of them but the shared ones."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.errors import LocalError
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


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of root's that others can enter, with all that lead to it."""
    monkeypatch.setattr("os.geteuid", lambda: 0)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_mode & 0o777 == 0o700:
            parent.chmod(0o711)
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    return home


@pytest.mark.parametrize(
    ("uid", "mode", "inside"), [(1000, 0o700, True), (0, 0o755, True), (0, 0o700, False)]
)
def test_services_of_root_lie_where_others_can_enter(
    home: Path, monkeypatch: pytest.MonkeyPatch, uid: int, mode: int, inside: bool
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)
    home.chmod(mode)
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    paths = Paths(project=home, local=home / ".local")
    assert paths.services.is_relative_to(home if inside else "/var/lib")
    assert paths.service_cache.is_relative_to(home if inside else "/var/cache")


@pytest.mark.parametrize(("first", "later"), [(0o755, 0o700), (0o700, 0o755)])
def test_data_stays_where_it_was_put_whatever_the_modes_become(
    home: Path, first: int, later: int
) -> None:
    paths = Paths(project=home, local=home / ".local")
    home.chmod(first)
    paths.claim()
    chosen = paths.services
    home.chmod(later)
    paths.claim()
    assert paths.services == chosen


def test_a_copied_folder_does_not_share_the_data_of_its_origin(home: Path) -> None:
    home.chmod(0o700)
    origin, copy = (Paths(project=home, local=home / name) for name in ("a", "b"))
    origin.claim()
    shutil.copytree(origin.local, copy.local)
    assert copy.services != origin.services


def test_two_clones_never_share_a_folder_outside(home: Path) -> None:
    home.chmod(0o700)
    one, two = (Paths(project=home, local=home / name).services for name in ("a", "b"))
    assert one != two


def test_a_folder_of_somebody_else_is_never_taken(tmp_path: Path) -> None:
    (tmp_path / "letters").touch()
    paths = Paths(project=tmp_path / "clone", local=tmp_path)
    with pytest.raises(LocalError, match=r"ENGRAM_LOCAL: .* holds files that are not ours"):
        paths.claim()
    assert [path.name for path in tmp_path.iterdir()] == ["letters"]


def test_two_first_commands_at_once_both_find_the_folder_theirs(tmp_path: Path) -> None:
    """Whatever the other one has done by the time that we look, it is no stranger."""
    paths = Paths(project=tmp_path / "clone", local=tmp_path / "ours")
    paths.local.mkdir()
    (paths.local / ".services-at.x7f3").touch()
    paths.claim()
    assert (paths.local / "services-at").exists()


def test_a_folder_marked_while_it_is_looked_at_is_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = Paths(project=tmp_path / "clone", local=tmp_path / "ours")
    paths.local.mkdir()
    (paths.local / "state").touch()
    listed = Path.iterdir

    def marked_meanwhile(folder: Path) -> Iterator[Path]:
        (paths.local / "services-at").touch()
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", marked_meanwhile)
    paths.claim()


@pytest.mark.parametrize("name", ["new", "new/below", "."])
def test_an_empty_folder_becomes_ours_and_stays_so(tmp_path: Path, name: str) -> None:
    paths = Paths(project=tmp_path / "clone", local=tmp_path / name)
    paths.claim()
    (paths.local / "state").touch()
    paths.claim()
    assert (paths.local / "services-at").exists()


def test_the_clones_own_folder_is_ours_before_the_first_command(tmp_path: Path) -> None:
    paths = Paths(project=tmp_path, local=tmp_path / ".local")
    paths.venv.mkdir(parents=True)
    paths.claim()
    assert (paths.local / "services-at").exists()
