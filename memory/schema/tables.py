"""A table as it is wanted: columns, indexes, options, who sees which of its rows.

Everything here is validated before a database is in reach, so a dimension that no index can
carry is refused in a preview.  Names are plain lower-case identifiers: they need no quoting in the
SQL that a reviewer reads.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Identifier = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_]*$", max_length=50)]
"""At most 50 characters, so that ``_new`` and ``_old`` still fit into PostgreSQL's 63 bytes."""

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
DEFAULTS = r"gen_random_uuid\(\)|now\(\)|'(\{\}|\[\])'::jsonb|0|'[a-z_]+'::character varying"
Default = Annotated[str, Field(pattern=f"^({DEFAULTS})$")]
"""As PostgreSQL prints it: an identity, a time, an empty document, nought, or a word."""
TENANT_SETTING = "engram.tenant"
"""By which a session says for whose rows it speaks."""
EVERY_TENANT = "*"
"""Said by it, the owner of the tables sees all rows; nobody else does, and nobody by default."""
# PostgreSQL's own spelling of the types that have an alias.
TENANT_TYPES = ("varchar", "text")
CANONICAL = {"varchar": "character varying", "timestamptz": "timestamp with time zone"}


class Model(BaseModel):
    """Frozen; an unknown key is a spelling mistake, hence an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Model):
    """A column; ``length`` is varchar's, ``dimensions`` are a vector's."""

    name: Identifier
    type: ScalarType | VectorType
    length: Annotated[int, Field(ge=1, le=10_485_760)] | None = None
    dimensions: Annotated[int, Field(ge=1, le=STORABLE_DIMENSIONS)] | None = None
    not_null: bool = False
    default: Default | None = None

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
    """What all kinds of index share."""

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


class Gin(Index):
    """An index of documents, for ``@>``: which rows hold this key with this value."""

    method: Literal["gin"] = "gin"
    column: Identifier

    def key_columns(self) -> tuple[str, ...]:
        """The one column of documents."""
        return (self.column,)


AnyIndex = Annotated[Hnsw | IvfFlat | Btree | Gin, Field(discriminator="method")]
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
    distributed_by: Identifier | None = None
    """Column whose value decides on which node of an elastic cluster a row is; part of the key, as
    no node can tell whether another has a row.  Rows of one value are together."""
    append_only: bool = False
    """Logins add rows and read them; to change or delete one is left to the owner."""
    tenant_column: Identifier | None = None
    """Column that says whose a row is.  With it a session sees, and stores, the rows of the tenant
    that it names by ``TENANT_SETTING``, and none where it names none; the owner is no exception."""

    def column(self, name: str) -> Column | None:
        """The column of this name, if the table has it."""
        return next((column for column in self.columns if column.name == name), None)

    @property
    def ann_index(self) -> Hnsw | IvfFlat | None:
        """The first index for nearest neighbours."""
        return next((i for i in self.indexes if isinstance(i, AnnIndex)), None)

    @model_validator(mode="after")
    def _names_are_told_apart(self) -> Self:
        refuse_twins(f"table {self.name}: column", [c.name for c in self.columns])
        refuse_twins(f"table {self.name}: index", [i.name_in(self.name) for i in self.indexes])
        for index in self.indexes:
            name = index.name_in(self.name)
            if len(name) > 58:  # noqa: PLR2004 - PostgreSQL's 63 less the suffix
                raise ValueError(f"index {name}: longer than 58 characters; give it a name")
        return self

    @model_validator(mode="after")
    def _rows_have_a_tenant(self) -> Self:
        if self.tenant_column is None:
            return self
        column, label = self.column(self.tenant_column), f"table {self.name}"
        if column is None or not column.not_null or column.type not in TENANT_TYPES:
            raise ValueError(
                f"{label}: tenant column {self.tenant_column} must be a not_null column of type"
                f" {' or '.join(TENANT_TYPES)}"
            )
        if self.distributed_by is not None:
            raise ValueError(
                f"{label}: on nodes, nobody has tried row-level security here; choose one of"
                " tenant_column and distributed_by"
            )
        return self

    @model_validator(mode="after")
    def _indexes_fit_their_columns(self) -> Self:
        if self.distributed_by is not None and self.distributed_by not in self.primary_key:
            raise ValueError(
                f"table {self.name}: distributed by {self.distributed_by}, which its primary key"
                f" ({', '.join(self.primary_key)}) lacks; add it there"
            )
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


def refuse_twins(what: str, names: list[str]) -> None:
    """Raise ValueError where a name is declared twice."""
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise ValueError(f"{what} declared twice: {', '.join(twins)}")


def _refuse_unindexable(column: Column, index: Index) -> None:
    limit = INDEXABLE_DIMENSIONS.get(column.type)
    fits = isinstance(index, AnnIndex) == (limit is not None)
    if not fits or (isinstance(index, Gin) and column.type != "jsonb"):
        raise ValueError(f"column {column.name} is {column.sql_type}: wrong kind of index for it")
    if limit is not None and (column.dimensions or 0) > limit:
        raise ValueError(
            f"column {column.name}: {column.type} can be indexed up to {limit} dimensions,"
            f" got {column.dimensions}; use halfvec (up to 4000) or a smaller embedding"
        )
