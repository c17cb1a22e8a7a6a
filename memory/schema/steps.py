"""A step of a plan, and the plan: what will run, why, and what it costs."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from memory.schema import sql

ACCESS = "access"
"""Batch of everything that concerns who may do what."""
CATALOG_LOCK = "rows of the system catalog"
"""The lock of a change that no reader or writer of a table can notice."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a step touches and takes; estimates, with the formula in ``estimate.py``."""

    rows: int = 0
    bytes: int = 0
    minutes: float = 0.0
    memory_mib: int = 0


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One real nearest-neighbour query, and the index that has to answer it."""

    relation: str
    column: str
    column_type: str
    """``vector`` or ``halfvec``."""
    dimensions: int
    distance: str
    vectors_in: str
    index: str
    hidden: str | None = None
    """Qualified names of the indexes that must be out of the way: dropped, and rolled back."""

    @property
    def query(self) -> str:
        """The query; a constant vector of ones, as any will do."""
        kind = sql.qualified(self.vectors_in, self.column_type)
        operator = f"OPERATOR({sql.name(self.vectors_in)}.{sql.OPERATORS[self.distance]})"
        vector = f"array_fill(1::real, ARRAY[{self.dimensions}])::{kind}"
        column = sql.name(self.column)
        nearest = f"ORDER BY {column} {operator} {vector} LIMIT 10"
        return f"SELECT {column} FROM {self.relation} {nearest}"  # noqa: S608 - names are validated


@dataclass(frozen=True, kw_only=True)
class Step:
    """One statement.  Consecutive steps of one ``batch`` are one transaction."""

    sql: str
    why: str
    lock: str
    batch: str = ""
    """Empty: outside any transaction, as CONCURRENTLY demands."""
    role: str | None = None
    """The role that runs it; None is the session's own."""
    cost: Cost = Cost()
    destructive: bool = False
    password_of: str | None = None
    """Purpose of the role whose SCRAM verifier replaces ``{verifier}`` in the SQL."""
    probe: Probe | None = None

    @property
    def transactional(self) -> bool:
        """Whether a failure undoes it."""
        return bool(self.batch)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Steps in order, and what was noticed on the way and is left alone."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()

    def batches(self) -> Iterator[tuple[Step, ...]]:
        """Steps that run together; a step outside any transaction is alone."""
        numbered = enumerate(self.steps)
        for _, group in groupby(numbered, key=lambda pair: pair[1].batch or pair[0]):
            yield tuple(step for _, step in group)
