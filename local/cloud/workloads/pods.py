"""The doors for commands: start what a stack runs for real, find it, and stop it."""

import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import urllib3

from local.cloud.cluster import fleet
from local.cloud.cluster.process import Process
from local.cloud.door.daemon import Daemon
from local.cloud.postgres.fleet import Fleet
from local.cloud.workloads.job import Job
from local.cloud.workloads.pod import Surroundings
from local.cloud.workloads.service import Service
from local.cloud.workloads.vault import VaultReader
from local.errors import LocalError
from local.files import write_atomically
from local.paths import Paths

MEMORY_SERVICE = "memory-service"
PROBLEMS = "problems.json"
READY_SECONDS = 120.0
POLL_SECONDS = 0.2
OK = 200
GRACE = "ENGRAM_FIELD_KEYS_GRACE_SECONDS"
FOLLOWED_SECONDS = 15
"""After how long every pod has a new secret at the latest; AKS' driver looks every two minutes."""


@dataclass(frozen=True)
class Status:
    """One process, as the summary shows it."""

    name: str
    running: bool
    address: str | None
    restarts: int


@dataclass(frozen=True)
class Pods:
    """What one cluster runs for real."""

    paths: Paths
    cluster_id: str

    @property
    def folder(self) -> Path:
        """Where its files and logs are."""
        return folder(self.paths, self.cluster_id)

    @property
    def kubelet(self) -> Process:
        """Who looks after them."""
        return Process("kubelet", self.folder)

    @property
    def service(self) -> Service:
        """The memory service."""
        return Service(MEMORY_SERVICE, self.folder / "services" / MEMORY_SERVICE, ())

    def start(self) -> None:
        """Start the door and the kubelet, unless they run."""
        Daemon(self.paths).start()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder / "id", self.cluster_id)
        program = (sys.executable, "-m", "local.cloud.workloads.kubelet")
        self.kubelet.start((*program, self.paths.local, self.cluster_id))

    def stop(self) -> None:
        """Stop the kubelet, and with it all that it runs; also what a killed one left."""
        self.kubelet.stop()
        self.service.stop()
        for one in (self.folder / "jobs").glob("*"):
            Process(one.name.rpartition("-")[0], one).stop()

    def wait(self, seconds: float = READY_SECONDS) -> str:
        """Wait until the service is ready; return its address. Raises ``LocalError`` otherwise."""
        deadline = time.monotonic() + seconds
        while True:
            address, found = self.service.address, "it was not started"
            if address is not None:
                found = readiness(address)
                if found == "ready":
                    return address
            if time.monotonic() > deadline:
                raise LocalError(self._why(found))
            time.sleep(POLL_SECONDS)

    def job(self, name: str, seconds: float = READY_SECONDS) -> int:
        """Wait until a Job has been run; return its exit code. Raises ``LocalError`` otherwise."""
        deadline = time.monotonic() + seconds
        api = fleet.api(self.cluster_id)
        while True:
            for found in api.items("/apis/batch/v1/jobs", fieldSelector=f"metadata.name={name}"):
                uid = found["metadata"]["uid"]
                job = Job(name, uid, job_folder(self.folder, name, uid))
                code = job.exit_code
                if code is not None and job.done(found):
                    return code
            if time.monotonic() > deadline:
                raise LocalError(f"job {name}: {self.problems.get(name, 'it has not ended')}")
            time.sleep(POLL_SECONDS)

    @property
    def problems(self) -> Mapping[str, str]:
        """Return what the kubelet says stands in the way, by name."""
        file = self.folder / PROBLEMS
        known: Mapping[str, str] = json.loads(file.read_text("utf-8")) if file.exists() else {}
        return known

    def _why(self, found: str) -> str:
        problem = self.problems.get(MEMORY_SERVICE)
        log = self.service.process.log
        tail = f"; {log} ends with:\n{self.service.process.log_tail}" if log.exists() else ""
        return f"the memory service does not serve: {problem or found}{tail}"


def folder(paths: Paths, cluster_id: str) -> Path:
    """Return where the files of a cluster's real pods are."""
    lower = cluster_id.lower()
    mark = hashlib.sha256(lower.encode()).hexdigest()[:8]
    return paths.local / "workloads" / f"{lower.rpartition('/')[2]}-{mark}"


def job_folder(parent: Path, name: str, uid: str) -> Path:
    """Return where the files of one Job are."""
    return parent / "jobs" / f"{name}-{uid.replace('-', '')}"


def surroundings(paths: Paths, cluster_id: str) -> Surroundings:
    """Return what all pods of a cluster share."""
    door = Daemon(paths)
    servers = Fleet.current().endpoint.environment
    return Surroundings(
        api=fleet.api(cluster_id),
        vaults=VaultReader(door.url, str(door.ca_file)),
        variables={
            **door.environment,
            **{name: servers[name] for name in ("PGHOSTADDR", "PGPORT")},
            GRACE: str(FOLLOWED_SECONDS),
        },
        # https://<region>.oic.prod-aks.azure.com/<tenant>/<cluster>/
        tenant_id=fleet.access(cluster_id).issuer_url.split("/")[3],
    )


def all_of(paths: Paths) -> Iterator[Pods]:
    """Return the real pods of every cluster, standing or gone."""
    for file in sorted((paths.local / "workloads").glob("*/id")):
        yield Pods(paths, file.read_text(encoding="utf-8"))


def status(paths: Paths) -> list[Status]:
    """Return every service that was ever started; looking starts nothing."""
    return [
        Status(
            one.service.name,
            one.service.process.running,
            one.service.address,
            int(one.service.note.get("restarts", 0)),
        )
        for one in all_of(paths)
    ]


def stop_all(paths: Paths) -> None:
    """Stop all of them, and the door. Raises ``LocalError`` in the end where one does not stop."""
    failures: list[str] = []
    steps: list[Callable[[], None]] = [one.stop for one in all_of(paths)]
    for step in (*steps, Daemon(paths).stop):
        try:
            step()
        except LocalError as error:
            failures.append(str(error))
    if failures:
        raise LocalError("\n".join(failures))


def readiness(address: str) -> str:
    """Return ``ready``, or what the service says of itself instead."""
    try:
        answer = urllib3.request("GET", f"{address}/readyz", retries=False, timeout=5.0)
    except urllib3.exceptions.HTTPError:
        return "it does not answer"
    if answer.status == OK:
        return "ready"
    return answer.data.decode(errors="replace")[:500]
