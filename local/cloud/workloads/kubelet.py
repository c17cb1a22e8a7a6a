"""Runs the memory's own pods of one cluster, for as long as that cluster stands.

``python -m local.cloud.workloads.kubelet <local folder> <cluster id>``. It looks at the live
objects every second and at the vault whenever the local cloud has changed. Killed, it leaves its
processes running, and the next one takes them over; told to end, it ends them.
"""

import json
import logging
import os
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from local.cloud.cluster import fleet
from local.cloud.cluster.api import Object
from local.cloud.door.daemon import Daemon
from local.cloud.workloads import pods
from local.cloud.workloads.job import Job
from local.cloud.workloads.pod import Surroundings
from local.cloud.workloads.service import Service
from local.errors import LocalError
from local.files import write_atomically
from local.paths import OVERRIDE, Paths

LOG = logging.getLogger("kubelet")
POLL_SECONDS = 1.0
SYNC_SECONDS = 120.0
"""How often the vault is asked although nothing was heard of; AKS' own interval."""
PROGRAMS: Mapping[str, tuple[str, ...]] = {"memory-service": ("python", "-m", "memory.service")}
"""By the name of a workload, what its image runs; the entry point of memory/service/Dockerfile."""
JOBS = "memory-operations"
NAME = "app.kubernetes.io/name"


@dataclass
class Kubelet:
    """What runs of one cluster."""

    folder: Path
    around: Surroundings
    services: dict[str, Service] = field(default_factory=dict)
    """By name; there is one namespace of ours in a cluster."""
    jobs: dict[str, Job] = field(default_factory=dict)
    """By uid."""
    problems: dict[str, str] = field(default_factory=dict)
    """Why something does not run, by its name."""

    def __post_init__(self) -> None:
        """Take over what an earlier one left, running or not."""
        for folder in sorted((self.folder / "services").glob("*")):
            if folder.name in PROGRAMS:
                self.services[folder.name] = Service(folder.name, folder, PROGRAMS[folder.name])

    def look(self) -> None:
        """Make what runs be what the live objects say; one that fails does not stop the others."""
        deployments = self._deployments()
        for name, deployment in deployments.items():
            service = self.service(name)
            self._attempt(name, lambda s=service, d=deployment: s.bring_in_line(d, self.around))  # type: ignore[misc]  # a default binds the loop's value
        for name in self.services.keys() - deployments.keys():
            self.services.pop(name).stop()
        jobs = {one["metadata"]["uid"]: one for one in self._live("/apis/batch/v1/jobs", (JOBS,))}
        for found in jobs.values():
            job = self.job(found)
            self._attempt(job.name, lambda j=job, f=found: j.bring_in_line(f, self.around))  # type: ignore[misc]  # as above
        for uid in self.jobs.keys() - jobs.keys():
            self.jobs.pop(uid).remove()
        self._tell()

    def refresh(self) -> None:
        """Bring what the vault says now into every running pod."""
        for name, deployment in self._deployments().items():
            if self.service(name).process.running:
                self._attempt(name, self.service(name).pod(deployment, self.around).refresh)

    def stop(self) -> None:
        """End everything."""
        for service in self.services.values():
            service.stop()
        for job in self.jobs.values():
            job.process.stop()

    def service(self, name: str) -> Service:
        """Return what runs in place of a Deployment's pods."""
        folder = self.folder / "services" / name
        return self.services.setdefault(name, Service(name, folder, PROGRAMS[name]))

    def job(self, found: Object) -> Job:
        """Return what runs of a Job."""
        uid, name = found["metadata"]["uid"], found["metadata"]["name"]
        return self.jobs.setdefault(uid, Job(name, uid, pods.job_folder(self.folder, name, uid)))

    def _deployments(self) -> dict[str, Object]:
        found = self._live("/apis/apps/v1/deployments", PROGRAMS)
        return {
            one["metadata"]["name"]: one for one in found if one["metadata"]["name"] in PROGRAMS
        }

    def _live(self, path: str, names: Iterable[str]) -> list[Object]:
        return self.around.api.items(path, labelSelector=f"{NAME} in ({','.join(names)})")

    def _attempt(self, name: str, act: Callable[[], object]) -> None:
        try:
            act()
        except (LocalError, OSError) as error:
            if self.problems.get(name) != str(error):
                LOG.warning("%s: %s", name, error)
            self.problems[name] = str(error)
        else:
            self.problems.pop(name, None)

    def _tell(self) -> None:
        """Let everybody know what stands in the way."""
        file, text = self.folder / pods.PROBLEMS, json.dumps(self.problems)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            write_atomically(file, text)


@dataclass
class Changes:
    """Tells when it is time to look into the vault."""

    database: sqlite3.Connection
    seen: int = -1
    at: float = -SYNC_SECONDS

    def any(self) -> bool:
        """Tell whether anybody wrote to the local cloud since the last time, or it is long ago."""
        (version,) = self.database.execute("PRAGMA data_version").fetchone()
        if version == self.seen and time.monotonic() - self.at < SYNC_SECONDS:
            return False
        self.seen, self.at = version, time.monotonic()
        return True


def main(folder: str, cluster_id: str) -> None:
    """Run until the cluster is gone, or SIGTERM."""
    os.environ[OVERRIDE] = folder
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    paths = Paths.current()
    door = Daemon(paths)
    kubelet = Kubelet(pods.folder(paths, cluster_id), pods.surroundings(paths, cluster_id))
    changes = Changes(sqlite3.connect(paths.cloud / "cloud.sqlite", isolation_level=None))
    while not ended.wait(POLL_SECONDS) and fleet.exists(cluster_id):
        try:
            if not door.running:  # killed, as anything may be
                door.start()
            kubelet.look()
            if changes.any():
                kubelet.refresh()
        except (LocalError, OSError) as error:  # the API server rests: what runs goes on
            LOG.warning("%s", error)
    kubelet.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
