"""What a machine must have before anything is built, and what to do where it has not."""

import shutil
from pathlib import Path

from local.errors import LocalError

BUILD_GIB = 8
"""Module and build caches of all tools, built cold, take 7 GiB; the rest is room to link."""


def require_space(folder: Path, gib: float) -> None:
    """Raise ``LocalError`` unless the disk that holds ``folder`` has so much room."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if free < gib:
        raise LocalError(
            f"disk: {free:.1f} GiB free at {existing}; building the tools needs {gib:g} GiB. "
            "Free some space, or point XDG_CACHE_HOME, GOPATH and GOCACHE at a larger disk."
        )
