"""A rotation reaches a running program; a reload that fails changes nothing."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from memory.encryption.cipher import Binding, FieldCipher
from memory.encryption.errors import NoKeys
from memory.encryption.reloading import ReloadingRing
from tests.memory.encryption.folder_vault import SECRET_URI, FolderVault, ensure_ring, rotated
from tests.memory.encryption.test_cipher import HERE


@pytest.fixture
def vault(tmp_path: Path) -> FolderVault:
    found = FolderVault(tmp_path / "vault")
    ensure_ring(found)
    return found


@pytest.fixture
def file(tmp_path: Path, vault: FolderVault) -> Path:
    path = tmp_path / "memory-field-keys"
    mount(path, vault)
    return path


def mount(path: Path, vault: FolderVault) -> None:
    """Replace the file in place, as the CSI driver does."""
    part = path.with_suffix(".new")
    part.write_text(vault.read_secret(SECRET_URI)[0])
    part.rename(path)


def test_a_rotation_is_followed(file: Path, vault: FolderVault) -> None:
    ring = ReloadingRing(file, vault)
    assert ring.refresh()
    cipher = FieldCipher(ring)
    text = cipher.encrypt("Ada", HERE)
    before = cipher.key_id
    rotated(vault)
    mount(file, vault)
    assert ring.refresh()
    assert cipher.key_id != before
    assert cipher.decrypt(text, HERE) == "Ada"
    assert (ring.reloads, ring.failures, ring.problem) == (2, 0, None)


def test_a_file_that_did_not_change_is_not_read_again(file: Path, vault: FolderVault) -> None:
    ring = ReloadingRing(file, vault)
    ring.refresh()
    asked, ring_before = vault.asked, ring.current
    assert not ring.refresh()
    assert vault.asked == asked
    assert ring.current is ring_before


def _garbage(file: Path, _: FolderVault) -> None:
    file.write_text("{")


def _gone(file: Path, _: FolderVault) -> None:
    file.unlink()


def _no_text(file: Path, _: FolderVault) -> None:
    file.write_bytes(b"\xff\xfe")


def _vault_refuses(file: Path, vault: FolderVault) -> None:
    rotated(vault)
    mount(file, vault)
    vault.refusal = "cannot unwrap: 403 Forbidden"


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (_garbage, "cannot be read"),
        (_gone, "No such file"),
        (_no_text, "UnicodeDecodeError"),
        (_vault_refuses, "403 Forbidden"),
    ],
)
def test_a_reload_that_fails_keeps_the_last_good_ring(
    file: Path, vault: FolderVault, spoil: Callable[[Path, FolderVault], None], problem: str
) -> None:
    ring = ReloadingRing(file, vault)
    ring.refresh()
    good = ring.current
    spoil(file, vault)
    assert not ring.refresh()
    assert ring.current is good
    assert problem in (ring.problem or "")
    assert ring.failures == 1
    vault.refusal = None
    mount(file, vault)
    assert ring.refresh(), "what failed is tried again"
    assert ring.problem is None


def test_before_the_first_good_reload_nothing_can_be_written(tmp_path: Path) -> None:
    ring = ReloadingRing(tmp_path / "missing", FolderVault(tmp_path / "vault"))
    with pytest.raises(NoKeys, match="nothing was tried"):
        _ = ring.current
    ring.refresh()
    with pytest.raises(NoKeys, match="is it mounted"):
        _ = ring.current


def test_follows_from_a_thread_while_others_decrypt(file: Path, vault: FolderVault) -> None:
    wrong: list[str] = []
    done = threading.Event()
    ring = ReloadingRing(file, vault, poll_seconds=0.02)

    def work(number: int) -> None:
        cipher, place = FieldCipher(ring), Binding(row=str(number), field="content")
        while not done.is_set():
            if cipher.decrypt(cipher.encrypt("Ada", place), place) != "Ada":
                wrong.append("lost")

    with ring:
        threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            newest = rotated(vault).primary("fields")
            assert newest is not None
            mount(file, vault)
            deadline = time.monotonic() + 10
            while ring.current.primary("fields").id != newest.id:
                assert time.monotonic() < deadline
                time.sleep(0.01)
        done.set()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert ring.failures == 0
