"""Builds Temporal's own development server: ``.local/bin/temporal``.  Only tests need it."""

import sys

from rich.console import Console

from local.errors import LocalError
from local.paths import Paths
from local.toolchain import build
from local.toolchain.build import GoModule
from local.toolchain.report import Report

TEMPORAL = GoModule(
    name="temporal",
    main_module="github.com/temporalio/cli",
    stamps={"github.com/temporalio/cli/temporalcli.Version": "{version}"},
    debuggable=False,
)


def main() -> int:
    """Build it, unless it is there; return the exit code."""
    paths = Paths.current()
    try:
        build.ensure((TEMPORAL,), paths, Report(Console(stderr=True)))
    except LocalError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    (paths.bin / "temporal").touch()  # so that make sees it newer than its lock
    return 0


if __name__ == "__main__":
    sys.exit(main())
