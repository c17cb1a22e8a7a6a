"""The schema that is wanted, as data: extensions, roles and tables.

Everything here is validated before a database is in reach, so a dimension that no index can
carry is refused in a preview.  Names are plain lower-case identifiers: they need no quoting in the
SQL that a reviewer reads.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=50)]
"""At most 50 characters, so that ``_new`` and ``_old`` still fit into PostgreSQL's 63 bytes."""

Purpose = Literal["migrator", "app", "reader"]
Privilege = Literal["SELECT", "INSERT", "UPDATE", "DELETE"]
Distance = Literal["cosine", "l2", "ip"]
VectorType = Literal["vector", "halfvec"]
ScalarType = Literal[
    "uuid", "text", "varchar", "jsonb", "boolean", "integer", "bigint", "double precision",
    "timestamptz",
]  # fmt: skip

# pgvector's own bounds; its README, "HNSW" and "IVFFlat".
INDEXABLE_DIMENSIONS = {"vector": 2000, "halfvec": 4000}
STORABLE_DIMENSIONS = 16_000
Links = Annotated[int, Field(ge=2, le=100)]
"""``m``: links of each row on a layer of the graph; twice as many on the ground."""
Candidates = Annotated[int, Field(ge=4, le=1000)]
"""``ef_construction``: rows that an insert compares before it chooses its links."""
Lists = Annotated[int, Field(ge=1, le=32_768)]
"""Clusters of an IVFFlat index, and the most that a query can probe."""
# PostgreSQL's own spelling of the types that have an alias.
CANONICAL = {"varchar": "character varying", "timestamptz": "timestamp with time zone"}


def _not_reserved(name: str) -> str:
    if name.startswith(("pg_", "azure")) or name == "public":
        raise ValueError(f"{name} is PostgreSQL's or Azure's own name; choose another")
    return name


class Model(BaseModel):
    """Frozen; an unknown key is a spelling mistake, hence an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class Column(Model):
    """A column; ``length`` is varchar's, ``dimensions`` are a vector's."""

    name: Identifier
    type: ScalarType | VectorType
    length: Annotated[int, Field(ge=1, le=10_485_760)] | None = None
    dimensions: Annotated[int, Field(ge=1, le=STORABLE_DIMENSIONS)] | None = None
    not_null: bool = False
    default: Literal["gen_random_uuid()", "now()", "'{}'::jsonb"] | None = None

    @property
    def sql_type(self) -> str:
        """The type as PostgreSQL's ``format_type`` prints it."""
        size = self.dimensions or self.length
        name = CANONICAL.get(self.type, self.type)
        return f"{name}({size})" if size else name

    @model_validator(mode="after")
    def _size_fits_the_type(self) -> Self:
        is_vector = self.type in INDEXABLE_DIMENSIONS
        if is_vector != (self.dimensions is not None):
            raise ValueError(
                f"column {self.name}: dimensions are for vector and halfvec, and required there"
            )
        if (self.type == "varchar") != (self.length is not None):
            raise ValueError(f"column {self.name}: length is for varchar, and required there")
        return self


class Index(Model):
    """What the three kinds of index share."""

    name: Identifier | None = None
    """None derives ``<table>_<columns>_idx``."""

    def key_columns(self) -> tuple[str, ...]:
        """Names of the indexed columns, in order."""
        raise NotImplementedError

    def name_in(self, table: str) -> str:
        """The index's name on this table."""
        return self.name or "_".join((table, *self.key_columns(), "idx"))


class AnnIndex(Index):
    """An index for nearest neighbours; its distance must be the one that queries use."""

    column: Identifier
    distance: Distance = "cosine"

    def key_columns(self) -> tuple[str, ...]:
        """The one vector column."""
        return (self.column,)


class Hnsw(AnnIndex):
    """pgvector's graph: slower to build than IVFFlat, faster and surer to search."""

    method: Literal["hnsw"] = "hnsw"
    m: Links = 16
    ef_construction: Candidates = 64

    @model_validator(mode="after")
    def _candidates_cover_the_links(self) -> Self:
        if self.ef_construction < 2 * self.m:
            raise ValueError(
                f"ef_construction {self.ef_construction} is below 2 x m = {2 * self.m};"
                " pgvector refuses it: raise ef_construction or lower m"
            )
        return self


class IvfFlat(AnnIndex):
    """pgvector's inverted lists: cheap to build, for small stacks.

    A build sorts the rows that are there into lists, and later rows into the same ones: built on
    an empty table, it wants a REINDEX once data are loaded.
    """

    method: Literal["ivfflat"] = "ivfflat"
    lists: Lists = 100


class Btree(Index):
    """An ordinary index."""

    method: Literal["btree"] = "btree"
    columns: Annotated[tuple[Identifier, ...], Field(min_length=1)]

    def key_columns(self) -> tuple[str, ...]:
        """The columns, most significant first."""
        return self.columns


AnyIndex = Annotated[Hnsw | IvfFlat | Btree, Field(discriminator="method")]
VectorIndex = Annotated[Hnsw | IvfFlat, Field(discriminator="method")]


class Autovacuum(Model):
    """When autovacuum visits a table; vectors are wide, so the defaults come too late."""

    vacuum_scale_factor: Annotated[float, Field(ge=0, le=1)] = 0.1
    analyze_scale_factor: Annotated[float, Field(ge=0, le=1)] = 0.05
    cost_delay_ms: Annotated[float, Field(ge=0, le=100)] = 10

    def options(self) -> dict[str, str]:
        """The table's storage parameters, as the catalog prints them."""
        return {
            "autovacuum_vacuum_scale_factor": f"{self.vacuum_scale_factor:g}",
            "autovacuum_analyze_scale_factor": f"{self.analyze_scale_factor:g}",
            "autovacuum_vacuum_cost_delay": f"{self.cost_delay_ms:g}",
        }


