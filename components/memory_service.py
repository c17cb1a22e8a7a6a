"""The memory service: the pods of the program that owns the table of memories.

This module is the contract with that program; whatever image is named must keep it:

========================================  ======================================================
``PGHOST`` … ``PGSSLROOTCERT``            libpq's own: where the database is, as whom, and
                                          ``verify-full`` against the mounted roots
``ENGRAM_DATABASE_PASSWORD_FILE``         the login's password
``ENGRAM_API_KEYS_FILE``                  keys that callers may show, one a line: two, so that one
                                          can be renewed while the other is in use
``ENGRAM_MODEL_API_KEY_FILE``             key of the model's endpoint
``ENGRAM_TABLE``, ``ENGRAM_DIMENSIONS``   the table, and how long its vectors are
``ENGRAM_ISOLATION``, ``ENGRAM_TENANTS``  how tenants are kept apart (``shared``, ``row``,
                                          ``schema``, ``database``), and who they are beside
                                          ``default``, with commas between; not set: nobody
``ENGRAM_FIELD_KEYS_FILE``                the keys of encrypted fields, wrapped; not set where
                                          encryption is off, and then such fields are refused
``ENGRAM_ENCRYPTED_FIELDS``,              paths into the metadata, and ``content``; those of them
``ENGRAM_BLIND_INDEXES``                  that are searched by equality; with commas between
``ENGRAM_HNSW_EF_SEARCH`` or              how thorough a search is, set with ``SET LOCAL`` in each
``ENGRAM_IVFFLAT_PROBES``                 transaction
``ENGRAM_POOL_SIZE``,                     connections a pod keeps, opens beyond that, and how long
``ENGRAM_POOL_MAX_OVERFLOW``,             a request waits for one
``ENGRAM_POOL_TIMEOUT_SECONDS``
``ENGRAM_MODEL_ENDPOINT``,                OpenAI-compatible URL, and the name of the embedding
``ENGRAM_EMBEDDING_MODEL``                model there
``ENGRAM_MODEL_CA_FILE``                  authority behind the endpoint's certificate; not set
                                          where a public one is
``ENGRAM_PORT``, ``ENGRAM_METRICS_PORT``  HTTP: the API with ``/livez`` and ``/readyz``; Prometheus
========================================  ======================================================

Files are replaced in place when the vault's secrets are: the program reads them at each use, or
watches them.  ``/livez`` says that the process is sound; ``/readyz`` that database, dimension and
index are.  SIGTERM ends it within ``DRAIN_SECONDS``.  ``/tmp`` is the only place to write to.
Where fields are encrypted, the pod's own identity may unwrap their keys (``AZURE_CLIENT_ID``,
``AZURE_TENANT_ID``, ``AZURE_FEDERATED_TOKEN_FILE`` and ``AZURE_AUTHORITY_HOST`` are the webhook's).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
from pulumi_kubernetes import core

from components.memory_access import (
    SECRETS_FOLDER,
    TRUST_FOLDER,
    Database,
    EncryptedFields,
    MemoryTable,
)
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
from components.trust import KEY as ROOTS
from components.trust import NAME as TRUST
from components.trust import PostgresTrust
from components.vault_secrets import MEMORY_API_KEYS, MEMORY_FIELD_KEYS, MODEL_API_KEY
from components.workloads import (
    PodIdentity,
    Scale,
    Size,
    Workload,
    Workspace,
    container_security,
)

METRICS = "metrics"
METRICS_PORT = 9090
MODEL_CA = "model-ca"
"""ConfigMap and volume of the authority of the model's endpoint, where it is no public one."""
MODEL_CA_FOLDER = "/etc/engram/model-ca"
MODEL_CA_FILE = f"{MODEL_CA_FOLDER}/{ROOTS}"
PAUSE_SECONDS = 5
DRAIN_SECONDS = 60

SECRET_FILES = {
    "ENGRAM_API_KEYS_FILE": MEMORY_API_KEYS,
    "ENGRAM_MODEL_API_KEY_FILE": MODEL_API_KEY,
}
"""By variable, the alias of the vault's secret."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingModel:
    """The customer's model that turns text into vectors."""

    endpoint: str
    name: str
    authority: str | None = None
    """PEM behind the endpoint's certificate, where no public authority is."""


@dataclass(frozen=True, kw_only=True)
class MemoryServiceArgs:
    """What a caller decides."""

    workspace: Workspace
    identity: PodIdentity
    trust: PostgresTrust
    image: str
    database: Database
    table: MemoryTable
    model: EmbeddingModel
    encrypted: EncryptedFields | None
    """None where no field is."""
    scale: Scale
    size: Size
    awaited: bool = True
    """Whether a deployment waits for the pods; false while there is no image that could start."""
    ready: Sequence[pulumi.Resource] = ()
    """What must stand before the first pod: the table and its logins."""


