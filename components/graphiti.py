"""Graphiti: turns messages into facts, with the customer's model and a graph store.

The image must be of the 0.3 line.  Zep sends episodes with an ``uuid`` of its own, which later
versions take for one that exists already: they answer 202 and keep nothing.

What to know before relying on it:

* Jobs wait in the memory of one process, and a worker that fails once takes no more of them, while
  ``/healthcheck`` goes on saying ``healthy`` and messages go on being accepted.  Neither probe can
  see that, nor whether the graph is there.  Replicas spread the damage; they do not mend it.  An
  end-to-end canary (message in, fact out) and a restart when it fails are what mends it.
* A restart loses the jobs that wait.  The messages are safe with Zep; their facts are not made.
* It has no authentication, and ``POST /clear`` empties the graph: nobody but Zep may reach it.
* The model's endpoint must speak OpenAI's own protocol.  Embeddings always ask for
  ``text-embedding-3-small``, so a deployment must have that name.
* ``maxRelationships`` and temporal awareness are no settings of 0.3: every fact carries its times,
  and nothing bounds how many there are.
"""

from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import core

from components.graph_store import GraphAccess
from components.replicas import (
    PORT,
    Replicas,
    checksum,
    metadata,
    mounted,
    pause,
    probe,
    scratch,
    service,
    template,
    variables,
    writable,
)
from components.vault_secrets import GRAPH_STORE_PASSWORD, MODEL_API_KEY
from components.workloads import (
    PodIdentity,
    Scale,
    Size,
    Workload,
    Workspace,
    container_security,
)

AUTHORITIES = "authorities"
"""ConfigMap and volume of what only the customer's own clients trust; none where all are public."""
AUTHORITIES_CONFIG_MAP = f"{Workload.GRAPHITI.label}-{AUTHORITIES}"
AUTHORITIES_FOLDER = "/etc/engram/authorities"
TRUST_FOLDER = "/etc/engram/trust"
TRUST_FILE = f"{TRUST_FOLDER}/ca.pem"
PUBLIC_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""In the image's Debian, and what the model's certificate ends at."""
PAUSE_SECONDS = 5
DRAIN_SECONDS = 30

# Graphiti makes its indices when it starts, and gives up where it cannot. So this waits for the
# store, and lays all authorities together: the driver of the graph and the client of the model
# both read one file.
PREPARE = """\
import os, pathlib, socket, time, urllib.parse
own = pathlib.Path(os.environ["OWN_AUTHORITIES"]).glob("*.crt")
files = [pathlib.Path(os.environ["PUBLIC_AUTHORITIES"]), *sorted(own)]
found = [file.read_text() for file in files]
pathlib.Path(os.environ["SSL_CERT_FILE"]).write_text("\\n".join(found))
uri = urllib.parse.urlsplit(os.environ["NEO4J_URI"])
place = (uri.hostname, uri.port or 7687)
while True:
    try:
        socket.create_connection(place, timeout=5).close()
        break
    except OSError as error:
        print(f"{place[0]}:{place[1]}: {error}; waiting", flush=True)
        time.sleep(2)
"""


@dataclass(frozen=True, kw_only=True)
class ChatModel:
    """The customer's model that finds facts."""

    endpoint: str
    """OpenAI-compatible, e.g. ``https://<resource>.openai.azure.com/openai/v1/``."""
    name: str
    """Of the model, or of a deployment."""
    authority: str | None = None
    """PEM behind the endpoint's certificate, where no public authority is."""


@dataclass(frozen=True, kw_only=True)
class GraphitiArgs:
    """What a caller decides."""

    workspace: Workspace
    identity: PodIdentity
    image: str
    graph: GraphAccess
    model: ChatModel
    replicas: int
    """No range: an autoscaler that takes a pod away takes its waiting jobs along."""
    size: Size

    @property
    def authorities(self) -> dict[str, pulumi.Input[str]]:
        """Return what is trusted beside the public authorities, by file."""
        found = {"graph-store.crt": self.graph.authority, "model.crt": self.model.authority}
        return {file: authority for file, authority in found.items() if authority is not None}


