"""Where the programs of a cluster lie, so that their account can run them."""

import os
import shutil
import time
from pathlib import Path

from local.cloud.cluster.errors import ClusterError
from local.cloud.postgres.account import Account
from local.lock import held
from local.paths import Paths
from local.toolchain.installer import KUBERNETES

KEPT_SECONDS = 30 * 24 * 3600
"""For how long a copy stays that no clone starts a cluster with any more."""


def folder(account: Account) -> Path:
    """Return the folder of the built tools, or a copy where the account cannot enter theirs.

    Raises ``ClusterError`` where they are not built.
    """
    paths = Paths.current()
    missing = [name for name in KUBERNETES.contents if not (paths.bin / name).exists()]
    if missing:
        raise ClusterError(f"not built yet: {', '.join(missing)}; run `make setup`")
    if all(account.reaches(paths.bin / name) for name in KUBERNETES.packages):
        return paths.bin
    return _copy(paths.bin, paths.service_cache / "tools" / KUBERNETES.key)


def _copy(source: Path, target: Path) -> Path:
    with held(target.with_name(f"{target.name}.lock"), wait=True):
        if not target.exists():
            _remove_unused(target.parent)
            _refuse_full(source, target.parent)
            partial = target.with_name(f"{target.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            copies = [shutil.copy(source / name, partial / name) for name in KUBERNETES.contents]
            for opened in (target.parent.parent, target.parent, partial, *map(Path, copies)):
                opened.chmod(0o755)  # whatever the umask: the account must pass
            partial.rename(target)
        os.utime(target)
    return target


def _remove_unused(copies: Path) -> None:
    """Remove what no clone has asked for in a long time; what runs of it goes on running."""
    for copy in copies.iterdir():
        if copy.is_dir() and copy.stat().st_mtime < time.time() - KEPT_SECONDS:
            shutil.rmtree(copy)


def _refuse_full(source: Path, target: Path) -> None:
    needed = sum((source / name).stat().st_size for name in KUBERNETES.contents)
    free = shutil.disk_usage(target).free
    if free < needed:
        raise ClusterError(
            f"the copy of the cluster's programs in {target} takes {needed >> 20} MiB, and"
            f" {free >> 20} MiB are free: make room, or open the clone's parents (chmod o+x)"
        )
