"""The graph of facts: Neo4j 5.26 of ours, or a store that the customer already runs.

Neo4j's community edition is one server: while its pod moves, Graphiti waits and facts stand still;
Zep's messages are in PostgreSQL and do not.  There is no PodDisruptionBudget, because with one pod
it would forbid every upgrade of a node.

It has no online backup either: ``neo4j-admin database dump`` wants the database stopped, so no
CronJob can make one beside the running server.  What is left is a snapshot of the disk, which
Neo4j recovers from as it does after a loss of power, and the messages, from which facts can be
made anew.

The password is set when the disk is empty.  Another secret in the vault does not change it:
``ALTER CURRENT USER SET PASSWORD`` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import apps, core, meta

from components.replicas import (
    PORT,
    checksum,
    metadata,
    mounted,
    scratch,
    service,
    template,
    variables,
    writable,
)
from components.vault_secrets import GRAPH_STORE_AUTH, GRAPH_STORE_KEY
from components.workloads import (
    PodIdentity,
    Size,
    Workload,
    Workspace,
    container_security,
    pod_security,
)

USER_ID = 7474
"""Neo4j's own in its image, and the owner of what it must read there."""
USER = "neo4j"
"""The only one whom the image can give a first password."""
CLAIM = "data-graph-store-0"
"""Of the disk, in a StatefulSet's own words for its first pod.

It is no template of the StatefulSet, which nobody can change: this claim grows in place, and is
protected like everything that holds data.
"""
CERTIFICATE_CONFIG_MAP = "graph-store-certificate"
CERTIFICATE_FILE = "tls.crt"

SECRETS_FOLDER = "/etc/engram/secrets"
CERTIFICATE_FOLDER = "/etc/engram/certificate"
CONF_FOLDER = "/var/lib/neo4j/conf"
DRAIN_SECONDS = 120
"""For the last checkpoint; without it the next start recovers, which takes longer."""


@dataclass(frozen=True, kw_only=True)
class GraphAccess:
    """How a graph store is reached; the password is the secret ``graph-store-password``."""

    uri: pulumi.Input[str]
    """``bolt+s://`` or ``neo4j+s://``; the driver then verifies the certificate's name."""
    user: str = USER
    authority: pulumi.Input[str] | None = None
    """PEM behind its certificate, where no public authority is."""
    ready: Sequence[pulumi.Resource] = ()


@dataclass(frozen=True, kw_only=True)
class GraphStoreArgs:
    """What a caller decides."""

    workspace: Workspace
    identity: PodIdentity
    image: str
    size: Size
    heap_gib: float
    page_cache_gib: float
    """With the heap, less than ``size`` has: threads, network and Lucene take the rest."""
    volume_gib: int
    """It can grow; Kubernetes refuses a smaller one."""
    protected: bool
    """Pulumi does not delete the disk."""
    certificate: pulumi.Input[str]
    """PEM for ``host_names``; its key is the secret ``graph-store-key``, PKCS #8."""
    authority: pulumi.Input[str]
    """PEM that clients of it trust."""


