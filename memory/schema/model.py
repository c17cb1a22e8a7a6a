"""The schema that is wanted, as data: extensions, roles and tables.

What a table is made of is in ``tables``; here is whose it is, and the schemas that this product
has: the memory's and Zep's.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from memory.schema.memory_tables import AUDIT, RECORDS, vectors
from memory.schema.tables import (
    INDEXABLE_DIMENSIONS,
    STORABLE_DIMENSIONS,
    AnnIndex,
    AnyIndex,
    Autovacuum,
    Btree,
    Candidates,
    Column,
    Gin,
    Hnsw,
    Identifier,
    IvfFlat,
    Links,
    Lists,
    Model,
    Table,
    VectorIndex,
    VectorType,
    refuse_twins,
)

__all__ = [
    "CITUS",
    "INDEXABLE_DIMENSIONS",
    "STORABLE_DIMENSIONS",
    "VECTOR",
    "AnnIndex",
    "AnyIndex",
    "Autovacuum",
    "Btree",
    "Candidates",
    "Column",
    "DesiredSchema",
    "Extension",
    "Gin",
    "Hnsw",
    "Identifier",
    "IvfFlat",
    "Links",
    "Lists",
    "Model",
    "Purpose",
    "Role",
    "Table",
    "VectorIndex",
    "VectorType",
    "memory_schema",
    "mistakes",
    "schema_of",
    "zep_schema",
]

Purpose = Literal["migrator", "app", "reader", "owner"]
"""What a login is for.  Migrator, app and reader share a schema whose tables are declared here; an
owner has one to itself, and makes its own tables in it."""
Privilege = Literal["SELECT", "INSERT", "UPDATE", "DELETE"]


def _not_reserved(name: str) -> str:
    if name.startswith(("pg_", "azure")) or name == "public":
        raise ValueError(f"{name} is PostgreSQL's or Azure's own name; choose another")
    return name


class Extension(Model):
    """An extension of the database."""

    name: Identifier
    into: Identifier = "public"
    """Schema of its types and operators; Azure refuses to move it later."""
    version: str | None = Field(default=None, pattern=r"^[0-9][0-9a-z.]*$")
    """None takes the server's default and leaves an installed one alone."""
    preloaded: bool = False
    """Exists only where ``shared_preload_libraries`` has loaded it, which takes a restart of the
    server; until then the extension is left out, and reported."""


class Role(Model):
    """A login of the data plane; it can do what its purpose needs and nothing else."""

    purpose: Purpose
    name: Annotated[Identifier, AfterValidator(_not_reserved)]
    privileges: tuple[Privilege, ...] = ()
    """On every table of the schema, present and future.  The migrator owns them instead."""
    member_of: tuple[Identifier, ...] | None = None
    """Roles that it belongs to in name alone: it inherits nothing of them, cannot become them and
    admits nobody.  Any other membership that this administrator gave is taken back; None judges
    none, and reports what it finds."""


VECTOR = Extension(name="vector")
EXTENSIONS = (
    VECTOR,
    Extension(name="pg_stat_statements"),  # what the statements of this database cost
    # Without it the audit log says that a table was dropped, and not which; the settings of what
    # is logged are the server's.
    Extension(name="pgaudit", preloaded=True),
)
"""What a memory database has beside PostgreSQL's own; on Azure each must be allow-listed."""


CITUS = Extension(name="citus", into="pg_catalog")
"""Shares tables out over nodes.  Azure makes it, in the one database of an elastic cluster."""

SHARED = ["app", "migrator", "reader"]
MEMORY = "memory"
"""The schema of memories."""


