"""What there is to do and what it will cost, counted before anything is sent or changed."""

from dataclasses import asdict, dataclass
from typing import Any

from memory.embeddings.limits import BYTES_A_TOKEN
from memory.operations.reembed import rows
from memory.operations.reembed.found import Found
from memory.schema import sql
from memory.schema.connection import Session

HOW = (
    f"tokens are estimated from the bytes of the text, {BYTES_A_TOKEN} a token, OpenAI's rule of"
    " thumb for English prose; code, JSON and other scripts have up to twice as many. The"
    " endpoint's own count corrects the cost as answers come in"
)


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Rows that need a value, and their text."""

    rows: int
    characters: int
    bytes: int
    without_vector: int
    """Left as they are: what was never embedded is not now."""
    without_content: int
    """They have a vector of nothing, and no model takes an empty text."""

    @property
    def tokens(self) -> int:
        """Estimated; see ``HOW``."""
        return max(self.rows, -(-self.bytes // BYTES_A_TOKEN))

    def cost(self, price_per_million: float | None) -> float | None:
        """What the tokens would cost."""
        return None if price_per_million is None else self.tokens * price_per_million / 1_000_000

    def as_data(self, price_per_million: float | None) -> dict[str, Any]:
        """Plain data for ``--json``."""
        return {
            **asdict(self),
            "tokens": self.tokens,
            "cost": self.cost(price_per_million),
            "how": HOW,
        }


def measure(session: Session, found: Found) -> Extent:
    """Read every row's content once, on the server."""
    subject = found.subject
    content = f"t.{sql.name(subject.content)}"
    derived = subject.next if found.column_type(subject.next) else None
    needed = rows.needs(subject, derived) if derived else f"{sql.name(subject.column)} IS NOT NULL"
    statement = (
        "SELECT count(*) FILTER (WHERE needed),"  # noqa: S608 - quoted
        " coalesce(sum(length(text)) FILTER (WHERE needed), 0),"
        " coalesce(sum(octet_length(text)) FILTER (WHERE needed), 0),"
        " count(*) FILTER (WHERE empty), count(*) FILTER (WHERE needed AND coalesce(text, '') = '')"
        f" FROM (SELECT {content} AS text, {needed} AS needed,"
        f" t.{sql.name(subject.column)} IS NULL AS empty FROM {subject.relation} t) AS counted"
    )
    row = _one(session, statement)
    return Extent(
        rows=row[0],
        characters=row[1],
        bytes=row[2],
        without_vector=row[3],
        without_content=row[4],
    )


def _one(session: Session, statement: str) -> Any:
    row = session.execute(statement).fetchone()
    if row is None:  # an aggregate always answers one row
        raise AssertionError("the count answered no row")
    return row
