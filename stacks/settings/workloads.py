"""The shape of ``workloads`` and ``model``: pods, their sizes, who may call them, what they ask."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.settings.base import Settings
from stacks.settings.cluster_types import (
    BoltUri,
    Cores,
    EgressCidrs,
    Gibibytes,
    HostNames,
    HttpsUrl,
    ModelName,
    Roles,
    SecretName,
    cpu_quantity,
    memory_quantity,
)
from stacks.settings.types import FilePath, KeyName, Positive, TagText, refusal


class ContainerSettings(Settings):
    """What one container gets, as request and as limit."""

    cpu: Cores
    memory_gib: Gibibytes

    @property
    def cpu_quantity(self) -> str:
        """As Kubernetes spells it: ``1`` or ``250m``."""
        return cpu_quantity(self.cpu)

    @property
    def memory_quantity(self) -> str:
        """As Kubernetes spells it: ``2Gi`` or ``512Mi``."""
        return memory_quantity(self.memory_gib)


class ZepSettings(ContainerSettings):
    """Zep's API.  Each pod brings a PgBouncer, because Zep itself cannot speak TLS."""

    replicas: Positive
    max_replicas: Positive
    """The autoscaler's bound; equal to ``replicas``: none."""
    processors: Annotated[int, Field(ge=1, le=64)]
    """GOMAXPROCS.  Zep opens 4 connections to its PgBouncer for each."""
    pooler: ContainerSettings
    """The PgBouncer beside it."""

    @property
    def client_connections(self) -> int:
        """What a pod opens to its PgBouncer; Zep's own setting for it is ignored by Zep."""
        return 4 * self.processors


class MemoryServiceSettings(ContainerSettings):
    """The service that owns the memory table; its least number is in ``connections``."""

    max_replicas: Positive
    """The autoscaler's bound; equal to ``connections.application.replicas``: none."""


class MemoryOperationsSettings(ContainerSettings):
    """The jobs of the memory: keys of fields, and retention.  Each is one pod, now and then."""


class GraphitiSettings(ContainerSettings):
    """Facts from messages.  Its queue is in memory, so no autoscaler takes pods away."""

    replicas: Positive


class ManagedGraphStore(ContainerSettings):
    """One Neo4j of the Community Edition, on a disk that the stack's key encrypts."""

    kind: Literal["managed"]
    storage_gib: Annotated[int, Field(ge=8, le=32_767)]
    """Premium SSD; it can grow and never shrink."""
    heap_gib: Gibibytes
    page_cache_gib: Gibibytes
    """Neo4j asks that the graph fits in it."""


class ExistingGraphStore(Settings):
    """The customer's Neo4j 5: a cluster of theirs, or Aura."""

    kind: Literal["existing"]
    uri: BoltUri
    user: TagText
    password_secret: SecretName
    """Name of the vault's secret with the password, which the customer puts there."""
    cidrs: EgressCidrs
    """Where it answers; the network policy opens its port to no other address."""


GraphStoreSettings = Annotated[ManagedGraphStore | ExistingGraphStore, Field(discriminator="kind")]


LONGEST_CERTIFICATE_DAYS = 397
"""What browsers and Apple's clients believe of a server's certificate."""


def _believed(days: int) -> int:
    if days > LONGEST_CERTIFICATE_DAYS:
        raise refusal(
            f"30 to {LONGEST_CERTIFICATE_DAYS} days, all that clients believe",
            f"lower it to {LONGEST_CERTIFICATE_DAYS}; each passwords.renewed_on renews it",
        )
    return days


CertificateDays = Annotated[int, Field(ge=30), AfterValidator(_believed)]


class IssuedCertificate(Settings):
    """A certificate of an authority of the stack: clients are given its root."""

    kind: Literal["issued"]
    valid_days: CertificateDays


class KeyVaultCertificate(Settings):
    """The customer's certificate; its issuer renews it in the vault."""

    kind: Literal["key_vault"]
    name: KeyName


CertificateSettings = Annotated[
    IssuedCertificate | KeyVaultCertificate, Field(discriminator="kind")
]


class SignOnSettings(Settings):
    """The customer's single sign-on: whose tokens the gateway takes, and what they allow."""

    issuer: HttpsUrl
    """``iss`` of a token, to the letter; of Entra: https://login.microsoftonline.com/<tenant>/v2.0"""
    keys_url: HttpsUrl
    """``jwks_uri`` of the issuer's /.well-known/openid-configuration."""
    audience: TagText
    """``aud`` of a token; in Entra's v2.0 tokens the client id of the registered API."""
    roles_claim: TagText
    """The claim with the roles; ``roles`` in Entra."""
    roles: Roles
    """What each role allows: ``read``, ``write`` (with read) or ``admin`` (everything)."""
    tenant_claim: TagText | None = None
    """The claim with the tenant whose memories a person sees; none: those of the tenant default."""
    cidrs: EgressCidrs
    """Where ``keys_url`` answers; the network policy opens its port to no other address."""
    ca_file: FilePath | None = None
    """The CA of an issuer on the customer's premises; none: the public ones."""


class GatewaySettings(ContainerSettings):
    """The one way in; Envoy."""

    replicas: Positive
    max_replicas: Positive
    host_names: HostNames
    """Further names that clients use; the service's own are always in the certificate."""
    certificate: CertificateSettings
    sign_on: SignOnSettings | None = None
    """Without it, only machines come in, with an Api-Key."""


class WorkloadsSettings(Settings):
    """The pods of the namespace ``zep``."""

    zep: ZepSettings
    memory_service: MemoryServiceSettings
    memory_operations: MemoryOperationsSettings
    graphiti: GraphitiSettings
    graph_store: GraphStoreSettings
    gateway: GatewaySettings


class ModelSettings(Settings):
    """The customer's models, behind an endpoint that speaks OpenAI's language.

    The key is a secret of the customer's in the vault.  Without ``key_secret`` the stack makes one
    with a random value, which every model refuses until the customer replaces it.
    """

    endpoint: HttpsUrl
    """Of Azure OpenAI: https://<resource>.openai.azure.com/openai/v1"""
    chat_model: ModelName
    """Extracts facts; in Azure the deployment is named as the model is."""
    embedding_model: ModelName
    """Of the memory table.  Graphiti 0.3 always asks for text-embedding-3-small."""
    cidrs: EgressCidrs
    """Where the endpoint answers; the network policy opens its port to no other address."""
    key_secret: SecretName | None = None
    """Name of the vault's secret with the key, which is there before the first pod."""
    ca_file: FilePath | None = None
    """The CA of an endpoint on the customer's premises; none: the public ones."""
