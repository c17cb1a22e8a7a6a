"""Makes the Python environment of the clone: ``.local/venv``, in step with the locks.

It is the only module that a bare interpreter runs, so it needs nothing but the
standard library, and no syntax that an old Python cannot read: an old Python must
live long enough to say that it is too old.
"""

import ast
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
NEWER = ("python3.14", "python3.13", "python3.12", "python3.11")
NEEDED_GIB = 2

PROJECT = Path(__file__).resolve().parents[2]
VENV = PROJECT / ".local" / "venv"
READY = VENV / ".ready"
BOOTSTRAP = PROJECT / "local" / "toolchain" / "requirements-bootstrap.txt"
LOCKS = (PROJECT / "requirements-dev.txt", BOOTSTRAP)

PIP_TO_UV = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "trusted-host": ("UV_INSECURE_HOST",),
    "cert": ("SSL_CERT_FILE",),
}
"""Where pip finds packages, and how uv is told the same; older names say it as well."""


class BootstrapError(Exception):
    """The machine lacks something; the text says what, and what to do."""


def main() -> int:
    """Bring the environment in step; return the exit code."""
    try:
        use_new_enough_python()
        VENV.parent.mkdir(exist_ok=True)
        with (VENV.parent / "bootstrap.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ensure()
    except BootstrapError as error:
        sys.stderr.write("{}\n".format(error))  # noqa: UP032 - an old Python reads this file
        return 1
    return 0


def use_new_enough_python() -> None:
    """Go on with a newer interpreter of this machine where this one is too old."""
    if sys.version_info >= OLDEST:
        return
    newer = next(filter(None, map(shutil.which, NEWER)), None)
    if newer is None:
        raise BootstrapError(
            "Python {}.{} found at {}; 3.11 or newer is needed. Install one, or name it: "
            "make PYTHON=/path/to/python3.11".format(*sys.version_info[:2], sys.executable)
        )
    os.execv(newer, [newer, *sys.argv])  # noqa: S606 - the same script, a newer interpreter


def ensure() -> None:
    """Create the environment and install what the locks say, unless it is so already."""
    digest = "\n".join(hashlib.sha256(lock.read_bytes()).hexdigest() for lock in LOCKS)
    usable = works()
    if not usable or not READY.exists() or READY.read_text() != digest:
        require_space()
        if not usable:
            create()
        python = str(VENV / "bin" / "python")
        uv = [str(VENV / "bin" / "uv"), "pip", "sync", "--quiet", "--python", python]
        run([*uv, "--require-hashes", *map(str, LOCKS)], "installing the locked packages")
    READY.write_text(digest)  # always, so that make sees it newer than the locks


def works() -> bool:
    """Tell whether the environment has its uv, and an interpreter that was not upgraded away."""
    try:
        return not subprocess.call(
            [str(VENV / "bin" / "python"), "-c", "import uv"], stderr=subprocess.DEVNULL
        )
    except OSError:
        return False


def create() -> None:
    """Create the environment with nothing but uv in it."""
    # Not on stdout, which belongs to the answer of `make setup ARGS=--json`.
    sys.stderr.write("Python environment: creating .local/venv\n")
    hint = "On Debian and Ubuntu: apt install python3-venv"
    run([sys.executable, "-m", "venv", "--clear", str(VENV)], "creating a venv", hint)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    run([*pip, "--quiet", "--require-hashes", "-r", str(BOOTSTRAP)], "installing uv")


def require_space() -> None:
    """Raise ``BootstrapError`` unless the disk of the clone has room."""
    free = shutil.disk_usage(str(PROJECT)).free / 2**30
    if free < NEEDED_GIB:
        raise BootstrapError(
            f"disk: {free:.1f} GiB free at {PROJECT}; the Python environment needs "
            f"{NEEDED_GIB} GiB. Free some space and run the command again."
        )


def run(
    command: "list[str]",
    what: str,
    hint: str = "Check that a package index can be reached (pip config list), and run it again.",
) -> None:
    """Run one command; raise ``BootstrapError`` with its own words where it fails."""
    # An active environment of the user must not be the one that is changed.
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONHOME")}
    environment.update(uv_environment(str(VENV / "bin" / "python")))
    answer = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    if answer.returncode:
        words = answer.stdout.decode("utf-8", "replace").strip()
        raise BootstrapError(f"{what} failed:\n{words}\n{hint}")


def uv_environment(python: str) -> "dict[str, str]":
    """Return what uv must be told to find packages where pip of this interpreter finds them.

    What the user says to uv itself stays. Passwords in a URL travel in variables, which
    other users cannot read.
    """
    told = {}
    for option, value in pip_options(python).items():
        names = PIP_TO_UV.get(option, ())
        if names and not any(name in os.environ for name in names):
            told[names[0]] = ("," if option == "find-links" else " ").join(value.split())
    if "UV_INDEX" in told:
        # As pip does, take a version from whichever index has it; the hashes are locked.
        told.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return told


def pip_options(python: str) -> "dict[str, str]":
    """Return the options that pip reads from its files and variables; none without a pip."""
    command = [python, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    try:
        answer = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False
        )
    except OSError:
        return {}
    options = {}
    for section in ("global", "install", ":env:"):  # the later one wins
        for line in answer.stdout.decode("utf-8", "replace").splitlines():
            name, _, value = line.partition("=")
            if name.startswith(section + "."):
                options[name[len(section) + 1 :]] = ast.literal_eval(value)
    return options


if __name__ == "__main__":
    sys.exit(main())
