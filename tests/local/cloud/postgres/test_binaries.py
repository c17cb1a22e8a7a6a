"""local/cloud/postgres/binaries.py"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.cloud.postgres.account import Account
from local.cloud.postgres.binaries import unpack

pytestmark = pytest.mark.slow


@pytest.fixture
def cache() -> Iterator[Path]:
    """A folder that every account can enter."""
    folder = Path(tempfile.mkdtemp(prefix="engram-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_a_tree_that_lost_files_is_unpacked_anew(cache: Path) -> None:
    """As after a clean-up of files that nobody read for a month."""
    account = Account.choose()
    found = unpack(cache, account)
    assert unpack(cache, account) == found
    control = found.root / "share" / "extension" / "vector.control"
    before = control.stat().st_ino
    unpack(cache, account)
    assert control.stat().st_ino == before
    control.unlink()
    unpack(cache, account)
    assert "trusted" in control.read_text(encoding="utf-8")
    assert [f.name for f in cache.iterdir() if f.name.startswith(".")] == []
