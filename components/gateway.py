"""The one address of Engram inside the cluster: Envoy, with TLS 1.3, keys and single sign-on.

What Envoy does is in ``gateway_config`` and ``gateway_access``, as data.  Renewed secrets reach it
without a restart: it watches the folder in which the vault's driver replaces them.  A changed
configuration rolls the pods.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi
from pulumi_kubernetes import core

from components.capacity import bytes_of, cores
from components.gateway_access import SignOn, Upstream
from components.gateway_config import BOOTSTRAP, GatewayConfig, Limits, files
from components.replicas import (
    PORT,
    Replicas,
    checksum,
    metadata,
    mounted,
    pause,
    probe,
    template,
)
from components.vault_secrets import MEMORY_API_KEY, ZEP_API_KEY
from components.workloads import (
    PodIdentity,
    Scale,
    Size,
    Workload,
    Workspace,
    container_security,
)

HTTPS = 443
STATUS = "status"
CONFIG_FOLDER = "/etc/envoy"
SECRETS_FOLDER = "/etc/engram/secrets"
HEAP_SHARE = 0.8
"""Of the container's memory; buffers of the kernel and of TLS take the rest."""
PAUSE_SECONDS = 35
"""Envoy ends at once on SIGTERM, so what it serves must end before: Zep gives up after 30."""


@dataclass(frozen=True, kw_only=True)
class GatewayArgs:
    """What a caller decides."""

    workspace: Workspace
    identity: PodIdentity
    image: str
    """Envoy, best without a shell (``distroless``)."""
    sign_on: SignOn | None
    """Without it, callers need a key."""
    scale: Scale
    size: Size
    limits: Limits = field(default_factory=Limits)
    ready: Sequence[pulumi.Resource] = ()


def host_names(namespace: str) -> list[str]:
    """Return its names inside the cluster; a certificate carries them, and the customer's own."""
    name = Workload.GATEWAY.label
    return [
        f"{name}.{namespace}.svc.cluster.local",
        f"{name}.{namespace}.svc",
        f"{name}.{namespace}",
        name,
    ]


def upstreams(namespace: str) -> list[Upstream]:
    """Return what is behind the gateway."""
    return [
        Upstream(
            name=workload.label,
            # With a dot at its end no search domain is tried.
            host=f"{workload.label}.{namespace}.svc.cluster.local.",
            port=workload.port,
            prefix=prefix,
            exact=exact,
            key_file=key,
        )
        for workload, prefix, exact, key in (
            (Workload.ZEP, "/api/v2", False, ZEP_API_KEY),
            (Workload.MEMORY_SERVICE, "/memories", True, MEMORY_API_KEY),
        )
    ]


def configuration(
    namespace: str, sign_on: SignOn | None, size: Size, limits: Limits
) -> GatewayConfig:
    """Return what Envoy is told."""
    return GatewayConfig(
        upstreams=upstreams(namespace),
        sign_on=sign_on,
        heap_bytes=int(bytes_of(size.memory) * int(HEAP_SHARE * 100) / 100),
        limits=limits,
        port=Workload.GATEWAY.port,
        folder=CONFIG_FOLDER,
        secrets=SECRETS_FOLDER,
    )


class Gateway(pulumi.ComponentResource):
    """Configuration, pods, their address, and how many of them may go or come."""

    def __init__(
        self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:kubernetes:Gateway", name, {}, opts)
        self._args = args
        self._files = pulumi.Output.from_input(args.workspace.namespace).apply(self._rendered)
        config = self._config(name)
        self.service = self._service(name)
        replicas = Replicas(workload=Workload.GATEWAY, workspace=args.workspace, scale=args.scale)
        after = [config, *args.identity.ready, *args.ready]
        self.pods = replicas.declare(name, self._pod(), self, after)
        self.register_outputs({})

    def _rendered(self, namespace: str) -> dict[str, str]:
        args = self._args
        config = configuration(namespace, args.sign_on, args.size, args.limits)
        return {name: json.dumps(data, indent=1) for name, data in files(config).items()}

    def _config(self, name: str) -> core.v1.ConfigMap:
        return core.v1.ConfigMap(
            f"{name}-config",
            metadata=metadata(Workload.GATEWAY, self._args.workspace),
            data=self._files,
            opts=self._args.workspace.options(self),
        )

    def _service(self, name: str) -> core.v1.Service:
        return core.v1.Service(
            f"{name}-service",
            metadata=metadata(Workload.GATEWAY, self._args.workspace),
            spec=core.v1.ServiceSpecArgs(
                type="ClusterIP",
                selector=Workload.GATEWAY.selector,
                ports=[core.v1.ServicePortArgs(name="https", port=HTTPS, target_port=PORT)],
            ),
            opts=self._args.workspace.options(self),
        )

    def _pod(self) -> core.v1.PodTemplateSpecArgs:
        args = self._args
        source = core.v1.ConfigMapVolumeSourceArgs(name=Workload.GATEWAY.label)
        return template(
            Workload.GATEWAY,
            args.workspace,
            args.identity,
            checksum=self._files.apply(lambda found: checksum(*found.values())),
            containers=[self._container()],
            termination_grace_period_seconds=PAUSE_SECONDS + 10,
            volumes=[
                args.identity.volume(),
                core.v1.VolumeArgs(name="config", config_map=source),
            ],
        )

    def _container(self) -> core.v1.ContainerArgs:
        args = self._args
        return core.v1.ContainerArgs(
            name=Workload.GATEWAY.label,
            image=args.image,
            # Hot restart wants shared memory, and Kubernetes starts another pod instead.
            args=[
                "--config-path",
                f"{CONFIG_FOLDER}/{BOOTSTRAP}",
                "--disable-hot-restart",
                "--concurrency",
                str(math.ceil(cores(args.size.cpu))),
                "--log-level",
                "warning",
            ],
            ports=[
                core.v1.ContainerPortArgs(name=PORT, container_port=Workload.GATEWAY.port),
                core.v1.ContainerPortArgs(name=STATUS, container_port=GatewayConfig.status_port),
            ],
            resources=args.size.requirements(),
            security_context=container_security(),
            volume_mounts=[mounted("config", CONFIG_FOLDER), mounted("secrets", SECRETS_FOLDER)],
            lifecycle=pause(PAUSE_SECONDS),
            startup_probe=probe("/ready", STATUS, period_seconds=2, failures=30),
            liveness_probe=probe("/ready", STATUS, period_seconds=10, failures=6),
            readiness_probe=probe("/ready", STATUS, period_seconds=5, failures=2),
        )
