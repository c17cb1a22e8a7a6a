"""How each process of a cluster is called: its certificates, its ports, and what AKS switches on.

Secrets are in files that the processes' account reads, never in arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

from local.cloud.cluster import certificates as who
from local.cloud.cluster.certificates import Certificates
from local.cloud.cluster.spec import ClusterSpec

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"
STAGES = "kwok-stages.yaml"

LOOPBACK = "127.0.0.1"
LEASE_SECONDS = 40
ADMISSION = (
    "PodSecurity",
    "NodeRestriction",
    "PodNodeSelector",
    "PodTolerationRestriction",
    "ExtendedResourceToleration",
)
"""What AKS has besides Kubernetes' defaults, which include quotas, ranges and service accounts.

https://learn.microsoft.com/azure/aks/faq (admission controllers)
"""


def service_address(service_cidr: str) -> str:
    """Return the address of the API server inside of the cluster: the first of the range."""
    return str(ip_network(service_cidr)[1])


@dataclass(frozen=True, kw_only=True)
class Programs:
    """The command lines of one cluster."""

    spec: ClusterSpec
    certificates: Certificates
    ports: Mapping[str, int]
    issuer_url: str
    data: Path
    """The only folder that the processes may write to."""
    kubeconfigs: Path
    """The folder of the processes' own kubeconfigs."""

    @property
    def api_url(self) -> str:
        """Where the API server listens."""
        return f"https://{LOOPBACK}:{self.ports['api']}"

    def _files(self, certificate: str, key: str, name: str) -> tuple[str, str]:
        files = self.certificates
        return f"--{certificate}={files.certificate(name)}", f"--{key}={files.key(name)}"

    def _trusted(self, flag: str, name: str) -> str:
        return f"--{flag}={self.certificates.certificate(name)}"

    @property
    def etcd(self) -> tuple[str, ...]:
        """The store; every answer means that it is on the disk."""
        client = f"https://{LOOPBACK}:{self.ports['etcd']}"
        peer = f"https://{LOOPBACK}:{self.ports['peer']}"
        return (
            ETCD,
            "--name=local",
            f"--data-dir={self.data / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=local={peer}",
            *self._files("cert-file", "key-file", "etcd"),
            *self._files("peer-cert-file", "peer-key-file", "etcd"),
            "--client-cert-auth",
            "--peer-client-cert-auth",
            self._trusted("trusted-ca-file", "etcd-ca"),
            self._trusted("peer-trusted-ca-file", "etcd-ca"),
            "--auto-compaction-retention=1",
            "--log-level=warn",
        )

    @property
    def api_server(self) -> tuple[str, ...]:
        """The API, with the checks that AKS makes."""
        keys = self.certificates
        return (
            API_SERVER,
            f"--etcd-servers=https://{LOOPBACK}:{self.ports['etcd']}",
            self._trusted("etcd-cafile", "etcd-ca"),
            *self._files("etcd-certfile", "etcd-keyfile", "etcd-client"),
            f"--bind-address={LOOPBACK}",
            f"--advertise-address={LOOPBACK}",
            f"--secure-port={self.ports['api']}",
            "--endpoint-reconciler-type=none",
            *self._files("tls-cert-file", "tls-private-key-file", "apiserver"),
            self._trusted("client-ca-file", "ca"),
            self._trusted("kubelet-certificate-authority", "ca"),
            *self._files("kubelet-client-certificate", "kubelet-client-key", "kubelet-client"),
            "--kubelet-preferred-address-types=InternalIP",
            "--anonymous-auth=false",
            "--authorization-mode=Node,RBAC",
            # A privileged pod is refused by Pod Security, as on AKS, not by this switch.
            "--allow-privileged=true",
            f"--enable-admission-plugins={','.join(ADMISSION)}",
            f"--service-account-issuer={self.issuer_url}",
            f"--service-account-key-file={keys.folder / 'tokens.pub'}",
            f"--service-account-signing-key-file={keys.key('tokens')}",
            f"--service-cluster-ip-range={self.spec.service_cidr}",
            "--shutdown-delay-duration=0s",
            "--profiling=false",
        )

    @property
    def controller_manager(self) -> tuple[str, ...]:
        """The controllers; nobody asks them anything, so they listen nowhere."""
        keys = self.certificates
        return (
            CONTROLLER_MANAGER,
            f"--kubeconfig={self.kubeconfig(who.CONTROLLER_MANAGER)}",
            "--secure-port=0",
            self._trusted("root-ca-file", "ca"),
            f"--service-account-private-key-file={keys.key('tokens')}",
            "--use-service-account-credentials=true",
            self._trusted("cluster-signing-cert-file", "ca"),
            f"--cluster-signing-key-file={keys.key('ca')}",
            "--allocate-node-cidrs=true",
            f"--cluster-cidr={self.spec.pod_cidr}",
            f"--service-cluster-ip-range={self.spec.service_cidr}",
            "--leader-elect=false",
            f"--flex-volume-plugin-dir={self.data / 'flex'}",
            "--profiling=false",
        )

    @property
    def scheduler(self) -> tuple[str, ...]:
        """The scheduler; it listens nowhere either."""
        return (
            SCHEDULER,
            f"--kubeconfig={self.kubeconfig(who.SCHEDULER)}",
            "--secure-port=0",
            "--leader-elect=false",
            "--profiling=false",
        )

    def kwok(self, stages: Path) -> tuple[str, ...]:
        """Return what plays the part of all nodes."""
        return (
            KWOK,
            f"--kubeconfig={self.kubeconfig(who.KWOK)}",
            f"--config={stages}",
            "--manage-all-nodes=true",
            f"--node-lease-duration-seconds={LEASE_SECONDS}",
            f"--node-ip={LOOPBACK}",
            f"--node-port={self.ports['kubelet']}",
            # Without it, kwok listens on every address of the machine, and asks nobody who he is.
            f"--server-address={LOOPBACK}:{self.ports['kubelet']}",
            f"--cidr={self.spec.pod_cidr}",
            *self._files("tls-cert-file", "tls-private-key-file", "kubelet"),
        )

    def kubeconfig(self, user: str) -> Path:
        """Return the file with which a process signs in."""
        return self.kubeconfigs / f"{user}.kubeconfig"
