"""One cluster: its folder, its processes, and the order in which they come to life.

Certificates, ports and the address that issues tokens are chosen once. Whatever is
killed or rebooted, the same cluster comes back: clients notice a pause, no change.
"""

import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

from local.cloud.cluster import certificates as who
from local.cloud.cluster import disks, kubeconfig, nodes, objects, ports, tools
from local.cloud.cluster.api import Api
from local.cloud.cluster.certificates import Certificates
from local.cloud.cluster.errors import ClusterError
from local.cloud.cluster.process import Process
from local.cloud.cluster.programs import (
    API_SERVER,
    CONTROLLER_MANAGER,
    ETCD,
    KWOK,
    SCHEDULER,
    STAGES,
    Programs,
    service_address,
)
from local.cloud.cluster.spec import Access, ClusterSpec
from local.cloud.postgres.account import Account, remove_tree
from local.cloud.postgres.alone import alone
from local.files import write_atomically
from local.paths import Paths
from local.toolchain.installer import KUBERNETES

DISKS = "disks"
ORDER = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK, DISKS)
"""In which processes start; they stop the other way round."""
PORTS: Mapping[str, tuple[str, ...]] = {
    ETCD: ("etcd", "peer"),
    API_SERVER: ("api",),
    CONTROLLER_MANAGER: (),
    SCHEDULER: (),
    KWOK: ("kubelet",),
    DISKS: (),
}
"""Who listens where; all ports are chosen once."""
PORTS_FILE = "ports.json"
ALL_PORTS = [port for name in ORDER for port in PORTS[name]]
Command = tuple[str | Path, ...]
START_SECONDS = 120.0
POLL_SECONDS = 0.05
PROBE = "/api/v1/namespaces/kube-public/serviceaccounts/default"
"""An object that nobody uses, and that the controllers make anew when it is gone."""
DEFAULT_ACCOUNT = "/api/v1/namespaces/default/serviceaccounts/default"


