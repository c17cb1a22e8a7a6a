"""What every program of the memory is told: where the table is, how it is searched and shared out.

These are the variables that ``memory_service`` and ``memory_operations`` have in common.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi

from components.trust import KEY as ROOTS
from components.vault_secrets import MEMORY_DATABASE_PASSWORD
from components.workloads import Workload

SECRETS_FOLDER = "/etc/engram/secrets"
TRUST_FOLDER = "/etc/engram/postgres-ca"


@dataclass(frozen=True, kw_only=True)
class Database:
    """Where the memories are, and how many connections a pod of the service may hold."""

    host: pulumi.Input[str]
    port: int = 5432
    name: str
    login: pulumi.Input[str]
    pool_size: int
    max_overflow: int
    timeout_seconds: int

    def variables(self, workload: Workload) -> dict[str, pulumi.Input[str]]:
        """Return how libpq gets there, and where the password is."""
        return {
            "PGHOST": self.host,
            "PGPORT": str(self.port),
            "PGDATABASE": self.name,
            "PGUSER": self.login,
            "PGSSLMODE": "verify-full",
            "PGSSLROOTCERT": f"{TRUST_FOLDER}/{ROOTS}",
            "PGAPPNAME": workload.label,
            "ENGRAM_DATABASE_PASSWORD_FILE": f"{SECRETS_FOLDER}/{MEMORY_DATABASE_PASSWORD}",
        }


@dataclass(frozen=True, kw_only=True)
class Isolation:
    """How memories of one tenant are kept from another's."""

    kind: str
    """``shared``, ``row``, ``schema`` or ``database``."""
    tenants: Sequence[str] = ()
    """Beside the one that is always there."""


@dataclass(frozen=True, kw_only=True)
class MemoryTable:
    """What is searched, and how."""

    table: pulumi.Input[str]
    """Qualified name."""
    dimensions: int
    isolation: Isolation
    element_type: str = "vector"
    """Or ``halfvec``."""
    index: Mapping[str, str | int] = field(default_factory=dict)
    """How it is built: ``method``, and ``m`` and ``ef_construction``, or ``lists``."""
    ef_search: int | None = None
    """Of an HNSW index."""
    probes: int | None = None
    """Of an IVFFlat index."""

    def __post_init__(self) -> None:
        """Refuse a search that fits no index; raises ``ValueError``."""
        if (self.ef_search is None) == (self.probes is None):
            raise ValueError("memory table: set ef_search (HNSW) or probes (IVFFlat), one of them")

    @property
    def variables(self) -> dict[str, pulumi.Input[str]]:
        """Return what the table is called, what is in it, and whose."""
        return {
            "ENGRAM_TABLE": self.table,
            "ENGRAM_DIMENSIONS": str(self.dimensions),
            "ENGRAM_ISOLATION": self.isolation.kind,
            **_listed("ENGRAM_TENANTS", self.isolation.tenants),
        }

    @property
    def shape(self) -> dict[str, str]:
        """Return what the table must look like, for whoever proves that it does."""
        index = json.dumps(dict(self.index), sort_keys=True)
        return {"ENGRAM_VECTOR_TYPE": self.element_type, "ENGRAM_VECTOR_INDEX": index}

    @property
    def search(self) -> dict[str, str]:
        """Return the variable that says how thorough a search is."""
        if self.probes is not None:
            return {"ENGRAM_IVFFLAT_PROBES": str(self.probes)}
        return {"ENGRAM_HNSW_EF_SEARCH": str(self.ef_search)}


@dataclass(frozen=True, kw_only=True)
class EncryptedFields:
    """Which parts of a memory are encrypted, and where the keys are kept."""

    fields: Sequence[str]
    """Paths into the metadata, and the word ``content``."""
    blind_indexes: Sequence[str]
    """Those that a search may ask for, by equality."""
    key_uri: pulumi.Input[str]
    """Of the vault's key that wraps the fields' keys; without a version."""
    secret_uri: pulumi.Input[str]
    """Of the secret with the wrapped keys; without a version."""

    @property
    def variables(self) -> Mapping[str, str]:
        """Return which fields these are."""
        return {
            **_listed("ENGRAM_ENCRYPTED_FIELDS", self.fields),
            **_listed("ENGRAM_BLIND_INDEXES", self.blind_indexes),
        }


def _listed(name: str, values: Sequence[str]) -> dict[str, str]:
    """Return a list as a variable; an empty one the API server would leave out."""
    return {name: ",".join(values)} if values else {}
