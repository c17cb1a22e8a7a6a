"""Is the new index good enough?  Old and new, each against its own exact scan.

Rows of the table are the queries, drawn by a seeded hash of their keys, so that a second check asks
the same.  A neighbour counts as found when it is as near as the exact scan's k-th: among equal
distances any choice is right.  The row itself is left out of its own neighbours.
"""

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg import sql as composing

from memory.operations.reembed.errors import Stop
from memory.operations.reembed.found import Found
from memory.operations.reembed.goal import Goal
from memory.schema import sql
from memory.schema.connection import Session
from memory.schema.events import Event, Report
from memory.schema.probe import index_used

TOLERANCE = 1e-6
"""Two scans of equal rows add up in another order."""

Key = tuple[str, ...]
Hit = tuple[Key, float]
"""Key and distance of a neighbour."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """How the indexes are asked."""

    queries: int = 50
    neighbours: int = 10
    ef_search: int = 40
    probes: int = 10
    min_recall: float = 0.95
    seed: int = 1

    @property
    def settings(self) -> Mapping[str, int]:
        """What a session sets before it asks."""
        return {"hnsw.ef_search": self.ef_search, "ivfflat.probes": self.probes}


@dataclass(frozen=True, kw_only=True)
class Query:
    """A row of the table that is asked about, with its vector in each column, as text."""

    key: Key
    vectors: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one query found."""

    exact: list[Hit]
    found: list[Hit]
    seconds: float
    """That the index took."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One column under its index."""

    column: str
    index: str
    recall: float
    median_ms: float
    p95_ms: float


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What the check saw."""

    queries: int
    neighbours: int
    ef_search: int
    sides: tuple[Side, ...]
    """The new column's, and the old one's where it has an index."""
    agreement: float
    """Share of a row's exact neighbours that old and new vectors have in common: information, since
    another model may rightly see other neighbours."""

    def as_data(self) -> dict[str, Any]:
        """Plain data, for the ledger and for ``--json``."""
        return asdict(self)


def compare(
    session: Session, found: Found, goal: Goal, question: Question, report: Report
) -> Comparison:
    """Ask both columns.  Raises Stop where the new index finds too little."""
    subject = found.subject
    columns = {
        column: index[0]
        for column in (subject.next, subject.column)
        if (index := found.index_on(column)) is not None
    }
    distance = goal.index.distance if goal.index else "cosine"
    asked = _sample(session, found, question)
    exact: dict[str, list[list[Hit]]] = {}
    sides = []
    for column in (subject.next, subject.column):
        asker = _Asker(session, found, column, distance, question)
        report(Event(kind="progress", text=f"check: {len(asked)} exact scans over {column}"))
        if column in columns:
            asker.prove(columns[column], asked)
        answers = [asker.answers(query, by_index=column in columns) for query in asked]
        exact[column] = [answer.exact for answer in answers]
        if column in columns:
            sides.append(_side(column, columns[column], answers))
    shared = [
        len({key for key, _ in new} & {key for key, _ in old}) / max(1, len(new))
        for new, old in zip(exact[subject.next], exact[subject.column], strict=True)
    ]
    return Comparison(
        queries=len(asked),
        neighbours=question.neighbours,
        ef_search=question.ef_search,
        sides=tuple(sides),
        agreement=statistics.fmean(shared) if shared else 1.0,
    )


def judge(comparison: Comparison, question: Question, column: str) -> None:
    """Raise Stop where the index on ``column`` finds fewer neighbours than it must."""
    side = next((side for side in comparison.sides if side.column == column), None)
    if side is not None and side.recall < question.min_recall:
        raise Stop(
            f"recall@{comparison.neighbours} of {side.index} is {side.recall:.3f} at ef_search"
            f" {comparison.ef_search}, below {question.min_recall:g}; nothing was swapped. Either"
            " search with more candidates (a higher --ef-search here, and in the service's"
            " settings), or build a better graph: run again with a higher --m or"
            " --ef-construction (more --lists need more --probes); or accept it: --min-recall"
        )


@dataclass(frozen=True)
class _Asker:
    """Asks one column, by its index or by reading every row."""

    session: Session
    found: Found
    column: str
    distance: str
    question: Question

    def prove(self, index: str, asked: Sequence[Query]) -> None:
        """Raise Stop unless the index answers; a figure of another one would be worth nothing."""
        if not asked:
            return
        literal = composing.Literal(asked[0].vectors[self.column]).as_string(None)
        with self.session.transaction():
            used = index_used(self.session, self._search(literal))
        if used != index:
            raise Stop(
                f"the planner answers a search on {self.column} by {used or 'no index'} instead of"
                f" {index}; its distance must be the one that is asked with"
            )

    def answers(self, query: Query, *, by_index: bool) -> Answers:
        """The true neighbours, and the index's, as of one moment: writers go on meanwhile."""
        with self.session.transaction():
            self._execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            for name, value in self.question.settings.items():
                self._execute(f"SET LOCAL {name} = {value}")
            self._execute("SET LOCAL enable_indexscan = off")
            exact = self._neighbours(query)
            if not by_index:
                return Answers(exact=exact, found=[], seconds=0.0)
            self._execute("SET LOCAL enable_indexscan = on; SET LOCAL enable_seqscan = off")
            began = time.perf_counter()
            found = self._neighbours(query)
            return Answers(exact=exact, found=found, seconds=time.perf_counter() - began)

    def _neighbours(self, query: Query) -> list[Hit]:
        given = {"vector": query.vectors[self.column]}
        answer = self.session.execute(self._search("%(vector)s"), given).fetchall()
        hits = [(tuple(found), float(far)) for found, far in answer if far is not None]
        return [hit for hit in hits if hit[0] != query.key][: self.question.neighbours]

    def _search(self, vector: str) -> Any:
        """The search as a program would say it; the vector is a literal or a parameter."""
        found, column = self.found, sql.name(self.column)
        vectors = sql.name(found.place.vectors_in)
        kind = (found.column_type(self.column) or "").partition("(")[0]
        far = (
            f"t.{column} OPERATOR({vectors}.{sql.OPERATORS[self.distance]})"
            f" {vector}::{vectors}.{kind}"
        )
        texts = ", ".join(f"t.{sql.name(key)}::text" for key in found.keys)
        return (
            f"SELECT ARRAY[{texts}], {far} FROM {found.subject.relation} t"  # noqa: S608 - quoted
            f" ORDER BY {far} LIMIT {self.question.neighbours + 1}"
        )

    def _execute(self, statement: str) -> None:
        self.session.execute(statement)


