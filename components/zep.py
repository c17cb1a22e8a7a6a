"""Zep: the memory API, with its pooler beside it.

A StatefulSet, because Zep migrates its schema when it starts, and two that do so at once break:
the first pod starts alone, and the others find the work done.

What the program itself reads is in the ConfigMaps ``zep-config``, ``zep-pooler`` and
``postgres-ca``, and in three secrets of the vault: with these it also runs outside of a cluster.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template

import pulumi
from pulumi_kubernetes import apps, core, meta

from components import pooler
from components.pooler import Login, PoolerArgs
from components.replicas import (
    Replicas,
    checksum,
    metadata,
    mounted,
    pause,
    probe,
    template,
    variables,
)
from components.trust import PostgresTrust
from components.vault_secrets import ZEP_API_KEY, ZEP_DATABASE_PASSWORD
from components.workloads import (
    PodIdentity,
    Scale,
    Size,
    Workload,
    Workspace,
    container_security,
)

NAME = "zep-api"
"""Of the StatefulSet and of its headless service; the pods are ``zep-api-0`` and so on."""
CONFIG_MAP = "zep-config"
CONFIG_FOLDER = "/etc/zep"
CONFIG_FILE = "zep.yaml"
POOLER_CONFIG_MAP = "zep-pooler"
API_KEY_VARIABLE = "ZEP_API_SECRET"
PASSWORD_VARIABLE = "ZEP_PG_PASSWORD"  # noqa: S105 - a variable's name
MAX_REQUEST_BYTES = 5 << 20
CONNECTIONS_PER_PROCESSOR = 4
"""Written into Zep; its ``max_open_connections`` is read and ignored."""

DRAIN_SECONDS = 60
"""For the pause before SIGTERM, and what runs then: 51 s where it waits for a lock in vain."""
PAUSE_SECONDS = 5
"""Until every node has heard that the pod takes no more requests."""

# A Go template, in which Zep puts its environment; an empty variable is refused at start. ``%q``
# keeps whatever a password holds, a space excepted, which Zep's own connection string mangles.
CONFIGURATION = Template("""\
log:
  level: info
  format: json
http:
  host: 0.0.0.0
  port: $port
  max_request_size: $max_request_bytes
postgres:
  user: $user
  password: {{ printf "%q" (Env "$password_variable") }}
  host: $pooler_host
  port: $pooler_port
  database: $database
  schema_name: $schema
carbon:
  locale: en
graphiti:
  service_url: $graphiti
api_secret: {{ printf "%q" (Env "$api_key_variable") }}
telemetry:
  disabled: true
""")


def configuration(login: Login, schema: str) -> str:
    """Return ``zep.yaml``; it holds no secret.

    ``debug`` would log what people say, and telemetry would tell the vendor, or hang the start
    where it cannot.
    """
    return CONFIGURATION.substitute(
        port=Workload.ZEP.port,
        max_request_bytes=MAX_REQUEST_BYTES,
        user=login.user,
        password_variable=PASSWORD_VARIABLE,
        pooler_host=pooler.HOST,
        pooler_port=pooler.PORT,
        database=login.database,
        schema=schema,
        # Without a slash at its end: Zep adds one.
        graphiti=f"http://{Workload.GRAPHITI.label}:{Workload.GRAPHITI.port}",
        api_key_variable=API_KEY_VARIABLE,
    )


@dataclass(frozen=True, kw_only=True)
class ZepArgs:
    """What a caller decides."""

    workspace: Workspace
    identity: PodIdentity
    trust: PostgresTrust
    image: str
    pooler: PoolerArgs
    host: pulumi.Input[str]
    """Of the database; the name that the server's certificate must carry."""
    port: int = 5432
    login: Login
    schema: str = "zep"
    """Of Zep's tables; the login's ``search_path`` must name it."""
    scale: Scale
    size: Size
    processors: int
    """Of the Go runtime, which would take every core of the node for its own; with each come
    ``CONNECTIONS_PER_PROCESSOR`` connections to the pooler."""
    ready: Sequence[pulumi.Resource]
    """What must stand before the first pod migrates: the database, its login, the schema."""


