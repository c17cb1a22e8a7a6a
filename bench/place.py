"""A folder of its own for state, cloud and servers, so that what stands in the clone is safe.

Tools and Python environment are the clone's.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from local.cloud.cluster import fleet
from local.cloud.postgres import supervisor
from local.paths import OVERRIDE, Paths


@contextmanager
def temporary_place() -> Iterator[Paths]:
    """Yield the folders; afterwards nothing of them is left, and nothing runs."""
    # Open to others: PostgreSQL runs as another user when we are root.
    folder = Path(tempfile.mkdtemp(prefix="engram-bench-"))
    folder.chmod(0o755)
    with variables({OVERRIDE: str(folder)}):
        paths = Paths.current()
        try:
            yield paths
        finally:
            fleet.stop_all()
            supervisor.stop()
            for left in (paths.services, folder):
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def variables(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables of this process for a while."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