class Graphiti(pulumi.ComponentResource):
    """Pods and their address."""

    def __init__(
        self, name: str, args: GraphitiArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:kubernetes:Graphiti", name, {}, opts)
        self._args = args
        self.service = service(name, Workload.GRAPHITI, args.workspace, self)
        authorities = [self._authorities(name)] if args.authorities else []
        replicas = Replicas(
            workload=Workload.GRAPHITI,
            workspace=args.workspace,
            scale=Scale(minimum=args.replicas, maximum=args.replicas),
        )
        after = [*authorities, *args.identity.ready, *args.graph.ready]
        self.pods = replicas.declare(name, self._pod(), self, after)
        self.register_outputs({})

    def _authorities(self, name: str) -> core.v1.ConfigMap:
        return core.v1.ConfigMap(
            f"{name}-{AUTHORITIES}",
            metadata=metadata(Workload.GRAPHITI, self._args.workspace, AUTHORITIES_CONFIG_MAP),
            data=self._args.authorities,
            opts=self._args.workspace.options(self),
        )

    def _pod(self) -> core.v1.PodTemplateSpecArgs:
        args = self._args
        read_at_start = pulumi.Output.all(*args.authorities.values()).apply(
            lambda authorities: checksum(*authorities)
        )
        volumes = [
            # Mounted, because the driver syncs the Secret only while somebody mounts the class.
            args.identity.volume(),
            scratch("trust", "4Mi"),
            scratch("cache", "64Mi"),
            scratch("tmp", "64Mi"),
        ]
        if args.authorities:
            source = core.v1.ConfigMapVolumeSourceArgs(name=AUTHORITIES_CONFIG_MAP)
            volumes.append(core.v1.VolumeArgs(name=AUTHORITIES, config_map=source))
        return template(
            Workload.GRAPHITI,
            args.workspace,
            args.identity,
            checksum=read_at_start,
            containers=[self._container()],
            init_containers=[self._preparation()],
            termination_grace_period_seconds=DRAIN_SECONDS + PAUSE_SECONDS,
            volumes=volumes,
        )

    def _preparation(self) -> core.v1.ContainerArgs:
        args = self._args
        environment: dict[str, pulumi.Input[str]] = {
            "NEO4J_URI": args.graph.uri,
            "PUBLIC_AUTHORITIES": PUBLIC_AUTHORITIES,
            "OWN_AUTHORITIES": AUTHORITIES_FOLDER,
            "SSL_CERT_FILE": TRUST_FILE,
        }
        own = [mounted(AUTHORITIES, AUTHORITIES_FOLDER)] if args.authorities else []
        return core.v1.ContainerArgs(
            name="preparation",
            image=args.image,
            command=["python", "-B", "-c", PREPARE],
            env=variables(environment),
            resources=args.size.requirements(),
            security_context=container_security(),
            volume_mounts=[writable("trust", TRUST_FOLDER), *own],
        )

    def _container(self) -> core.v1.ContainerArgs:
        args = self._args
        return core.v1.ContainerArgs(
            name=Workload.GRAPHITI.label,
            image=args.image,
            # No command: the image's own starts uvicorn through a shell, on ``PORT``.
            env=[
                *variables(self._environment()),
                args.identity.variable("OPENAI_API_KEY", MODEL_API_KEY),
                args.identity.variable("NEO4J_PASSWORD", GRAPH_STORE_PASSWORD),
            ],
            ports=[core.v1.ContainerPortArgs(name=PORT, container_port=Workload.GRAPHITI.port)],
            resources=args.size.requirements(),
            security_context=container_security(),
            volume_mounts=[
                mounted("secrets", "/etc/engram/secrets"),
                mounted("trust", TRUST_FOLDER),
                # Made at the first call of a model, though caching is off; without it no start.
                writable("cache", "/app/llm_cache"),
                writable("tmp", "/tmp"),  # noqa: S108 - the pod's own
            ],
            lifecycle=pause(PAUSE_SECONDS),
            startup_probe=probe("/healthcheck", PORT, period_seconds=2, failures=60),
            # A static answer: it says that HTTP is served, and nothing of worker or graph.
            liveness_probe=probe("/healthcheck", PORT, period_seconds=10, failures=3),
            readiness_probe=probe("/healthcheck", PORT, period_seconds=5, failures=2),
        )

    def _environment(self) -> dict[str, pulumi.Input[str]]:
        args = self._args
        return {
            "PORT": str(Workload.GRAPHITI.port),
            # Read by the client's library: Graphiti's own setting of it comes too late.
            "OPENAI_BASE_URL": args.model.endpoint,
            "MODEL_NAME": args.model.name,
            "NEO4J_URI": args.graph.uri,
            "NEO4J_USER": args.graph.user,
            "SSL_CERT_FILE": TRUST_FILE,
            "HOME": "/tmp",  # noqa: S108 - the pod's own
            "PYTHONDONTWRITEBYTECODE": "1",
        }