class Zep(pulumi.ComponentResource):
    """Configuration, pods, services, and how many of the pods may go or come."""

    def __init__(
        self, name: str, args: ZepArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:kubernetes:Zep", name, {}, opts)
        self._args = args
        config = self._config(name)
        pooler_config = self._pooler_config(name)
        peers = self._service(f"{name}-peers", NAME, headless=True)
        self.service = self._service(f"{name}-service", Workload.ZEP.label)
        self._replicas = Replicas(
            workload=Workload.ZEP,
            workspace=args.workspace,
            scale=args.scale,
            kind="StatefulSet",
            name=NAME,
        )
        self.pods = self._pods(name, after=[config, pooler_config, peers])
        """The StatefulSet; ready once every pod answers, and its database too."""
        self._replicas.surround(name, self, self.pods)
        self.register_outputs({})

    # -- configuration -----------------------------------------------------------------

    def _config(self, name: str) -> core.v1.ConfigMap:
        return self._config_map(f"{name}-config", CONFIG_MAP, {CONFIG_FILE: self._zep_yaml()})

    def _pooler_config(self, name: str) -> core.v1.ConfigMap:
        content = {pooler.CONFIG_FILE: self._pgbouncer_ini()}
        return self._config_map(f"{name}-pooler", POOLER_CONFIG_MAP, content)

    def _config_map(
        self, name: str, label: str, data: Mapping[str, pulumi.Input[str]]
    ) -> core.v1.ConfigMap:
        return core.v1.ConfigMap(
            name,
            metadata=metadata(Workload.ZEP, self._args.workspace, label),
            data=data,
            opts=self._args.workspace.options(self),
        )

    def _zep_yaml(self) -> str:
        return configuration(self._args.login, self._args.schema)

    def _pgbouncer_ini(self) -> pulumi.Output[str]:
        args = self._args
        return pulumi.Output.from_input(args.host).apply(
            lambda host: pooler.configuration(
                pooler.Server(host=host, port=args.port), args.login, args.pooler.pool
            )
        )

    def _checksum(self) -> pulumi.Output[str]:
        """Return what changes with anything that the pods read only when they start."""
        fixed = (self._zep_yaml(), self._args.trust.checksum)
        return self._pgbouncer_ini().apply(lambda ini: checksum(ini, *fixed))

    # -- pods --------------------------------------------------------------------------

    def _pods(self, name: str, after: Sequence[pulumi.Resource]) -> apps.v1.StatefulSet:
        args = self._args
        ready = [*after, args.trust.config_map, *args.identity.ready, *args.ready]
        return apps.v1.StatefulSet(
            f"{name}-pods",
            metadata=self._replicas.metadata,
            spec=apps.v1.StatefulSetSpecArgs(
                service_name=NAME,
                replicas=args.scale.minimum,
                pod_management_policy="OrderedReady",
                update_strategy=apps.v1.StatefulSetUpdateStrategyArgs(type="RollingUpdate"),
                revision_history_limit=3,
                selector=meta.v1.LabelSelectorArgs(match_labels=Workload.ZEP.selector),
                template=self._pod(),
            ),
            opts=self._replicas.options(self, ready),
        )

    def _pod(self) -> core.v1.PodTemplateSpecArgs:
        args = self._args
        config = core.v1.VolumeArgs(
            name="config", config_map=core.v1.ConfigMapVolumeSourceArgs(name=CONFIG_MAP)
        )
        return template(
            Workload.ZEP,
            args.workspace,
            args.identity,
            checksum=self._checksum(),
            init_containers=[pooler.container(args.pooler, args.login, args.identity)],
            containers=[self._container()],
            volumes=[
                config,
                pooler.volume(POOLER_CONFIG_MAP),
                args.trust.volume(),
                args.identity.volume(pooler.SECRETS_VOLUME),
            ],
            termination_grace_period_seconds=DRAIN_SECONDS,
        )

    def _container(self) -> core.v1.ContainerArgs:
        args = self._args
        file = f"{CONFIG_FOLDER}/{CONFIG_FILE}"
        return core.v1.ContainerArgs(
            name=Workload.ZEP.label,
            image=args.image,
            env=[
                *variables({"ZEP_CONFIG_FILE": file, "GOMAXPROCS": str(args.processors)}),
                args.identity.variable(API_KEY_VARIABLE, ZEP_API_KEY),
                args.identity.variable(PASSWORD_VARIABLE, ZEP_DATABASE_PASSWORD),
            ],
            ports=[core.v1.ContainerPortArgs(name="http", container_port=Workload.ZEP.port)],
            resources=args.size.requirements(),
            security_context=container_security(),
            volume_mounts=[mounted("config", CONFIG_FOLDER)],
            # After SIGTERM Zep answers what it has accepted, then panics on its own nil pointer:
            # exit code 2 is how it always ends, and no reason for an alert.
            lifecycle=pause(PAUSE_SECONDS),
            # A migration at the first start takes its time. ``/healthz`` says that HTTP is served,
            # and nothing of the database: that is the pooler's readiness, and the pod needs both.
            startup_probe=probe("/healthz", "http", period_seconds=2, failures=150),
            liveness_probe=probe("/healthz", "http", period_seconds=10, failures=3),
            readiness_probe=probe("/healthz", "http", period_seconds=5, failures=2),
        )

    # -- addresses ---------------------------------------------------------------------

    def _service(self, name: str, label: str, *, headless: bool = False) -> core.v1.Service:
        port = core.v1.ServicePortArgs(
            name="http", port=Workload.ZEP.port, target_port="http", app_protocol="http"
        )
        return core.v1.Service(
            name,
            metadata=metadata(Workload.ZEP, self._args.workspace, label),
            spec=core.v1.ServiceSpecArgs(
                type="ClusterIP",
                cluster_ip="None" if headless else None,
                selector=Workload.ZEP.selector,
                ports=[port],
            ),
            opts=self._args.workspace.options(self),
        )
