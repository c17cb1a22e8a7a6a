"""What a re-embedding is to reach, and the names of all that it makes on the way.  Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from memory.operations.reembed.errors import GoalRefused
from memory.schema import catalog as live
from memory.schema import sql
from memory.schema.catalog import Table
from memory.schema.estimate import dimensions_of
from memory.schema.model import (
    Column,
    Hnsw,
    IvfFlat,
    Model,
    VectorIndex,
    VectorType,
    mistakes,
)
from memory.schema.model import Table as Declared
from memory.schema.target import NEXT, OPERATIONS, PREVIOUS, expected_index

TYPE = re.compile(r"(vector|halfvec)\((\d{1,5})\)")
LONGEST_NAME = 63


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The column that is re-embedded, and what its vectors are made from."""

    schema: str = "memory"
    table: str = "zep_memory_vectors"
    column: str = "embedding"
    content: str = "content"

    @property
    def relation(self) -> str:
        """The table's qualified name."""
        return sql.qualified(self.schema, self.table)

    @property
    def ledger(self) -> str:
        """The qualified name of the table in which progress is kept."""
        return sql.qualified(self.schema, OPERATIONS)

    @property
    def next(self) -> str:
        """The column that is filled."""
        return f"{self.column}{NEXT}"

    @property
    def previous(self) -> str:
        """The old column after the swap."""
        return f"{self.column}{PREVIOUS}"

    @property
    def left_index(self) -> str:
        """The index of the rows that lack the other value; it makes the look under a lock short.

        After the swap the other value is the old one; the name stays.
        """
        return f"{self.table}_{self.next}_left"

    def index_of(self, column: str) -> str:
        """The name of the vector index of one of the columns."""
        return f"{self.table}_{column}_idx"

    def guard_of(self, column: str) -> str:
        """The name of the trigger, and of its function, that keeps a column from going stale."""
        return f"{self.table}_{column}"

    def __str__(self) -> str:
        """The way in which the ledger speaks of it."""
        return f"{self.table}.{self.column}"

    def check(self) -> Self:
        """Raise GoalRefused where a name would not fit into PostgreSQL's 63 bytes."""
        for name in (self.index_of(self.previous), self.left_index):
            if len(name) > LONGEST_NAME:
                raise GoalRefused(
                    f"{name} has {len(name)} characters, and PostgreSQL keeps {LONGEST_NAME};"
                    " rename the table or the column to something shorter"
                )
        return self


class Goal(Model):
    """The new type, where its values come from, and the index on it; kept in the ledger."""

    to: Annotated[str, Field(pattern=TYPE.pattern)]
    """``vector(3072)`` or ``halfvec(3072)``."""
    source: Literal["model", "cast"]
    model: str | None = None
    """Name of the model, or of the deployment on Azure; of a callable where one is given."""
    shorten: bool = False
    index: VectorIndex | None = None
    """None leaves the new column without one, as the old column is."""

    @property
    def kind(self) -> VectorType:
        """``vector`` or ``halfvec``."""
        return "halfvec" if self.to.startswith("halfvec") else "vector"

    @property
    def dimensions(self) -> int:
        """How long a new vector is."""
        return dimensions_of(self.to)

    @model_validator(mode="after")
    def _source_is_named(self) -> Self:
        if (self.source == "model") != (self.model is not None):
            raise ValueError("give a model that computes the new vectors, or --cast")
        return self

    @model_validator(mode="after")
    def _an_index_can_carry_it(self) -> Self:
        """The bounds are the schema engine's own."""
        column = Column(name="column", type=self.kind, dimensions=self.dimensions)
        Declared(
            name="table",
            columns=(Column(name="id", type="uuid", not_null=True), column),
            primary_key=("id",),
            indexes=(self.index.model_copy(update={"column": "column", "name": None}),)
            if self.index
            else (),
        )
        return self

    def wanted_index(self, column: str) -> live.Index | None:
        """The index as the catalog will show it."""
        if self.index is None:
            return None
        index = self.index.model_copy(update={"column": column})
        described = Column(name=column, type=self.kind, dimensions=self.dimensions)
        table = Declared(
            name="table",
            columns=(Column(name="id", type="uuid", not_null=True), described),
            primary_key=("id",),
        )
        return expected_index(table, index)


def new_goal(**given: object) -> Goal:
    """Build a goal.  Raises GoalRefused with every mistake in it."""
    try:
        return Goal.model_validate(given)
    except ValidationError as error:
        raise GoalRefused("; ".join(mistakes(error))) from error


def index_like(index: live.Index, column: str) -> Hnsw | IvfFlat:
    """The declaration of an index that the catalog shows.  Raises GoalRefused for another's."""
    distance = index.opclasses[0].rsplit("_", 2)[1] if index.opclasses else "cosine"
    declared = {"column": column, "distance": distance, **index.options}
    try:
        if index.method == "hnsw":
            return Hnsw.model_validate(declared)
        return IvfFlat.model_validate(declared)
    except ValidationError as error:
        raise GoalRefused(
            f"the index on {column} is none that the schema engine makes: "
            + "; ".join(mistakes(error))
        ) from error


def vector_indexes(table: Table, column: str) -> Sequence[str]:
    """Names of the indexes of all rows for nearest neighbours on a column."""
    return sorted(
        name
        for name, index in table.indexes.items()
        if index.method in {"hnsw", "ivfflat"} and index.columns == (column,) and not index.oddities
    )


def without_oddities(index: live.Index) -> live.Index:
    """What two equal indexes on different columns have in common."""
    return replace(index.definition, columns=())
