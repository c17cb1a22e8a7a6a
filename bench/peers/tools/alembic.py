"""Alembic: migrations with ``autocommit_block``, and ``alembic check`` to look for drift."""

import shutil
import sys
from collections.abc import Callable, Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.measure import Announce
from bench.peers.tools.tool import (
    FILES,
    PROJECTS,
    Address,
    Command,
    Tool,
    ToolMissing,
    environment,
)
from bench.peers.wanted import Release
from local.paths import Paths

PROJECT = PROJECTS / "alembic"
CLONE = PROJECTS.parents[2]


class Alembic(Tool):
    """The baseline of the times."""

    name = "Alembic"
    folder: Path

    def make_ready(self, paths: Paths, announce: Announce) -> str:
        """Lay out the project once for each release, without what comes later."""
        try:
            versions = f"{version('alembic')}, SQLAlchemy {version('sqlalchemy')}"
        except PackageNotFoundError as error:
            raise ToolMissing(f"not here: {error}; see requirements-dev.in") from error
        announce("Alembic: its project")
        self.folder = paths.local / "alembic"
        for release in Release:
            wanted = {f"{name}.py" for name in FILES[release]}
            shutil.copytree(PROJECT, self.folder / release.value, ignore=_all_versions_but(wanted))
        return versions

    def upgrade(self, release: Release, address: Address) -> Command:
        """``alembic upgrade head``."""
        return self._command(release, address, "upgrade", "head")

    def look(self, address: Address) -> Command:
        """``alembic check``: would autogenerate find anything?"""
        return self._command(Release.INDEX, address, "check")

    def _command(self, release: Release, address: Address, *words: str) -> Command:
        return Command(
            arguments=[sys.executable, "-m", "alembic", *words],
            folder=self.folder / release.value,
            environment=environment(address.environment, {"PYTHONPATH": str(CLONE)}),
        )


def _all_versions_but(wanted: set[str]) -> Callable[[str, list[str]], Iterable[str]]:
    def ignored(folder: str, names: list[str]) -> set[str]:
        return {"__pycache__"} | (set(names) - wanted if Path(folder).name == "versions" else set())

    return ignored
