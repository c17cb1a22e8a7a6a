"""One installation for the tests that leave it as it was; a fresh one for those that do not."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.installation import Installation


@contextmanager
def _installed() -> Iterator[Installation]:
    # Not pytest's own folder: it is closed to the user that PostgreSQL runs as.
    folder = Path(tempfile.mkdtemp(prefix="engram-e2e-"))
    folder.chmod(0o755)
    installation = Installation(folder=folder)
    try:
        yield installation
    finally:
        installation.run("clean")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def shared() -> Iterator[Installation]:
    """An installation with the stack dev up; whoever spoils it repairs it."""
    with _installed() as installation:
        installation.succeed("up")
        # The first one notes a change that nobody made: Azure tells with the cluster of the
        # workloads' pool too, which came after it.
        installation.succeed("refresh")
        yield installation


@pytest.fixture
def fresh() -> Iterator[Installation]:
    """An installation in which nothing has run yet."""
    with _installed() as installation:
        yield installation