def host_names(namespace: str) -> list[str]:
    """Return the names that its certificate must carry."""
    name = Workload.GRAPH_STORE.label
    return [name, f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"]


def memory_settings(heap_gib: float, page_cache_gib: float) -> dict[str, str]:
    """Return both bounds; Neo4j would guess them from the node's memory, not the container's."""
    heap = f"{round(heap_gib * 1024)}m"
    return {
        "server.memory.heap.initial_size": heap,
        "server.memory.heap.max_size": heap,
        "server.memory.pagecache.size": f"{round(page_cache_gib * 1024)}m",
    }


def configuration(heap_gib: float, page_cache_gib: float) -> dict[str, str]:
    """Return Neo4j's settings; whatever is not here is as Neo4j ships it."""
    return {
        **memory_settings(heap_gib, page_cache_gib),
        "server.bolt.listen_address": f":{Workload.GRAPH_STORE.port}",
        "server.bolt.tls_level": "REQUIRED",
        "server.http.enabled": "false",
        "server.https.enabled": "false",
        "dbms.ssl.policy.bolt.enabled": "true",
        # It must exist, although both files are named in full; the image has none.
        "dbms.ssl.policy.bolt.base_directory": CERTIFICATE_FOLDER,
        "dbms.ssl.policy.bolt.private_key": f"{SECRETS_FOLDER}/{GRAPH_STORE_KEY}",
        "dbms.ssl.policy.bolt.public_certificate": f"{CERTIFICATE_FOLDER}/{CERTIFICATE_FILE}",
        "dbms.ssl.policy.bolt.client_auth": "NONE",
        "dbms.ssl.policy.bolt.tls_versions": "TLSv1.3",
        # Neither usage data nor a browser that sends them.
        "dbms.usage_report.enabled": "false",
        "client.allow_telemetry": "false",
        # The image's own /run is read-only.
        "server.directories.run": "/tmp",  # noqa: S108 - the pod's own
        "server.jvm.additional": "-XX:+ExitOnOutOfMemoryError",
    }


def variable_name(setting: str) -> str:
    """Return the variable that the image turns into a setting."""
    return "NEO4J_" + setting.replace("_", "__").replace(".", "_")


class GraphStore(pulumi.ComponentResource):
    """One server, its disk, its address, and Bolt over TLS 1.3 only."""

    access: GraphAccess

    def __init__(
        self, name: str, args: GraphStoreArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:kubernetes:GraphStore", name, {}, opts)
        self._args = args
        certificate = self._certificate(name)
        address = service(name, Workload.GRAPH_STORE, args.workspace, self)
        self.pods = self._pods(name, after=[certificate, address, self._claim(name)])
        self.access = GraphAccess(
            uri=f"bolt+s://{Workload.GRAPH_STORE.label}:{Workload.GRAPH_STORE.port}",
            authority=args.authority,
            ready=[self.pods, address],
        )
        self.register_outputs({})

    def _certificate(self, name: str) -> core.v1.ConfigMap:
        return core.v1.ConfigMap(
            f"{name}-certificate",
            metadata=metadata(Workload.GRAPH_STORE, self._args.workspace, CERTIFICATE_CONFIG_MAP),
            data={CERTIFICATE_FILE: self._args.certificate},
            opts=self._args.workspace.options(self),
        )

    def _pods(self, name: str, after: Sequence[pulumi.Resource]) -> apps.v1.StatefulSet:
        args = self._args
        return apps.v1.StatefulSet(
            f"{name}-pods",
            metadata=metadata(Workload.GRAPH_STORE, args.workspace),
            spec=apps.v1.StatefulSetSpecArgs(
                service_name=Workload.GRAPH_STORE.label,
                replicas=1,
                revision_history_limit=3,
                selector=meta.v1.LabelSelectorArgs(match_labels=Workload.GRAPH_STORE.selector),
                template=self._pod(),
            ),
            opts=args.workspace.options(self, [*after, *args.identity.ready]),
        )

    def _claim(self, name: str) -> core.v1.PersistentVolumeClaim:
        args = self._args
        options = args.workspace.options(self)
        options.protect = args.protected
        return core.v1.PersistentVolumeClaim(
            f"{name}-data",
            metadata=metadata(Workload.GRAPH_STORE, args.workspace, CLAIM),
            spec=core.v1.PersistentVolumeClaimSpecArgs(
                access_modes=["ReadWriteOnce"],
                storage_class_name=args.workspace.storage_class,
                resources=core.v1.VolumeResourceRequirementsArgs(
                    requests={"storage": f"{args.volume_gib}Gi"}
                ),
            ),
            opts=options,
        )

    def _pod(self) -> core.v1.PodTemplateSpecArgs:
        args = self._args
        certificate = core.v1.ConfigMapVolumeSourceArgs(name=CERTIFICATE_CONFIG_MAP)
        disk = core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=CLAIM)
        return template(
            Workload.GRAPH_STORE,
            args.workspace,
            args.identity,
            # Key and certificate are read at the start, and belong together.
            checksum=pulumi.Output.from_input(args.certificate).apply(checksum),
            containers=[self._container()],
            init_containers=[self._defaults()],
            security_context=pod_security(USER_ID),
            termination_grace_period_seconds=DRAIN_SECONDS,
            volumes=[
                args.identity.volume(),
                core.v1.VolumeArgs(name="certificate", config_map=certificate),
                core.v1.VolumeArgs(name="data", persistent_volume_claim=disk),
                scratch("conf", "8Mi"),
                scratch("logs", "512Mi"),
                scratch("tmp", "256Mi"),
            ],
        )

    def _defaults(self) -> core.v1.ContainerArgs:
        """Copy the image's settings to where its entrypoint can add ours."""
        args = self._args
        return core.v1.ContainerArgs(
            name="defaults",
            image=args.image,
            command=["cp", "--recursive", f"{CONF_FOLDER}/.", "/conf-of-pod"],
            resources=args.size.requirements(),
            security_context=container_security(),
            volume_mounts=[writable("conf", "/conf-of-pod")],
        )

    def _container(self) -> core.v1.ContainerArgs:
        args = self._args
        told = configuration(args.heap_gib, args.page_cache_gib)
        settings = {variable_name(setting): value for setting, value in told.items()}
        auth = {"NEO4J_AUTH_PATH": f"{SECRETS_FOLDER}/{GRAPH_STORE_AUTH}"}
        return core.v1.ContainerArgs(
            name=Workload.GRAPH_STORE.label,
            image=args.image,
            env=variables({**auth, **settings}),
            ports=[core.v1.ContainerPortArgs(name=PORT, container_port=Workload.GRAPH_STORE.port)],
            resources=args.size.requirements(),
            security_context=container_security(),
            volume_mounts=[
                # Below the root, where the file system keeps a lost+found of its own.
                core.v1.VolumeMountArgs(name="data", mount_path="/data", sub_path="data"),
                mounted("secrets", SECRETS_FOLDER),
                mounted("certificate", CERTIFICATE_FOLDER),
                writable("conf", CONF_FOLDER),
                writable("logs", "/logs"),
                writable("tmp", "/tmp"),  # noqa: S108 - the pod's own
            ],
            # Bolt opens when the database is up; a question in Cypher would start a JVM each time.
            startup_probe=_bolt(period_seconds=5, failures=120),
            liveness_probe=_bolt(period_seconds=20, failures=3),
            readiness_probe=_bolt(period_seconds=10, failures=2),
        )


def _bolt(*, period_seconds: int, failures: int) -> core.v1.ProbeArgs:
    return core.v1.ProbeArgs(
        tcp_socket=core.v1.TCPSocketActionArgs(port=PORT),
        period_seconds=period_seconds,
        timeout_seconds=5,
        failure_threshold=failures,
    )
