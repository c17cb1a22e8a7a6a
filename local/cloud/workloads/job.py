"""A Job of the live cluster, run for real, once to its end, whoever is killed meanwhile."""

import logging
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from local.cloud.cluster.api import Object
from local.cloud.cluster.process import Process
from local.cloud.workloads.pod import Pod, Surroundings, inherited
from local.cloud.workloads.service import Backoff

LOG = logging.getLogger("kubelet")
TRIES = 6
"""Kubernetes' own limit where a Job names none."""


@dataclass
class Job:
    """One Job, known by its uid: another one of the same name is another job."""

    name: str
    uid: str
    folder: Path
    backoff: Backoff = field(default_factory=Backoff)

    @property
    def process(self) -> Process:
        """The process of its pod."""
        return Process(self.name, self.folder)

    @property
    def exit_code(self) -> int | None:
        """Return how its last try ended; None where none has."""
        tries = self._tries()
        return None if not tries else int(tries[-1].read_text(encoding="utf-8"))

    def done(self, job: Object) -> bool:
        """Tell whether it is over: succeeded, failed for good, or tried often enough."""
        code = self.exit_code
        if code is None:
            return False
        limit = job["spec"].get("backoffLimit", TRIES)
        return code == 0 or code in _final(job) or len(self._tries()) > limit

    def bring_in_line(self, job: Object, around: Surroundings) -> None:
        """Run it unless it is over; returns soon, and is called again."""
        if self.process.running:
            self._end_late(job)
            return
        if self.done(job) or job["spec"].get("suspend") or not self.backoff.over:
            return
        pod = Pod(
            namespace=job["metadata"]["namespace"],
            template=job["spec"]["template"],
            folder=self.folder,
            around=around,
        )
        pod.mount()
        environment = {**inherited(), **pod.environment(pod.listeners(self.folder))}
        note = self.folder / f"exit-{len(self._tries()):03}"
        runner = (sys.executable, "-m", "local.cloud.workloads.once", note)
        self.process.start((*runner, *pod.command(())), environment=environment)
        self.backoff.failed()  # the next try, if any, waits
        LOG.info("job %s: started", self.name)

    def remove(self) -> None:
        """End it, and remove all that there was of it."""
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _end_late(self, job: Object) -> None:
        limit = job["spec"].get("activeDeadlineSeconds")
        started = (self.folder / f"{self.name}.pid").stat().st_mtime
        if limit is not None and time.time() - started > limit:
            LOG.warning("job %s: past its deadline; stopped", self.name)
            self.process.stop()

    def _tries(self) -> list[Path]:
        return sorted(self.folder.glob("exit-*"))


def _final(job: Object) -> set[int]:
    """Return the exit codes that no other try would change, by the Job's own policy."""
    return set(_codes(job))


def _codes(job: Object) -> Iterator[int]:
    for rule in (job["spec"].get("podFailurePolicy") or {}).get("rules") or ():
        codes = rule.get("onExitCodes") or {}
        if rule.get("action") == "FailJob" and codes.get("operator") == "In":
            yield from codes["values"]
