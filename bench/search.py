"""How fast and how right the nearest ten are found, with and without a filter by conversation.

Latency is what a client waits: one connection over verified TLS, prepared statements, vectors in
binary form, one query after the other, caches warm.  Recall is the share of the true ten, by exact
cosine of the full-precision vectors, among those that came; a halfvec is judged by them too.
Which index answered is read from the server's own counters, not from an EXPLAIN of another query.
"""

import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from psycopg import sql

from bench.hnsw_table import Memories, large_server, session_name
from bench.measure import Announce
from bench.study import Cell, Study
from bench.vectors import EVERYWHERE, SHARES, Corpus, Numbers, Rows, nearest
from local.paths import Paths
from memory.schema.connection import Session
from memory.schema.model import VectorType

ROWS = (10_000, 100_000)
QUERIES = 500
FILTERED_QUERIES = 200
NEIGHBOURS = 10
EF_SEARCH = (40, 80, 120, 200, 400)
FILTERED_EF_SEARCH = (40, 200)
GOAL_MS, GOAL_RECALL = 5.0, 0.95
WARM_UP_QUERIES = 50
"""Before those that count: they fill caches, and the server settles on a plan after five."""
HNSW_ALONE = {"enable_sort": "off"}
"""Leaves the planner only the index that delivers neighbours in order."""
PLANNER, POST_FILTER = "planner's choice", "HNSW, filter after"
WAYS: Mapping[str, Mapping[str, str]] = {
    PLANNER: {},
    POST_FILTER: HNSW_ALONE,
    "HNSW, strict_order": {**HNSW_ALONE, "hnsw.iterative_scan": "strict_order"},
    "HNSW, relaxed_order": {**HNSW_ALONE, "hnsw.iterative_scan": "relaxed_order"},
}
KINDS: tuple[VectorType, ...] = ("vector", "halfvec")
FILTERED_KIND: VectorType = "vector"
"""A filter costs what it costs whatever the type is."""
SCANS = "SELECT indexrelname, idx_scan FROM pg_stat_user_indexes WHERE relid = %s::regclass"


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Queries with their true answers."""

    queries: Rows
    filtered: bool
    truth: Numbers


def questions_about(
    corpus: Corpus, rows: int, numbers: Mapping[float | None, int]
) -> dict[float | None, Questions]:
    """Draw so many queries for each share, and look at every row once for all answers.

    Without a share they ask among all rows.
    """
    drawn = {share: corpus.queries(number, share) for share, number in numbers.items()}
    within = [
        np.full(number, EVERYWHERE) if share is None else drawn[share].sessions
        for share, number in numbers.items()
    ]
    vectors = np.concatenate([queries.vectors for queries in drawn.values()])
    truth = nearest(corpus, rows, vectors, np.concatenate(within), NEIGHBOURS)
    parts = np.split(truth, np.cumsum(list(numbers.values()))[:-1])
    return {
        share: Questions(queries=queries, filtered=share is not None, truth=part)
        for (share, queries), part in zip(drawn.items(), parts, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What came back, and when."""

    milliseconds: tuple[float, ...]
    recall: float
    returned: float
    """Rows a query, of the ten asked for."""
    indexes: Mapping[str, int]
    """Scans of each index, by its name."""

    @property
    def median_ms(self) -> float:
        """Half of the queries took no longer."""
        return statistics.median(self.milliseconds)

    @property
    def p95_ms(self) -> float:
        """19 of 20 queries took no longer."""
        return float(np.percentile(self.milliseconds, 95))

    def used_only(self, index: str) -> bool:
        """Whether this index answered, and no other way, to every query."""
        return self.indexes == {index: len(self.milliseconds)}

    @property
    def plan(self) -> str:
        """The indexes that answered, the busiest first."""
        used = sorted(self.indexes.items(), key=lambda item: -item[1])
        return ", ".join(f"{name} {scans}x" for name, scans in used) or "no index"


def search(_: Paths, rounds: int, announce: Announce) -> Iterator[Study]:
    """Latency and recall of searches in 10,000 and 100,000 memories, vector and halfvec."""
    corpus = Corpus()
    numbers: dict[float | None, int] = {None: QUERIES}
    numbers |= {share: FILTERED_QUERIES for share, _, _ in SHARES}
    with large_server() as server:
        for rows in ROWS:
            announce(f"{rows:,} rows: looking for the true neighbours")
            questions = questions_about(corpus, rows, numbers)
            for kind in KINDS:
                memories = Memories.create(server, kind, corpus.dimensions)
                memories.load(corpus, rows, announce)
                announce(f"{rows:,} rows, {kind}: building the index")
                memories.apply()
                yield unfiltered_study(memories, rows, questions[None], rounds, announce)
                if kind == FILTERED_KIND:
                    yield filtered_study(memories, rows, questions, rounds, announce)


