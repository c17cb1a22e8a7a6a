"""Set-up of the engine and the control plane against the Go builds alone, from a cold cache.

The baseline builds one module after the other, each with a cold cache of its own, with the flags
that set-up uses. Set-up builds them side by side with one cold cache, which they share; to that
it adds its locks, its look at what there is to build, and the installing. What is downloaded
once, Go itself and the modules' sources, is there before either of them starts.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.errors import BenchError
from bench.measure import Contender, Suite
from bench.place import variables
from local.paths import Paths
from local.toolchain import build, golang, launchers
from local.toolchain.build import GoModule
from local.toolchain.installer import ENGINE, KUBERNETES
from local.toolchain.report import Report

MODULES = (ENGINE, KUBERNETES)
GOAL = 1.1
ALONE = "the two Go builds, one after the other"
AS_SET_UP_BUILDS = {
    "CGO_ENABLED": "0",
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "-mod=readonly",
    "GOWORK": "off",
}


@contextmanager
def setup(paths: Paths) -> Iterator[Suite]:
    """Set-up of engine and control plane, from cold; minutes a round."""
    report = Report(Console(stderr=True))
    go = golang.go_for(max(module.go_version for module in MODULES), paths, report)
    workshop = Workshop(go=go, folder=paths.local / "workshop")
    workshop.fetch()
    yield workshop.suite()


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """A folder in which everything is built anew, each time."""

    go: Path
    folder: Path

    def suite(self) -> Suite:
        """Return what is compared; nobody has a warm cache, so no round is spent on one."""
        clear = self.clear
        return Suite(
            title="setup",
            contenders=(
                Contender(name=ALONE, prepare=clear, run=self.build_alone),
                Contender(
                    name="set-up of both", prepare=clear, run=self.set_up, against=ALONE, goal=GOAL
                ),
            ),
            warm_up=False,
        )

    def clear(self) -> None:
        """Forget all that was built."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def fetch(self) -> None:
        """Have the sources of all that is built."""
        for module in MODULES:
            self._run_go(module, ["list", "-deps", *module.packages.values()], {})

    def build_alone(self) -> None:
        """Build one module after the other, each as if it were the only one."""
        for module in MODULES:
            place = self.folder / module.name
            arguments = ["build", *module.flags, "-o", f"{place / 'tools'}/"]
            cold = {"GOCACHE": str(place / "cache")}
            self._run_go(module, [*arguments, *module.packages.values()], cold)

    def set_up(self) -> None:
        """Do what `make setup` does where neither engine nor control plane is there."""
        paths = Paths(project=self.folder, local=self.folder / ".local")
        places = {
            "GOCACHE": str(self.folder / "cache"),
            "XDG_CACHE_HOME": str(self.folder / "tools"),
            "PATH": os.pathsep.join([str(self.go.parent), os.environ.get("PATH", os.defpath)]),
        }
        with variables(places):
            build.ensure(MODULES, paths, Report(Console(quiet=True)))
        launchers.install_beside_engine(paths)
        launchers.install_plugins(paths)

    def _run_go(
        self, module: GoModule, arguments: Sequence[str], places: Mapping[str, str]
    ) -> None:
        answer = subprocess.run(
            [self.go, *arguments],
            cwd=module.folder,
            env={**os.environ, **AS_SET_UP_BUILDS, **places},
            capture_output=True,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise BenchError(f"`go {arguments[0]}` of {module.name} failed:\n{answer.stderr}")