class DesiredSchema(Model):
    """One schema of one database: its tables, and who may do what.

    Either ours, with a role for each purpose; or another program's, which has one login, the
    owner, and brings its tables itself.
    """

    schema_name: Annotated[Identifier, AfterValidator(_not_reserved)] = MEMORY
    beside: Identifier | None = None
    """Schema of the same database whose roles these are: their search_path leads there."""
    extensions: tuple[Extension, ...] = (VECTOR,)
    roles: tuple[Role, ...]
    tables: tuple[Table, ...]

    def role(self, purpose: Purpose) -> Role:
        """The role of this purpose."""
        return next(role for role in self.roles if role.purpose == purpose)

    @property
    def owner(self) -> str:
        """Name of the role that owns the schema and its tables."""
        return self.role("owner" if self.brings_its_tables else "migrator").name

    @property
    def brings_its_tables(self) -> bool:
        """Whether another program makes the tables, which are then nobody's to declare or judge."""
        return any(role.purpose == "owner" for role in self.roles)

    @model_validator(mode="after")
    def _one_role_for_each_purpose(self) -> Self:
        purposes = sorted(role.purpose for role in self.roles)
        if purposes not in (SHARED, ["owner"]):
            raise ValueError(
                f"roles: want one each of app, migrator, reader, or one owner alone; got {purposes}"
            )
        refuse_twins("role", [role.name for role in self.roles])
        refuse_twins("table", [table.name for table in self.tables])
        if next(role for role in self.roles if role.name == self.owner).privileges:
            purpose = "owner" if self.brings_its_tables else "migrator"
            raise ValueError(f"roles: the {purpose} owns the tables; its privileges stay empty")
        if self.brings_its_tables and self.tables:
            raise ValueError("tables: an owner makes its own; declare none, or other roles")
        return self


MEMORY_ROLES = (
    Role(purpose="migrator", name="memory_migrator"),
    Role(purpose="app", name="memory_app", privileges=("SELECT", "INSERT", "UPDATE", "DELETE")),
    Role(purpose="reader", name="memory_reader", privileges=("SELECT",)),
)


def memory_schema(  # noqa: PLR0913 - one keyword for each thing that a stack may choose
    *,
    dimensions: int = 1536,
    column_type: VectorType = "vector",
    index: Hnsw | IvfFlat | None = None,
    distributed: bool = False,
    by_tenant: bool = False,
    tenant: str | None = None,
) -> DesiredSchema:
    """The mission's table ``zep_memory_vectors`` in schema ``memory``, with its three roles.

    Beside it are what was done with memories, and what was done to them all: tables to which rows
    are only ever added.  ``distributed`` shares the vectors out over the nodes of an elastic
    cluster, by session; ``by_tenant`` shows each tenant its own rows only; ``tenant`` names whose
    tables these are, in a schema of their own beside ``memory``.

    Raises pydantic's ``ValidationError`` for what no database could hold.
    """
    memories = vectors(
        Column(name="embedding", type=column_type, dimensions=dimensions),
        index or Hnsw(column="embedding"),
        distributed=distributed,
        by_tenant=by_tenant,
    )
    return DesiredSchema(
        schema_name=schema_of(tenant),
        beside=MEMORY if tenant else None,
        # Citus first: it hands on to the nodes only what is made after it.
        extensions=(CITUS, *EXTENSIONS) if distributed else EXTENSIONS,
        roles=MEMORY_ROLES,
        tables=(memories, AUDIT, RECORDS),
    )


def schema_of(tenant: str | None) -> str:
    """The schema of a tenant that has one of its own; of all the others without."""
    return f"{MEMORY}_{tenant}" if tenant else MEMORY


AZURE_GATE = "azure_pg_admin"
"""Only its members may say CREATE EXTENSION on a Flexible Server, even IF NOT EXISTS finds that
there is nothing to do (docs/adr/0014-zep-and-azure-pg-admin.md)."""


def zep_schema(*, login: str = "zep_app", extension_gate: bool) -> DesiredSchema:
    """Zep's own database: a schema that its one login owns, and pgvector made for it beforehand.

    Zep's first statement at every start is CREATE EXTENSION IF NOT EXISTS vector.  With
    ``extension_gate``, on a Flexible Server, the login is a nominal member of the role that is
    asked for there; elsewhere it is in no role at all.
    """
    owner = Role(purpose="owner", name=login, member_of=(AZURE_GATE,) if extension_gate else ())
    return DesiredSchema(schema_name="zep", extensions=(VECTOR,), roles=(owner,), tables=())


def mistakes(error: ValidationError) -> Iterator[str]:
    """Each mistake of a refused model in one line: where, what was found, what is allowed."""
    for item in error.errors(include_url=False):
        path: tuple[Any, ...] = item["loc"]
        where = ".".join(str(part) for part in path) or "schema"
        found = "" if isinstance(item["input"], dict) else f" (found {item['input']!r})"
        yield f"{where}: {item['msg']}{found}"
