"""A Deployment's pod, run for real: started, restarted, replaced, kept in step with its vault."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.cloud.cluster.api import Object
from local.cloud.cluster.process import Process
from local.cloud.postgres import ports
from local.cloud.workloads.pod import Pod, Surroundings, inherited
from local.files import write_atomically

LOG = logging.getLogger("kubelet")
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
"""Between a crash and the next start; after as long a life as the longest, it begins anew."""


@dataclass
class Backoff:
    """When something that fails may be tried again."""

    pause: float = 0.0
    since: float = 0.0

    @property
    def over(self) -> bool:
        """Whether it may be tried now."""
        return time.monotonic() >= self.since + self.pause

    def failed(self) -> None:
        """Wait longer than the last time, unless that is long ago."""
        lasted = time.monotonic() - self.since
        quick = lasted < self.pause + LONGEST_PAUSE_SECONDS
        grown = min(max(self.pause * 2, FIRST_PAUSE_SECONDS), LONGEST_PAUSE_SECONDS)
        self.pause = grown if quick else FIRST_PAUSE_SECONDS
        self.since = time.monotonic()


def digest(template: Object) -> str:
    """Return a mark of a template: another one replaces the pod."""
    text = json.dumps(template, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class Service:
    """One process in place of a Deployment's pods."""

    name: str
    folder: Path
    program: tuple[str, ...]
    """What its image runs where the container does not say."""
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def process(self) -> Process:
        """Its process; it outlives us, and who comes next finds it."""
        return Process(self.name, self.folder)

    @property
    def address(self) -> str | None:
        """Return where it serves, if it was ever started."""
        port = self.note.get("port")
        return f"http://{ports.LOOPBACK}:{port}" if port else None

    @property
    def note(self) -> Mapping[str, str]:
        """Return what was noted when it was last started."""
        file = self.folder / "running.json"
        if not file.exists():
            return {}
        known: Mapping[str, str] = json.loads(file.read_text(encoding="utf-8"))
        return known

    def bring_in_line(self, deployment: Object, around: Surroundings) -> None:
        """Make it run as the Deployment says; returns soon, and is called again."""
        self.process.trim()
        if not deployment["spec"].get("replicas", 1):
            self.stop()
            return
        template = deployment["spec"]["template"]
        wanted = digest(template)
        if self.process.running:
            if self.note.get("template") == wanted:
                return
            LOG.info("%s: another template; replaced", self.name)
            self.process.stop()
        elif self.note.get("template") == wanted and self.note.get("started"):
            self._crashed()
        if self.backoff.over:
            self._start(self.pod(deployment, around), wanted)

    def pod(self, deployment: Object, around: Surroundings) -> Pod:
        """Return its pod."""
        namespace = deployment["metadata"]["namespace"]
        template = deployment["spec"]["template"]
        return Pod(namespace=namespace, template=template, folder=self.folder, around=around)

    def stop(self) -> None:
        """End it, and remove what it was given: its secrets, and its token of this cluster."""
        if self.process.running:
            LOG.info("%s: stopped", self.name)
            self.process.stop()
        shutil.rmtree(self.folder / "root", ignore_errors=True)
        (self.folder / "running.json").unlink(missing_ok=True)

    def _crashed(self) -> None:
        LOG.warning("%s: ended; its log is %s", self.name, self.process.log)
        restarts = int(self.note.get("restarts", 0)) + 1
        self._note({**self.note, "started": "", "restarts": str(restarts)})
        self.backoff.failed()

    def _start(self, pod: Pod, wanted: str) -> None:
        pod.mount()
        listeners = pod.listeners(self.folder)
        environment = {**inherited(), **pod.environment(listeners)}
        self.process.start(pod.command(self.program), environment=environment)
        port = str(next(iter(listeners.values()), ""))  # the first is the one that serves
        restarts = self.note.get("restarts", "0")
        self._note({"port": port, "template": wanted, "started": "yes", "restarts": restarts})
        LOG.info("%s: started", self.name)

    def _note(self, known: Mapping[str, str]) -> None:
        write_atomically(self.folder / "running.json", json.dumps(dict(known)))
