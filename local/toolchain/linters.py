"""Builds what judges our workflows: ``.local/bin/actionlint``.  Only tests need it."""

import sys

from rich.console import Console

from local.errors import LocalError
from local.paths import Paths
from local.toolchain import build
from local.toolchain.build import GoModule
from local.toolchain.report import Report

ACTIONLINT = GoModule(name="actionlint", main_module="github.com/rhysd/actionlint")


def main() -> int:
    """Build it, unless it is there; return the exit code."""
    paths = Paths.current()
    try:
        build.ensure((ACTIONLINT,), paths, Report(Console(stderr=True)))
    except LocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    (paths.bin / "actionlint").touch()  # so that make sees it newer than its lock
    return 0


if __name__ == "__main__":
    sys.exit(main())
