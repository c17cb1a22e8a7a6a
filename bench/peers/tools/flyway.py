"""Flyway from Maven's repository: the community edition, through its Maven plugin.

The settings are those of Flyway's manual for concurrent indexes: ``executeInTransaction=false``
beside such a script, and ``postgresql.transactional.lock=false``, without which the build would
wait for Flyway's own lock for ever.
"""

import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlencode

from bench.measure import Announce
from bench.peers.tools.tool import (
    FILES,
    OUTSIDE_OF_TRANSACTIONS,
    PROJECTS,
    Address,
    Command,
    Tool,
    ToolMissing,
    environment,
    sql_of,
    write_private,
)
from bench.peers.wanted import Release
from local.paths import Paths

POM = PROJECTS / "flyway" / "pom.xml"
PLUGIN = "org.flywaydb:flyway-maven-plugin"
DOWNLOAD_SECONDS = 300
SHORT_LIVED = {"MAVEN_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
"""Java warms up for hours; a run of seconds is faster without."""
FOR_POOLERS = {"prepareThreshold": "0"}
"""As the driver's manual says for PgBouncer."""
SETTINGS = """\
flyway.url=jdbc:postgresql://{host}:{port}/{database}?{options}
flyway.user={user}
flyway.password={password}
flyway.locations=filesystem:{folder}
flyway.postgresql.transactional.lock=false
"""


class Flyway(Tool):
    """The tool of the Java world; Maven's start is part of each of its runs."""

    name = "Flyway"
    folder: Path

    def make_ready(self, paths: Paths, announce: Announce) -> str:
        """Fetch the plugin once, and lay out the scripts for each release."""
        if shutil.which("mvn") is None:
            raise ToolMissing("not here: Maven is needed")
        self.folder = paths.local / "flyway"
        for release in Release:
            _lay_out(release, self.folder / release.value)
        announce("Flyway: fetching it through Maven")
        # A goal that needs no database; it fails for want of one, after all was fetched.
        answer = subprocess.run(
            [*self._maven(offline=False), f"{PLUGIN}:info"],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_SECONDS,
            check=False,
        )
        if "Unable to connect to the database" not in answer.stdout:
            words = answer.stdout.strip().splitlines()[:1]
            raise ToolMissing(f"not here: Maven could not fetch it: {' '.join(words)}")
        pom = POM.read_text(encoding="utf-8")
        return " ".join(re.findall(r"<version>([\d.]{3,})</version>", pom)[:1])

    def upgrade(self, release: Release, address: Address) -> Command:
        """``flyway:migrate``."""
        return self._command(release, address, "migrate")

    def look(self, address: Address) -> Command:
        """``flyway:validate``: were the scripts that ran changed since?"""
        return self._command(Release.INDEX, address, "validate")

    def nothing(self) -> Command:
        """Return what Maven costs before Flyway begins: its start, and nothing to do."""
        return Command(
            arguments=[*self._maven(), "validate"],
            folder=self.folder,
            environment=environment(SHORT_LIVED),
        )

    def _command(self, release: Release, address: Address, goal: str) -> Command:
        scripts = self.folder / release.value
        settings = scripts / f"{address.database}-{address.port}.conf"
        options = {"sslmode": "verify-full", "sslrootcert": address.ca_file, **FOR_POOLERS}
        text = SETTINGS.format(**vars(address), folder=scripts, options=urlencode(options))
        write_private(settings, text)
        return Command(
            arguments=[*self._maven(), f"{PLUGIN}:{goal}", f"-Dflyway.configFiles={settings}"],
            folder=self.folder,
            environment=environment(SHORT_LIVED),
        )

    def _maven(self, *, offline: bool = True) -> list[str]:
        return ["mvn", "-B", "-q", "-Dstyle.color=never", *["-o"] * offline, "-f", str(POM)]


def _lay_out(release: Release, folder: Path) -> None:
    folder.mkdir(parents=True)
    for number, migration in enumerate(FILES[release], start=1):
        script = folder / f"V{number}__{migration}.sql"
        script.write_text(sql_of(migration), encoding="utf-8")
        if OUTSIDE_OF_TRANSACTIONS in sql_of(migration):
            script.with_suffix(".sql.conf").write_text("executeInTransaction=false\n", "utf-8")