def _side(column: str, index: str, answers: Sequence[Answers]) -> Side:
    recalls = [recall(answer.found, answer.exact) for answer in answers]
    times = sorted(answer.seconds * 1000 for answer in answers) or [0.0]
    return Side(
        column=column,
        index=index,
        recall=statistics.fmean(recalls) if recalls else 1.0,
        median_ms=round(statistics.median(times), 3),
        p95_ms=round(times[min(len(times) - 1, int(0.95 * len(times)))], 3),
    )


def recall(hits: Sequence[Hit], exact: Sequence[Hit]) -> float:
    """Share of the exact neighbours' places that are filled with rows as near."""
    if not exact:
        return 1.0
    farthest = exact[-1][1]
    bound = farthest + TOLERANCE * max(1.0, abs(farthest))
    return min(1.0, sum(distance <= bound for _, distance in hits) / len(exact))


def _sample(session: Session, found: Found, question: Question) -> Sequence[Query]:
    """The rows that are the queries, the same ones for the same seed and rows."""
    subject = found.subject
    texts = ", ".join(f"{sql.name(key)}::text" for key in found.keys)
    new, old = sql.name(subject.next), sql.name(subject.column)
    statement: Any = (
        f"SELECT ARRAY[{texts}], {new}::text, {old}::text FROM {subject.relation}"  # noqa: S608 - quoted
        f" WHERE {new} IS NOT NULL AND {old} IS NOT NULL"
        f" ORDER BY hashtextextended(ARRAY[{texts}]::text, %s), 1 LIMIT %s"
    )
    rows = session.execute(statement, [question.seed, question.queries]).fetchall()
    return [
        Query(key=tuple(key), vectors={subject.next: fresh, subject.column: stale})
        for key, fresh, stale in rows
    ]