@dataclass(frozen=True)
class Cluster:
    """A handle; everything it knows is on disk."""

    cluster_id: str
    folder: Path
    cloud: Path = field(default_factory=lambda: Paths.current().cloud)
    """Where the local cloud is that knows the keys of its disks."""

    # -- what it is ------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The last part of its ARM id."""
        return self.cluster_id.rpartition("/")[2]

    @property
    def exists(self) -> bool:
        """Whether it was created, and completely."""
        return (self.folder / "created").exists()

    @property
    def spec(self) -> ClusterSpec:
        """What was asked for last."""
        return ClusterSpec.from_json(self._spec_file.read_text(encoding="utf-8"))

    @property
    def access(self) -> Access:
        """How clients reach it."""
        config = kubeconfig.for_clients(self.cluster_id, self.url, self.certificates)
        return Access(kubeconfig=config, issuer_url=self._issuer_url, version=KUBERNETES.version)

    @property
    def url(self) -> str:
        """The address of the API server."""
        return self._programs.api_url

    @property
    def running(self) -> bool:
        """Whether all of its processes live, and were seen to act since they were started."""
        return self._ready.exists() and all(self._process(name).running for name in ORDER)

    @property
    def certificates(self) -> Certificates:
        """All of its keys and certificates."""
        return Certificates(self.folder / "certificates")

    @cached_property
    def api(self) -> Api:
        """The API, as an administrator uses it."""
        files = self.certificates
        user = who.ADMINISTRATOR
        return Api(self.url, files.certificate("ca"), files.certificate(user), files.key(user))

    # -- life ------------------------------------------------------------------------

    @contextmanager
    def control(self) -> Iterator[None]:
        """Let nobody else start, stop, change or remove the cluster meanwhile."""
        # Not inside of the folder, which may be removed meanwhile.
        with alone(self.folder.parent.with_name("locks") / self.folder.name):
            yield

    def create(self, spec: ClusterSpec) -> None:
        """Make and start it; remains of an interrupted creation are removed, a whole one stays."""
        check(spec)
        with self.control():
            if self.exists:
                self.update(spec)
                return
            self.remove()
            self._make_folder(spec)
            self._start()
            self._bring_in_line({}, spec)
            (self.folder / "created").touch()

    def update(self, spec: ClusterSpec) -> None:
        """Bring nodes and add-ons in line with another wish."""
        check(spec)
        with self.control():
            self.require()
            self._start()
            objects.install(self.api, spec)
            self._bring_in_line(nodes.nodes_of(self.spec, KUBERNETES.version), spec)

    def start(self) -> None:
        """Start what does not run; one that runs is not waited for, even while it is changed."""
        self.require()
        for name in ORDER:
            self._process(name).trim()
        if self.running:
            return
        with self.control():
            self.require()
            self._start()
            nodes.wait_until_ready(self.api, set(nodes.nodes_of(self.spec, KUBERNETES.version)))
            self._ready.touch()

    def stop(self) -> None:
        """Stop all of its processes; its objects stay."""
        with self.control():
            for name in reversed(ORDER):
                self._process(name).stop()

    def remove(self) -> None:
        """Stop it and remove all that belonged to it."""
        with self.control():
            # First, so that what is half removed counts as never created.
            (self.folder / "created").unlink(missing_ok=True)
            self.stop()
            (self.folder / "id").unlink(missing_ok=True)  # from now on, nobody looks at it
            remove_tree(self.folder)
            if self.folder.exists():
                raise ClusterError(
                    f"{self.folder} of cluster {self.name} cannot be removed completely: see whose"
                    " files are left in it, and remove them"
                )

    def require(self) -> None:
        """Raise ``ClusterError`` unless it exists."""
        if not self.exists:
            raise ClusterError(f"cluster {self.name} was removed, or never completely created")

    # -- how ---------------------------------------------------------------------------

    @property
    def _spec_file(self) -> Path:
        return self.folder / "spec.json"

    @property
    def _ready(self) -> Path:
        """The mark of a start that came to its end; a killed one leaves none."""
        return self.folder / "processes" / "ready"

    @property
    def _issuer_url(self) -> str:
        """Return who issues tokens; AKS gives each cluster an address that is never reused."""
        return (self.folder / "issuer").read_text(encoding="utf-8")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _ports(self) -> Mapping[str, int]:
        chosen: dict[str, int] = json.loads((self.folder / PORTS_FILE).read_bytes())
        return chosen

    @property
    def _programs(self) -> Programs:
        return Programs(
            spec=self.spec,
            certificates=self.certificates,
            ports=self._ports,
            issuer_url=self._issuer_url,
            data=self._data,
            kubeconfigs=self.folder,
        )

    def _process(self, name: str) -> Process:
        return Process(name, self.folder / "processes")

    def _make_folder(self, spec: ClusterSpec) -> None:
        """Choose and make all that is never chosen again."""
        account = Account.choose()
        for folder in reversed((self.folder, *self.folder.parents)):
            if not folder.exists():
                folder.mkdir()
                folder.chmod(0o755)  # whatever the umask: the account must pass
        if not account.reaches(self.folder):
            raise ClusterError(
                f"the account {account.name}, under which clusters run, cannot enter"
                f" {self.folder}: allow others to enter its parents (chmod o+x)"
            )
        write_atomically(self._spec_file, spec.to_json())
        issuer = f"https://{spec.region}.oic.prod-aks.azure.com/{spec.tenant_id}/{uuid.uuid4()}/"
        write_atomically(self.folder / "issuer", issuer)
        ports.choose(self.folder / PORTS_FILE, ALL_PORTS)
        self.certificates.ensure(account, service_address(spec.service_cidr))
        self._data.mkdir(mode=0o700)
        account.own(self._data)
        write_atomically(self.folder / "id", self.cluster_id)  # from now on, it can be looked at

    def _start(self) -> None:
        """Start what does not run, and return when the controllers act."""
        if self.running:
            return
        self._ready.unlink(missing_ok=True)
        if not any(self._process(name).running for name in ORDER):
            ports.choose(self.folder / PORTS_FILE, ALL_PORTS, keep=("api",))
        for user in (who.CONTROLLER_MANAGER, who.SCHEDULER, who.KWOK):
            config = kubeconfig.for_process(user, self.url, self.certificates)
            write_atomically(self._programs.kubeconfig(user), config)
        commands = self._commands()
        for name in ORDER[:2]:
            self._launch(name, commands[name])
        self._await(self.api.ready, API_SERVER, ORDER[:2])
        objects.install(self.api, self.spec)  # kwok and the disks need their rights
        self.api.delete(PROBE)
        if not self._process(KWOK).running:
            self.api.delete(nodes.LEASES)
        for name in ORDER[2:]:
            self._launch(name, commands[name])
        for path in (PROBE, DEFAULT_ACCOUNT):
            self._await(partial(self._has, path), CONTROLLER_MANAGER, ORDER)
        # kwok plays pods before it listens, and then has nobody to ask for their logs.
        self._await(partial(ports.answers, self._ports["kubelet"]), KWOK, ORDER)

    def _has(self, path: str) -> bool:
        return self.api.ready() and self.api.get(path) is not None

    def _commands(self) -> Mapping[str, Command]:
        programs, files = self._programs, self.certificates.folder
        found = tools.folder(Account.choose())
        disk_driver = (self.cluster_id, self.url, files, self._spec_file, self.cloud)
        ours = (
            programs.etcd,
            programs.api_server,
            programs.controller_manager,
            programs.scheduler,
            programs.kwok(found / STAGES),
        )
        return {
            **{name: (found / name, *arguments) for name, *arguments in ours},
            DISKS: (sys.executable, "-m", disks.__name__, *disk_driver),
        }

    def _launch(self, name: str, command: Command) -> None:
        process = self._process(name)
        if process.running:
            return
        for port in PORTS[name]:
            ports.refuse_taken(self._ports[port], f"{name} of cluster {self.name}", self.folder)
        # The disk driver is a program of this clone, which the account need not reach.
        process.start(command, None if name == DISKS else Account.choose())

    def _await(self, done: Callable[[], bool], whose: str, needed: Sequence[str]) -> None:
        """Wait for what one process does while all that it needs live."""
        deadline = time.monotonic() + START_SECONDS
        while not done():
            ended = [name for name in needed if not self._process(name).running]
            if ended or time.monotonic() > deadline:
                process = self._process(ended[0] if ended else whose)
                raise ClusterError(
                    f"{process.name} of cluster {self.name}"
                    f" {'ended' if ended else 'is not ready in time'};"
                    f" {process.log} ends with:\n{process.log_tail}"
                )
            time.sleep(POLL_SECONDS)

    def _bring_in_line(self, old: Mapping[str, nodes.Node], spec: ClusterSpec) -> None:
        nodes.bring_in_line(self.api, old, nodes.nodes_of(spec, KUBERNETES.version))
        write_atomically(self._spec_file, spec.to_json())
        self._ready.touch()


def check(spec: ClusterSpec) -> None:
    """Raise ``ClusterError`` where a version, a size or a taint is not known."""
    version = KUBERNETES.version
    minor = version.rpartition(".")[0]
    if spec.kubernetes_version not in (minor, version):
        raise ClusterError(
            f"kubernetes_version {spec.kubernetes_version} is not offered: the control plane of"
            f" this machine is built as {version}. Write {minor} or {version}."
        )
    nodes.check(spec)
