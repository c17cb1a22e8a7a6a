"""What the environment says, read once; every mistake of it is reported at once.

Secrets are never in the environment: it names the files that hold them.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from memory.service.errors import SettingsRefused

Port = Annotated[int, Field(ge=0, le=65_535)]
"""0 takes any free one, and the log says which."""
Count = Annotated[int, Field(ge=1, le=10_000)]
Seconds = Annotated[float, Field(gt=0, le=600)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


def _listed(text: object) -> object:
    """Split at commas; nothing between two of them is nothing."""
    return tuple(filter(None, map(str.strip, text.split(",")))) if isinstance(text, str) else text


Names = Annotated[tuple[Name, ...], BeforeValidator(_listed)]
FieldPath = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)*$")]
FieldPaths = Annotated[tuple[FieldPath, ...], BeforeValidator(_listed)]

DEFAULT_TENANT = "default"


class Isolation(StrEnum):
    """How tenants are kept apart."""

    SHARED = "shared"
    ROW = "row"
    SCHEMA = "schema"
    DATABASE = "database"


class Settings(BaseModel):
    """One field for each variable ``ENGRAM_<FIELD>``; libpq's own are libpq's."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = "0.0.0.0"  # noqa: S104 - a pod's address is known to nobody beforehand
    port: Port = 8080
    metrics_port: Port = 9090
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    database_password_file: Path | None = None
    """None leaves the password to libpq."""
    api_keys_file: Path
    table: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*\.[a-z_][a-z0-9_]*$")] = (
        "memory.zep_memory_vectors"
    )
    dimensions: Annotated[int, Field(ge=1, le=4000)]
    hnsw_ef_search: Annotated[int, Field(ge=1, le=1000)] | None = None
    ivfflat_probes: Annotated[int, Field(ge=1, le=32_768)] | None = None
    pool_size: Count = 5
    """Connections that are kept."""
    pool_max_overflow: Annotated[int, Field(ge=0, le=10_000)] = 5
    """Connections beyond them, for as long as they are needed."""
    pool_timeout_seconds: Seconds = 30
    """How long a request waits for a connection."""
    query_seconds: Seconds = 20
    """How long a statement may take before the server ends it."""
    max_body_bytes: Annotated[int, Field(ge=1024)] = 5 * 1024 * 1024
    """As the gateway's."""

    model_endpoint: str | None = None
    embedding_model: str | None = None
    model_api_key_file: Path | None = None
    model_ca_file: Path | None = None
    model_seconds: Seconds = 20
    """How long a request waits for its vectors, all tries together."""
    model_requests: Count = 16
    """Requests to the endpoint that are under way at once."""
    model_tokens_per_minute: Annotated[int, Field(ge=1)] | None = None
    """What this pod may ask for; beyond it callers are told to come back."""

    field_keys_file: Path | None = None
    """None: nothing is encrypted, and a memory with a sensitive field is refused."""
    encrypted_fields: FieldPaths = ("pii", "phi", "secret")
    blind_indexes: FieldPaths = ()
    isolation: Isolation = Isolation.SHARED
    tenants: Names = ()
    """Beside the tenant ``default``."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables that there are; an empty one counts as absent.

        Raises SettingsRefused.
        """
        names = {f"ENGRAM_{field.upper()}": field for field in cls.model_fields}
        given = {names[key]: value for key, value in environment.items() if value and key in names}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise SettingsRefused("\n".join(_mistakes(error))) from None

    @property
    def pool_max(self) -> int:
        """The most connections that the service ever has."""
        return self.pool_size + self.pool_max_overflow

    @property
    def waiting_max(self) -> int:
        """Requests that may wait for a connection; one more is refused at once."""
        return 4 * self.pool_max

    @property
    def in_flight_max(self) -> int:
        """Requests of which anything may be held in memory."""
        return max(128, 2 * (self.pool_max + self.waiting_max))

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.hnsw_ef_search is not None and self.ivfflat_probes is not None:
            raise ValueError("ENGRAM_HNSW_EF_SEARCH and ENGRAM_IVFFLAT_PROBES: a table has one"
                             " index; set one of them")  # fmt: skip
        if (self.model_endpoint is None) != (self.embedding_model is None):
            raise ValueError("ENGRAM_MODEL_ENDPOINT and ENGRAM_EMBEDDING_MODEL: set both, or"
                             " neither; without them callers bring their vectors")  # fmt: skip
        if self.tenants and self.isolation is Isolation.SHARED:
            raise ValueError("ENGRAM_TENANTS: ENGRAM_ISOLATION is shared; set row, schema or"
                             " database, or name no tenants")  # fmt: skip
        if DEFAULT_TENANT in self.tenants or len(set(self.tenants)) != len(self.tenants):
            raise ValueError("ENGRAM_TENANTS: name each tenant once, and not default, who is there")
        return self


def _mistakes(error: ValidationError) -> Iterator[str]:
    for item in error.errors(include_url=False, include_input=False, include_context=False):
        path = [str(part) for part in item["loc"]]
        text = item["msg"].removeprefix("Value error, ")
        yield f"ENGRAM_{path[0].upper()}: {text}" if path else text
