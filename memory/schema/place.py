"""Where a table is, and how a step of it is made."""

from dataclasses import dataclass, field

from memory.schema import sql
from memory.schema.steps import Step

BRIEFLY = "ACCESS EXCLUSIVE on the table, for milliseconds"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a table is, and as whom its DDL runs."""

    schema: str
    table: str
    owner: str
    vectors_in: str
    """Schema of pgvector's types and operators."""
    primary_key: tuple[str, ...] = ()
    distances: dict[str, str] = field(default_factory=dict)
    """Distance of each vector index, by its name."""

    @property
    def relation(self) -> str:
        """The qualified name."""
        return sql.qualified(self.schema, self.table)

    def step(self, statement: str, why: str, lock: str, batch: str = "", **more: object) -> Step:
        """A step that runs as the owner."""
        return Step(sql=statement, why=why, lock=lock, batch=batch, role=self.owner, **more)  # type: ignore[arg-type]  # more is Step's own keywords

    @property
    def batch(self) -> str:
        """The transaction of this table's short changes."""
        return f"table {self.table}"