class MemoryService(pulumi.ComponentResource):
    """Pods, their address, and how many of them may go or come."""

    def __init__(
        self, name: str, args: MemoryServiceArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:kubernetes:MemoryService", name, {}, opts)
        self._args = args
        self.service = service(name, Workload.MEMORY_SERVICE, args.workspace, self)
        replicas = Replicas(
            workload=Workload.MEMORY_SERVICE,
            workspace=args.workspace,
            scale=args.scale,
            awaited=args.awaited,
        )
        model_ca = [] if args.model.authority is None else [self._model_ca(name)]
        after = [args.trust.config_map, *model_ca, *args.identity.ready, *args.ready]
        self.pods = replicas.declare(name, self._pod(), self, after)
        self.register_outputs({})

    def _model_ca(self, name: str) -> core.v1.ConfigMap:
        return core.v1.ConfigMap(
            f"{name}-{MODEL_CA}",
            metadata=metadata(Workload.MEMORY_SERVICE, self._args.workspace, MODEL_CA),
            data={ROOTS: self._args.model.authority or ""},
            opts=self._args.workspace.options(self),
        )

    def _pod(self) -> core.v1.PodTemplateSpecArgs:
        args = self._args
        volumes = [args.identity.volume(), args.trust.volume(), scratch("tmp", "64Mi")]
        if args.model.authority is not None:
            source = core.v1.ConfigMapVolumeSourceArgs(name=MODEL_CA)
            volumes.append(core.v1.VolumeArgs(name=MODEL_CA, config_map=source))
        return template(
            Workload.MEMORY_SERVICE,
            args.workspace,
            args.identity,
            checksum=checksum(args.trust.checksum, args.model.authority or ""),
            containers=[self._container()],
            termination_grace_period_seconds=DRAIN_SECONDS + PAUSE_SECONDS,
            volumes=volumes,
        )

    def _container(self) -> core.v1.ContainerArgs:
        args = self._args
        own = [] if args.model.authority is None else [mounted(MODEL_CA, MODEL_CA_FOLDER)]
        return core.v1.ContainerArgs(
            name=Workload.MEMORY_SERVICE.label,
            image=args.image,
            env=variables({**self._database(), **self._memories(), **self._listeners()}),
            ports=[
                core.v1.ContainerPortArgs(name=PORT, container_port=Workload.MEMORY_SERVICE.port),
                core.v1.ContainerPortArgs(name=METRICS, container_port=METRICS_PORT),
            ],
            resources=args.size.requirements(),
            security_context=container_security(),
            volume_mounts=[
                mounted("secrets", SECRETS_FOLDER),
                mounted(TRUST, TRUST_FOLDER),
                *own,
                writable("tmp", "/tmp"),  # noqa: S108 - the pod's own
            ],
            lifecycle=pause(PAUSE_SECONDS),
            startup_probe=probe("/livez", PORT, period_seconds=2, failures=60),
            liveness_probe=probe("/livez", PORT, period_seconds=10, failures=3),
            readiness_probe=probe("/readyz", PORT, period_seconds=5, failures=2),
        )

    def _database(self) -> dict[str, pulumi.Input[str]]:
        database = self._args.database
        return {
            **database.variables(Workload.MEMORY_SERVICE),
            "ENGRAM_POOL_SIZE": str(database.pool_size),
            "ENGRAM_POOL_MAX_OVERFLOW": str(database.max_overflow),
            "ENGRAM_POOL_TIMEOUT_SECONDS": str(database.timeout_seconds),
            **{name: f"{SECRETS_FOLDER}/{alias}" for name, alias in SECRET_FILES.items()},
        }

    def _memories(self) -> dict[str, pulumi.Input[str]]:
        table, model = self._args.table, self._args.model
        own = {} if model.authority is None else {"ENGRAM_MODEL_CA_FILE": MODEL_CA_FILE}
        return {
            **table.variables,
            **table.search,
            "ENGRAM_MODEL_ENDPOINT": model.endpoint,
            "ENGRAM_EMBEDDING_MODEL": model.name,
            **own,
            **self._encrypted(),
        }

    def _encrypted(self) -> dict[str, pulumi.Input[str]]:
        encrypted = self._args.encrypted
        if encrypted is None:
            return {}
        file = f"{SECRETS_FOLDER}/{MEMORY_FIELD_KEYS}"
        return {"ENGRAM_FIELD_KEYS_FILE": file, **encrypted.variables}

    def _listeners(self) -> dict[str, pulumi.Input[str]]:
        return {
            "ENGRAM_PORT": str(Workload.MEMORY_SERVICE.port),
            "ENGRAM_METRICS_PORT": str(METRICS_PORT),
        }
