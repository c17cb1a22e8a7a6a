"""The door's life: started with the local cloud, found again by anybody, stopped with it."""

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import urllib3

from local.cloud.cluster.process import Process
from local.cloud.postgres import ports
from local.cloud.postgres.authority import Authority
from local.errors import LocalError
from local.lock import held
from local.paths import Paths

START_SECONDS = 60.0
POLL_SECONDS = 0.05
DIRECT = "127.0.0.1,localhost"
"""What no client asks the door for."""


@dataclass(frozen=True)
class Daemon:
    """A handle; everything it knows is on disk."""

    paths: Paths

    @property
    def running(self) -> bool:
        """Whether it lives."""
        return self._process.running

    @property
    def url(self) -> str:
        """Where clients find it."""
        return f"http://{ports.LOOPBACK}:{int(self._port.read_text(encoding='utf-8'))}"

    @property
    def ca_file(self) -> Path:
        """The root that its certificates end at."""
        return Authority(self.paths.cloud / "ca").ca_file

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the variables that lead any HTTP client to it instead of Azure."""
        roots = str(self.ca_file)
        return {
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), self.url),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), DIRECT),
            "SSL_CERT_FILE": roots,
            "REQUESTS_CA_BUNDLE": roots,
        }

    def start(self) -> None:
        """Start it unless it runs; returns when it answers. Raises ``LocalError``."""
        with held(self._folder / "start.lock", wait=True):
            if not self.running:
                port = ports.reserve(self._port)
                server = (sys.executable, "-m", "local.cloud.door.server")
                self._process.start((*server, self.paths.local, str(port)))
            deadline = time.monotonic() + START_SECONDS
            while not self._answers():
                if not self.running or time.monotonic() > deadline:
                    raise LocalError(
                        "the door to the local vaults does not answer;"
                        f" {self._process.log} ends with:\n{self._process.log_tail}"
                    )
                time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop it if it runs."""
        self._process.stop()

    @property
    def _folder(self) -> Path:
        return self.paths.cloud / "door"

    @property
    def _port(self) -> Path:
        return self._folder / "port"

    @cached_property
    def _process(self) -> Process:
        return Process("door", self._folder)

    def _answers(self) -> bool:
        try:
            answer = urllib3.request("GET", f"{self.url}/ready", retries=False, timeout=1.0)
        except urllib3.exceptions.HTTPError:
            return False
        return answer.status == 200  # noqa: PLR2004 - HTTP's yes
