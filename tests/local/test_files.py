"""Files that several processes write, and that a power cut must not halve."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.files import create_once, write_atomically


def test_a_file_is_replaced_whole_with_its_mode(tmp_path: Path) -> None:
    file = tmp_path / "new" / "script"
    for text, mode in (("long text\n", 0o644), ("short\n", 0o755)):
        write_atomically(file, text, mode)
        assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (text, mode)
    assert [path.name for path in file.parent.iterdir()] == ["script"]


def test_a_failed_write_leaves_the_old_text_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "state"
    write_atomically(file, "old")

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(file, "new")
    assert (file.read_text(), list(tmp_path.iterdir())) == ("old", [file])


def test_the_first_writer_wins_and_all_learn_it(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda n: create_once(file, f"text {n}"), range(32)))
    assert found == {file.read_text()}
    assert list(tmp_path.iterdir()) == [file]


def test_a_secret_is_private_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        create_once(tmp_path / "secret", "canary")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_what_is_new_is_synced_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[bool] = []
    monkeypatch.setattr("os.fsync", lambda fd: synced.append(stat.S_ISDIR(os.fstat(fd).st_mode)))
    write_atomically(tmp_path / "a", "a")
    create_once(tmp_path / "b", "b")
    assert synced == [False, True] * 2
