"""Atlas: versioned migrations, as its open edition cannot declare pgvector's indexes.

It is used where it is installed.  No registry has one that could be: the newest command that Go's
module proxy has knows PostgreSQL up to 15, and npm's package downloads a binary from elsewhere.
"""

import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote, urlencode

from bench.measure import Announce
from bench.peers.tools.tool import (
    FILES,
    OUTSIDE_OF_TRANSACTIONS,
    Address,
    Command,
    Tool,
    ToolMissing,
    environment,
    sql_of,
)
from bench.peers.wanted import Release
from local.paths import Paths

QUIET = {"ATLAS_NO_UPDATE_NOTIFIER": "1"}
NOT_TO_BE_HAD = (
    "not here: no `atlas` on PATH; the newest that Go's module proxy builds, 0.13.1 of 2023, stops"
    " at PostgreSQL 16 and later (asked for lc_collate, it seems, which they no longer have)"
)
PROJECT_FILE = """\
env "bench" {
  url = getenv("DATABASE_URL")
  migration {
    dir              = "file://migrations"
    revisions_schema = "public"
  }
}
"""


class Atlas(Tool):
    """The tool that comes nearest to a declared schema."""

    name = "Atlas"
    folder: Path

    def make_ready(self, paths: Paths, announce: Announce) -> str:
        """Lay out and seal the migrations of each release."""
        if shutil.which("atlas") is None:
            raise ToolMissing(NOT_TO_BE_HAD)
        announce("Atlas: its projects")
        self.folder = paths.local / "atlas"
        for release in Release:
            self._lay_out(release)
        return self._run("version").splitlines()[0]

    def upgrade(self, release: Release, address: Address) -> Command:
        """``atlas migrate apply``; it is told that the database may hold tables of others."""
        options = urlencode({"sslmode": "verify-full", "sslrootcert": address.ca_file})
        login = f"{quote(address.user)}:{quote(address.password)}"
        url = f"postgres://{login}@{address.host}:{address.port}/{address.database}?{options}"
        return Command(
            arguments=["atlas", "migrate", "apply", "--env", "bench", "--allow-dirty"],
            folder=self.folder / release.value,
            environment=environment(QUIET, {"DATABASE_URL": url}),
        )

    def _lay_out(self, release: Release) -> None:
        project = self.folder / release.value
        (project / "migrations").mkdir(parents=True)
        (project / "atlas.hcl").write_text(PROJECT_FILE, encoding="utf-8")
        for number, migration in enumerate(FILES[release], start=1):
            text = sql_of(migration)
            if OUTSIDE_OF_TRANSACTIONS in text:
                text = f"-- atlas:txmode none\n\n{text}"
            script = project / "migrations" / f"{number}_{migration}.sql"
            script.write_text(text, encoding="utf-8")
        self._run("migrate", "hash", "--dir", f"file://{project / 'migrations'}")

    def _run(self, *words: str) -> str:
        return subprocess.run(
            ["atlas", *words], env=environment(QUIET), capture_output=True, text=True, check=True
        ).stdout