class Table(Model):
    """A table with its primary key, indexes and autovacuum options."""

    name: Identifier
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    primary_key: Annotated[tuple[Identifier, ...], Field(min_length=1)]
    indexes: tuple[AnyIndex, ...] = ()
    autovacuum: Autovacuum = Autovacuum()

    def column(self, name: str) -> Column | None:
        """The column of this name, if the table has it."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def ann_index(self) -> Hnsw | IvfFlat | None:
        """The first index for nearest neighbours."""
        return next((i for i in self.indexes if isinstance(i, AnnIndex)), None)

    @model_validator(mode="after")
    def _names_are_told_apart(self) -> Self:
        _refuse_twins(f"table {self.name}: column", [c.name for c in self.columns])
        _refuse_twins(f"table {self.name}: index", [i.name_in(self.name) for i in self.indexes])
        for index in self.indexes:
            name = index.name_in(self.name)
            if len(name) > 58:  # noqa: PLR2004 - PostgreSQL's 63 less the suffix
                raise ValueError(f"index {name}: longer than 58 characters; give it a name")
        return self

    @model_validator(mode="after")
    def _indexes_fit_their_columns(self) -> Self:
        for name in self.primary_key:
            key = self.column(name)
            if key is None or not key.not_null:
                raise ValueError(f"table {self.name}: primary key {name} must be a not_null column")
        for index in self.indexes:
            for name in index.key_columns():
                column = self.column(name)
                if column is None:
                    raise ValueError(f"table {self.name}: index on {name}, which is no column")
                _refuse_unindexable(column, index)
        return self


VECTOR = Extension(name="vector")
EXTENSIONS = (
    VECTOR,
    Extension(name="pg_stat_statements"),  # what the statements of this database cost
    # Without it the audit log says that a table was dropped, and not which; the settings of what
    # is logged are the server's.
    Extension(name="pgaudit", preloaded=True),
)
"""What a memory database has beside PostgreSQL's own; on Azure each must be allow-listed."""


class DesiredSchema(Model):
    """One database's share of the memory: a schema, its tables, and who may do what."""

    schema_name: Annotated[Identifier, AfterValidator(_not_reserved)] = "memory"
    extensions: tuple[Extension, ...] = (VECTOR,)
    roles: tuple[Role, ...]
    tables: tuple[Table, ...]

    def role(self, purpose: Purpose) -> Role:
        """The role of this purpose."""
        return next(role for role in self.roles if role.purpose == purpose)

    @property
    def owner(self) -> str:
        """Name of the role that owns the schema and its tables."""
        return self.role("migrator").name

    @model_validator(mode="after")
    def _one_role_for_each_purpose(self) -> Self:
        purposes = sorted(role.purpose for role in self.roles)
        if purposes != ["app", "migrator", "reader"]:
            raise ValueError(f"roles: want one each of app, migrator, reader; got {purposes}")
        _refuse_twins("role", [role.name for role in self.roles])
        _refuse_twins("table", [table.name for table in self.tables])
        if self.role("migrator").privileges:
            raise ValueError("roles: the migrator owns the tables; its privileges stay empty")
        return self


def _refuse_twins(what: str, names: list[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise ValueError(f"{what} declared twice: {', '.join(twins)}")


def _refuse_unindexable(column: Column, index: Index) -> None:
    limit = INDEXABLE_DIMENSIONS.get(column.type)
    if isinstance(index, AnnIndex) == (limit is None):
        raise ValueError(f"column {column.name} is {column.sql_type}: wrong kind of index for it")
    if limit is not None and (column.dimensions or 0) > limit:
        raise ValueError(
            f"column {column.name}: {column.type} can be indexed up to {limit} dimensions,"
            f" got {column.dimensions}; use halfvec (up to 4000) or a smaller embedding"
        )


def memory_schema(
    *,
    dimensions: int = 1536,
    column_type: VectorType = "vector",
    index: Hnsw | IvfFlat | None = None,
) -> DesiredSchema:
    """The mission's table ``zep_memory_vectors`` in schema ``memory``, with its three roles.

    Raises pydantic's ``ValidationError`` for what no database could hold.
    """
    columns = (
        Column(name="id", type="uuid", not_null=True, default="gen_random_uuid()"),
        Column(name="session_id", type="varchar", length=255, not_null=True),
        Column(name="content", type="text", not_null=True),
        Column(name="embedding", type=column_type, dimensions=dimensions),
        Column(name="metadata", type="jsonb"),
        Column(name="created_at", type="timestamptz", not_null=True, default="now()"),
    )
    table = Table(
        name="zep_memory_vectors",
        columns=columns,
        primary_key=("id",),
        indexes=(
            index or Hnsw(column="embedding"),
            Btree(columns=("session_id",)),
            Btree(columns=("created_at",)),
        ),
    )
    roles = (
        Role(purpose="migrator", name="memory_migrator"),
        Role(
            purpose="app",
            name="memory_app",
            privileges=("SELECT", "INSERT", "UPDATE", "DELETE"),
        ),
        Role(purpose="reader", name="memory_reader", privileges=("SELECT",)),
    )
    return DesiredSchema(extensions=EXTENSIONS, roles=roles, tables=(table,))


def mistakes(error: ValidationError) -> Iterator[str]:
    """Each mistake of a refused model in one line: where, what was found, what is allowed."""
    for item in error.errors(include_url=False):
        path: tuple[Any, ...] = item["loc"]
        where = ".".join(str(part) for part in path) or "schema"
        found = "" if isinstance(item["input"], dict) else f" (found {item['input']!r})"
        yield f"{where}: {item['msg']}{found}"
