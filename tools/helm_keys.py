"""The keys of the Helm values file, and what each is in a stack file.

A table, read by the translation and compared with ``docs/helm-values.md`` by a test.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tools.quantities import cores, gibibytes

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
PROVIDERS = ("azure-openai", "azure_openai", "openai")
"""What the file calls a model, though it is who serves it."""


@dataclass(frozen=True)
class Kind:
    """A type of value: how it is read, and what is said of one that cannot be."""

    read: Callable[[object], Any]
    """Returns nothing for a value of another type."""
    allowed: str
    remedy: str


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None


def _texts(value: object) -> list[str] | None:
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        return value
    return None


def _endpoint(value: object) -> str | None:
    """Azure answers in OpenAI's language below ``/openai/v1`` only."""
    text = _text(value)
    if text is None or not text.startswith("https://"):
        return None
    plain = text.rstrip("/")
    bare = re.fullmatch(r"https://[^/]+\.openai\.azure\.com", plain)
    return f"{plain}/openai/v1" if bare else plain


def _vault_name(value: object) -> str | None:
    text = _text(value) or ""
    found = re.fullmatch(r"https://([A-Za-z][A-Za-z0-9-]{2,23})\.vault\.azure\.net/?", text)
    return found[1] if found else None


def _url(value: object) -> str | None:
    text = _text(value) or ""
    return text if re.fullmatch(r"postgres(ql)?://\S+", text) else None


NUMBER = Kind(_number, "a whole number", "write the number without quotes or fraction")
FLAG = Kind(_flag, "true or false", "write it without quotes")
TEXT = Kind(_text, "text", "put it in quotes")
TEXTS = Kind(_texts, "a list of text", "put it in square brackets")
CPU = Kind(cores, "a quantity of CPU, e.g. 1 or 500m", "write cores, or thousandths with an m")
MEMORY = Kind(gibibytes, "a quantity of memory, e.g. 2Gi or 512Mi", "write a number and its unit")
ENDPOINT = Kind(_endpoint, "an https URL", "begin with https://; nothing travels in clear")
VAULT = Kind(_vault_name, "https://<vault>.vault.azure.net", "copy the URL of the customer's vault")
URL = Kind(
    _url, "postgresql://<user>@<host>:<port>/<database>", "write a URL, and the password elsewhere"
)


@dataclass(frozen=True)
class Key:
    """One key: its type, its place in the settings, and what is to be said about it."""

    kind: Kind
    to: str | None = None
    """Dotted path below ``engram:settings``; none where the key has no meaning."""
    why: str = ""
    """Why it has no meaning, or how it changes on its way."""
    only: bool | None = None
    """The one value that is possible here; another is refused."""
    aka: str = ""
    """The key that says the same; both must agree."""


def _vector(prefix: str, aka: str) -> dict[str, Key]:
    return {
        f"{prefix}.dimensions": Key(NUMBER, "memory.dimensions", aka=f"{aka}.dimensions"),
        f"{prefix}.indexType": Key(TEXT, "memory.index.method", aka=f"{aka}.indexType"),
        **{
            f"{prefix}.indexParams.{name}": Key(
                NUMBER, f"memory.index.{name}", aka=f"{aka}.indexParams.{name}"
            )
            for name in ("m", "ef_construction", "ef_search", "lists", "probes")
        },
    }


POSTGRES = "postgresql.external"
DATABASE = "zep.config.database"
DATABASE_URL = f"{DATABASE}.url"
KEYS: dict[str, Key] = {
    "postgresql.enabled": Key(
        FLAG, only=False, why="no PostgreSQL is ever run in the cluster: it is a server of its own"
    ),
    f"{POSTGRES}.host": Key(
        TEXT, "postgres.host", "makes `postgres.kind` `existing`; unresolved, the base's server"
        " stays",
    ),
    f"{POSTGRES}.port": Key(NUMBER, "postgres.port", "where `postgres.kind` is `existing`"),
    f"{POSTGRES}.database": Key(TEXT, why="Zep's database is called zep in every stack"),
    f"{POSTGRES}.user": Key(TEXT, why="Zep's login is zep_app, made with the least privileges"),
    f"{POSTGRES}.passwordSecret": Key(
        TEXT, why="passwords are generated, and kept in the vault under names of the program's"
    ),
    f"{POSTGRES}.sslMode": Key(TEXT, why="always verify-full: `require` verifies nothing"),
    DATABASE_URL: Key(
        URL, "postgres.host", "host and port, which `postgresql.external` must agree with; the"
        " password in it is not copied: it must become a config secret",
    ),
    f"{DATABASE}.poolSize": Key(
        NUMBER, "connections.application.pool_size",
        "the memory service's; Zep ignores it and opens 4 connections a processor",
    ),
    f"{DATABASE}.maxOverflow": Key(NUMBER, "connections.application.max_overflow"),
    f"{DATABASE}.connectionTimeout": Key(NUMBER, "connections.application.timeout_seconds"),
    **_vector("vector", "zep.config.vector"),
    **_vector("zep.config.vector", "vector"),
    "graphiti.enabled": Key(FLAG, only=True, why="it always runs: Zep answers 500 without it"),
    "graphiti.entityExtraction.model": Key(
        TEXT, "model.chat_model", f"unless it names a provider ({', '.join(PROVIDERS)})"
    ),
    "graphiti.entityExtraction.endpoint": Key(
        ENDPOINT, "model.endpoint", "of Azure OpenAI with `/openai/v1` at its end"
    ),
    "graphiti.relationshipModeling.temporalAwareness": Key(
        FLAG, only=True, why="every fact of Graphiti has its times; it cannot be turned off"
    ),
    "graphiti.relationshipModeling.maxRelationships": Key(
        NUMBER, why="Graphiti 0.3, the last that understands Zep, has no such bound"
    ),
    "resources.api.cpu": Key(CPU, "workloads.zep.cpu"),
    "resources.api.memory": Key(MEMORY, "workloads.zep.memory_gib"),
    "resources.memory.cpu": Key(CPU, "workloads.memory_service.cpu"),
    "resources.memory.memory": Key(MEMORY, "workloads.memory_service.memory_gib"),
    "resources.graphiti.cpu": Key(CPU, "workloads.graphiti.cpu"),
    "resources.graphiti.memory": Key(MEMORY, "workloads.graphiti.memory_gib"),
    "replicaCount.api": Key(
        NUMBER, "workloads.zep.replicas", "`max_replicas` is raised to it where it is less"
    ),
    "replicaCount.memory": Key(
        NUMBER, "connections.application.replicas",
        "`workloads.memory_service.max_replicas` is raised to it where it is less",
    ),
    "replicaCount.graphiti": Key(NUMBER, "workloads.graphiti.replicas"),
    "encryption.enabled": Key(FLAG, only=True, why="disks and database are always encrypted"),
    "encryption.keyVaultUrl": Key(
        VAULT, "key_vault.vault_id", "makes `key_vault.kind` `existing`; the ARM id, which a URL"
        " does not tell, is given with `--with key_vault.vault_id=…`",
    ),
    "encryption.keyName": Key(
        TEXT, "key_vault.key_name", "where `key_vault.kind` is `existing`"
    ),
    "encryption.fieldLevelEncryption.enabled": Key(FLAG, "field_encryption.enabled"),
    "encryption.fieldLevelEncryption.fields": Key(
        TEXTS, "field_encryption.fields", "paths into the metadata of a memory"
    ),
}  # fmt: skip
"""Every key of the deployment strategy's values file, by its dotted path."""
