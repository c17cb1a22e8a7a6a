"""A real PgBouncer: the one on PATH, or Debian's, unpacked into the user's cache.

It runs under PostgreSQL's account, as it refuses root as well.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import BenchError
from bench.peers.child import wait_until
from local.cloud.postgres import ports
from local.cloud.postgres.account import Account
from local.lock import held

LIBRARIES = re.compile(r"(libevent|libc-?ares)[^ ,]*")
"""Of what Debian's PgBouncer needs, the part that a system with OpenSSL and PAM may not have."""
CONFIGURATION = "pgbouncer.ini"
START_SECONDS = 10.0
STOP_SECONDS = 10.0


class MissingPgBouncerError(BenchError):
    """There is none on PATH, and Debian's cannot be had."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"no PgBouncer on PATH, and Debian's cannot be had: {reason}; install PgBouncer"
        )


@dataclass(frozen=True)
class Running:
    """A running PgBouncer."""

    port: int
    log: Path


@dataclass(frozen=True)
class PgBouncer:
    """The program, and what it needs to find its libraries."""

    program: Path
    environment: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def running(
        self, files: Mapping[str, str], configuration: Callable[[Path, int], str]
    ) -> Iterator[Running]:
        """Run it beside these files; its configuration is made for their folder and a port."""
        account = Account.choose()
        folder = Path(tempfile.mkdtemp(prefix="engram-pooler-"))
        account.own(folder)
        with ports.bind() as bound:
            port: int = bound.getsockname()[1]
        for name, content in {**files, CONFIGURATION: configuration(folder, port)}.items():
            (folder / name).write_text(content, encoding="utf-8")
            account.lend(folder / name)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [self.program, folder / CONFIGURATION],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                **account.process,
            )
        try:
            wait_until(lambda: process.poll() is not None or _listens(port), START_SECONDS)
            if process.poll() is not None or not _listens(port):
                raise BenchError(f"PgBouncer does not listen: {log.read_text(encoding='utf-8')}")
            yield Running(port, log)
        finally:
            process.terminate()
            process.wait(STOP_SECONDS)
            shutil.rmtree(folder)


def find(cache: Path) -> PgBouncer:
    """Return this machine's, or Debian's.  Raises ``MissingPgBouncerError``."""
    # Debian's place for daemons is not on everybody's PATH.
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    return PgBouncer(Path(found)) if found else _debians(cache)


def _listens(port: int) -> bool:
    try:
        socket.create_connection((ports.LOOPBACK, port), timeout=1).close()
    except OSError:
        return False
    return True


# -- Debian's packages -----------------------------------------------------------------


def _debians(cache: Path) -> PgBouncer:
    """Unpack Debian's PgBouncer once per user; needs no root, as nothing is installed."""
    home = cache / "pgbouncer-debian"
    program = home / "usr" / "sbin" / "pgbouncer"
    with held(cache / "locks" / "pgbouncer-debian.lock", wait=True):
        if not program.exists():
            with tempfile.TemporaryDirectory(dir=cache, prefix="pgbouncer-") as scratch:
                _assemble(Path(scratch)).rename(home)
    folders = (home / "usr" / "lib").glob("*-linux-gnu*")
    return PgBouncer(program, {"LD_LIBRARY_PATH": ":".join(map(str, folders))})


def _assemble(scratch: Path) -> Path:
    """Return a folder with the program and the libraries that may be missing."""
    root = scratch / "root"
    archive = _download("pgbouncer", scratch)
    needed = _run(["dpkg-deb", "--field", str(archive), "Depends"], scratch)
    libraries = [_download(found.group(), scratch) for found in LIBRARIES.finditer(needed)]
    for package in (archive, *libraries):
        _run(["dpkg-deb", "--extract", str(package), str(root)], scratch)
    root.chmod(0o755)
    return root


def _download(package: str, scratch: Path) -> Path:
    lists = scratch / "lists"
    if not lists.exists():
        with suppress(MissingPgBouncerError):
            return _fetch(package, scratch)
        # The system has no lists of packages, or stale ones; ours need nobody's rights.
        (lists / "partial").mkdir(parents=True)
        _apt("update", folder=scratch, lists=lists)
    return _fetch(package, scratch, lists)


def _fetch(package: str, scratch: Path, lists: Path | None = None) -> Path:
    _apt("download", package, folder=scratch, lists=lists)
    (archive,) = scratch.glob(f"{package}_*.deb")
    return archive


def _apt(*words: str, folder: Path, lists: Path | None) -> None:
    # As ourselves: apt's own account need not reach the folder.
    options = ["-q", "-o", f"Dir::Cache={folder / 'cache'}", "-o", "APT::Sandbox::User="]
    if lists:
        options += ["-o", f"Dir::State::Lists={lists}"]
    _run(["apt-get", *options, *words], folder)


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    except FileNotFoundError as error:
        raise MissingPgBouncerError(f"there is no {command[0]}") from error
    except subprocess.CalledProcessError as error:
        raise MissingPgBouncerError(f"{command[0]} says: {error.stderr.strip()}") from error
    return done.stdout