def unfiltered_study(
    memories: Memories, rows: int, questions: Questions, rounds: int, announce: Announce
) -> Study:
    """The nearest of all rows, at each ``ef_search``; where the planner avoids HNSW, both."""
    table: list[tuple[Cell, ...]] = []
    by_hnsw: dict[int, Answers] = {}
    for ef_search in EF_SEARCH:
        for way in (PLANNER, POST_FILTER):
            announce(f"{rows:,} rows, {memories.column_type}: {way}, ef_search {ef_search}")
            settings = {**WAYS[way], "hnsw.ef_search": str(ef_search)}
            answers = ask(memories, questions, settings, rounds)
            name = way if way == PLANNER else "HNSW, sorting switched off"
            table.append((ef_search, name, *_figures(answers), answers.plan))
            by_hnsw[ef_search] = answers
            if answers.used_only(memories.index.name_in(memories.table.name)):
                break
    return Study(
        title=f"search, {rows:,} x {memories.dimensions} {memories.column_type}",
        headers=("ef_search", "way", "median ms", "p95 ms", f"recall@{NEIGHBOURS}", "scans"),
        rows=tuple(table),
        notes=(
            f"{len(questions.queries.vectors)} queries x {rounds} rounds at each ef_search",
            _verdict(by_hnsw),
        ),
    )


def filtered_study(
    memories: Memories,
    rows: int,
    questions: Mapping[float | None, Questions],
    rounds: int,
    announce: Announce,
) -> Study:
    """The nearest within one conversation: what the planner takes, and what HNSW can do."""
    table: list[tuple[Cell, ...]] = []
    shares = [share for share in questions if share is not None]
    for share, (way, settings), ef_search in product(shares, WAYS.items(), FILTERED_EF_SEARCH):
        announce(f"{rows:,} rows, {memories.column_type}: {share:.1%}, {way}, {ef_search}")
        chosen = {**settings, "hnsw.ef_search": str(ef_search)}
        answers = ask(memories, questions[share], chosen, rounds)
        returned = round(answers.returned, 1)
        table.append((f"{share:.1%}", way, ef_search, *_figures(answers), returned, answers.plan))
    return Study(
        title=f"search within a conversation, {rows:,} x {memories.dimensions}"
        f" {memories.column_type}",
        headers=(
            *("rows", "way", "ef_search", "median ms", "p95 ms", f"recall@{NEIGHBOURS}"),
            *("returned", "scans"),
        ),
        rows=tuple(table),
        notes=(
            "rows: the conversation's share of all; returned: rows a query, of the ten asked for",
            f"{len(questions[shares[0]].truth)} queries x {rounds} rounds each;"
            " hnsw.max_scan_tuples as pgvector sets it",
        ),
    )


def ask(
    memories: Memories, questions: Questions, settings: Mapping[str, str], rounds: int = 1
) -> Answers:
    """Ask everything on one new connection, whose plans nothing else has shaped."""
    statement, parameters = _statement(memories, questions)
    milliseconds: list[float] = []
    found: list[list[int]] = []
    with memories.session("app") as session:
        for name, value in settings.items():
            session.execute("SELECT set_config(%s, %s, false)", [name, value])
        for values in parameters[:WARM_UP_QUERIES]:
            session.execute(statement, values, prepare=True).fetchall()
        before = _scans(session, memories.relation)
        for _ in range(rounds):
            for values in parameters:
                begun = time.perf_counter()
                answer = session.execute(statement, values, prepare=True).fetchall()
                milliseconds.append((time.perf_counter() - begun) * 1000)
                found.append([row[0].int for row in answer])
        after = _scans(session, memories.relation)
    return Answers(
        milliseconds=tuple(milliseconds),
        recall=_recall(found, questions.truth),
        returned=statistics.mean(len(numbers) for numbers in found),
        indexes={name: n - before[name] for name, n in after.items() if n > before[name]},
    )


def _statement(
    memories: Memories, questions: Questions
) -> tuple[sql.Composed, Sequence[Sequence[object]]]:
    statement = sql.SQL("SELECT id FROM {} {} ORDER BY embedding <=> %s LIMIT {}").format(
        memories.identifier,
        sql.SQL("WHERE session_id = %s" if questions.filtered else ""),
        NEIGHBOURS,
    )
    vectors = questions.queries.vectors
    if not questions.filtered:
        return statement, [(vector,) for vector in vectors]
    sessions = questions.queries.sessions
    pairs = zip(sessions, vectors, strict=True)
    return statement, [(session_name(int(session)), vector) for session, vector in pairs]


def _scans(session: Session, relation: str) -> dict[str, int]:
    """How often each index was used by now, this session's own scans included."""
    session.execute("SELECT pg_stat_force_next_flush()")
    session.execute("SELECT pg_stat_clear_snapshot()")
    return dict(session.execute(SCANS, [relation]).fetchall())


def _recall(found: Sequence[Sequence[int]], truth: Numbers) -> float:
    """Share of the true neighbours that came; a query without any does not count."""
    rights = wanted = 0
    for number, answer in enumerate(found):
        true = {int(row) for row in truth[number % len(truth)] if row >= 0}
        rights += len(true.intersection(answer))
        wanted += len(true)
    return rights / wanted if wanted else 1.0


def _figures(answers: Answers) -> tuple[float, float, float]:
    return (round(answers.median_ms, 2), round(answers.p95_ms, 2), round(answers.recall, 3))


def _verdict(answers: Mapping[int, Answers]) -> str:
    """The goal, at the first ``ef_search`` with enough recall."""
    goal = f"goal p95 <= {GOAL_MS:g} ms at recall >= {GOAL_RECALL:g}"
    for ef_search, answer in answers.items():
        if answer.recall >= GOAL_RECALL:
            met = "met" if answer.p95_ms <= GOAL_MS else "missed"
            figures = f"{answer.p95_ms:.2f} ms at {answer.recall:.3f}"
            return f"{goal}: {met} at ef_search {ef_search}, {figures}"
    return f"{goal}: missed, no ef_search of {', '.join(map(str, answers))} has that recall"
