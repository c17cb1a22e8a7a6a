"""HNSW builds: the engine's, the server's own defaults, and the best that a hand can do in psql.

All build the same index on the same table of a server with the settings that Azure gives uat's;
before each build the index is dropped, and what was written is on disk.  Several ways to tune by
hand are tried on a small table first, and the fastest builds the large one.  Whether the graph
fitted into ``maintenance_work_mem`` is PostgreSQL's own notice, from its log.
"""

import re
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bench.errors import BenchError
from bench.figures import Spread
from bench.hnsw_table import SKU, Memories, cores, large_server
from bench.hnsw_usage import TICKS, Usage
from bench.measure import Announce, Contender, Suite, Work, race
from bench.search import Questions, ask, questions_about
from bench.study import Cell, Study
from bench.vectors import Corpus
from local.paths import Paths
from memory.schema.model import Hnsw
from memory.schema.steps import Cost

ROWS = 50_000
SMALL_ROWS = 5_000
QUERIES = 300
EF_SEARCH = (40, 100)
TIME_OUT_MINUTES = 20
"""A build that takes longer is ended, and the table says so."""
SPARE_MIB = 16
"""What a careful hand adds to the memory that the graph will need."""
MIB_A_PROCESS = 32
"""With less ``maintenance_work_mem``, PostgreSQL quietly gives a build no worker."""
DEFAULTS, TUNED = "CREATE INDEX, defaults", "psql, hand-tuned"
TUNED_CONCURRENTLY, ENGINE = "psql, hand-tuned, CONCURRENTLY", "engine"
GOALS = {DEFAULTS: 0.4, TUNED_CONCURRENTLY: 1.05}
SPILLED = re.compile(r"no longer fits into maintenance_work_mem after (\d+) tuples")
TIMED_OUT = "statement timeout"
HEADERS = ("way", "seconds", "CPU s", "memory MiB", "graph fitted", "index MiB")


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What a hand may set before it says CREATE INDEX."""

    workers: int
    """Beside the leader, who builds as well."""
    memory_mib: int
    of_the_table: bool = False
    """Ask for the workers by the table's ``parallel_workers``, not by the session's settings."""
    concurrently: bool = False

    def __str__(self) -> str:
        """Say what differs between tunings."""
        how = ", parallel_workers of the table" if self.of_the_table else ""
        return f"{self.workers} workers, {self.memory_mib:,} MiB{how}"

    def script(self, memories: Memories) -> str:
        """The psql script."""
        table = f"ALTER TABLE {memories.relation}"
        lines = [
            f"SET maintenance_work_mem = '{self.memory_mib}MB'",
            f"SET max_parallel_maintenance_workers = {self.workers}",
        ]
        if self.of_the_table:
            lines += [
                f"{table} SET (parallel_workers = {self.workers})",
                create_index(memories),
                f"{table} RESET (parallel_workers)",
            ]
        else:
            build = create_index(memories, concurrently=self.concurrently)
            lines += ["SET min_parallel_table_scan_size = 0", build]
        return script(memories, lines)


@dataclass(frozen=True, kw_only=True)
class Build:
    """One build that was measured."""

    seconds: float
    cpu_seconds: float
    """Of the server's processes together."""
    peak_mib: float
    index_mib: float
    spilled_after: int | None
    """Rows that the graph held when it had to go on on disk; none where it fitted."""
    ended: bool
    """By the time-out: the index is not there."""


@dataclass(kw_only=True)
class Yard:
    """Where contenders build, and what was seen of each build."""

    memories: Memories
    rows: int
    builds: dict[str, list[Build]] = field(default_factory=dict)

    def psql(self, name: str, text: str) -> Contender:
        """A contender that is a psql script."""
        return self.contender(name, lambda: self.memories.server.psql(text))

    def contender(self, name: str, work: Work) -> Contender:
        """A contender that begins without the index."""
        prepare = self.memories.drop_index
        return Contender(name=name, prepare=prepare, run=lambda: self._watched(name, work))

    def race(
        self, title: str, contenders: Sequence[Contender], rounds: int, announce: Announce
    ) -> None:
        """Let contenders build in turns."""
        race(Suite(title=title, contenders=tuple(contenders), warm_up=False), rounds, announce)

    def seconds(self, name: str) -> Spread:
        """How long a contender's builds took."""
        return Spread.of([build.seconds for build in self.builds[name]])

    def ratio(self, name: str, baseline: str) -> Spread:
        """The same against a baseline, round by round."""
        pairs = zip(self.builds[name], self.builds[baseline], strict=True)
        return Spread.of([own.seconds / base.seconds for own, base in pairs])

    def cpu_seconds(self, name: str) -> float:
        """Processor time of a contender's builds, the median."""
        return statistics.median(build.cpu_seconds for build in self.builds[name])

    def row(self, name: str) -> tuple[Cell, ...]:
        """A contender in the table."""
        last = self.builds[name][-1]
        more = "more than " if last.ended else ""
        fitted = "yes" if last.spilled_after is None else f"no, {last.spilled_after:,} rows"
        seconds = f"{more}{written(self.seconds(name), 1)}"
        cpu = self.cpu_seconds(name)
        mebibytes = (round(last.peak_mib), fitted, round(last.index_mib))
        return (name, seconds, round(cpu, 1), *mebibytes)

    def _watched(self, name: str, work: Work) -> None:
        process = self.memories.server.process
        ended, begun, said = False, time.perf_counter(), process.log.stat().st_size
        with Usage(process.data) as usage:
            try:
                work()
            except BenchError as error:
                if TIMED_OUT not in str(error):
                    raise
                ended = True
        seconds = time.perf_counter() - begun
        with process.log.open("rb") as log:
            log.seek(said)
            notice = SPILLED.search(log.read().decode(errors="replace"))
        build = Build(
            seconds=seconds,
            cpu_seconds=usage.cpu_seconds,
            peak_mib=usage.peak_mib,
            index_mib=0 if ended else self.memories.mebibytes(self.memories.index_relation),
            spilled_after=int(notice[1]) if notice else None,
            ended=ended,
        )
        self.builds.setdefault(name, []).append(build)


def hnsw(_: Paths, rounds: int, announce: Announce) -> Iterator[Study]:
    """HNSW builds of 50,000 memories: engine, defaults, hand-tuned; vector against halfvec."""
    corpus = Corpus()
    with large_server() as server:
        small = _yard(Memories.create(server, "vector", corpus.dimensions), corpus, SMALL_ROWS)
        best, tried = tuning_study(small, rounds, announce)
        yield tried
        yard = _yard(Memories.create(server, "vector", corpus.dimensions), corpus, ROWS, announce)
        yield build_study(yard, best, rounds, announce)
        questions = questions_about(corpus, ROWS, {None: QUERIES})[None]
        of_vector = type_row(yard, questions)
        half = _yard(Memories.create(server, "halfvec", corpus.dimensions), corpus, ROWS, announce)
        half.race("halfvec", [half.contender(ENGINE, half.memories.apply)], rounds, announce)
        yield type_study([of_vector, type_row(half, questions)], corpus.dimensions)


def tuning_study(yard: Yard, rounds: int, announce: Announce) -> tuple[Tuning, Study]:
    """Ways to tune by hand, and the fastest of them."""
    fewest, most = cores() - 1, cores() + 1
    fitting = max(yard.memories.estimate().memory_mib + SPARE_MIB, MIB_A_PROCESS * (most + 1))
    tunings = [
        *(Tuning(workers=workers, memory_mib=fitting) for workers in range(most + 1)),
        Tuning(workers=fewest, memory_mib=4 * fitting),
        Tuning(workers=fewest, memory_mib=fitting, of_the_table=True),
    ]
    named = {str(tuning): tuning for tuning in tunings}
    scripts = [yard.psql(name, tuning.script(yard.memories)) for name, tuning in named.items()]
    yard.race(f"tuning by hand, {yard.rows:,} rows", scripts, rounds, announce)
    best = min(named, key=lambda name: yard.seconds(name).median)
    return named[best], Study(
        title=f"CREATE INDEX tuned by hand, {yard.rows:,} x {yard.memories.dimensions} vector",
        headers=HEADERS,
        rows=tuple(yard.row(name) for name in named),
        notes=(f"{cores()} cores, {rounds} rounds; the fastest, {best}, builds the large table",),
    )


def build_study(yard: Yard, best: Tuning, rounds: int, announce: Announce) -> Study:
    """The engine against the server's defaults, and against the best tuning by hand."""
    memories, estimate = yard.memories, yard.memories.estimate()
    tuned = replace(best, memory_mib=estimate.memory_mib + SPARE_MIB)
    concurrent = replace(tuned, concurrently=True, of_the_table=False)
    contenders = [
        yard.psql(DEFAULTS, script(memories, [create_index(memories)])),
        yard.psql(TUNED, tuned.script(memories)),
        yard.psql(TUNED_CONCURRENTLY, concurrent.script(memories)),
        yard.contender(ENGINE, memories.apply),
    ]
    yard.race(f"HNSW build, {yard.rows:,} rows", contenders, rounds, announce)
    ratios = {name: yard.ratio(ENGINE, name) for name in (DEFAULTS, TUNED, TUNED_CONCURRENTLY)}
    return Study(
        title=f"HNSW build, {yard.rows:,} x {memories.dimensions} {memories.column_type}",
        headers=(*HEADERS, "engine takes"),
        rows=tuple((*yard.row(one.name), _share(one.name, ratios)) for one in contenders),
        notes=(
            f"{cores()} cores, {rounds} rounds; {SKU}, whose"
            f" maintenance_work_mem is {_server_mib(memories)} MiB; hand-tuned: {tuned}",
            *_verdicts(yard, ratios),
            *_judged(yard, estimate),
        ),
    )


def type_row(yard: Yard, questions: Questions) -> tuple[Cell, ...]:
    """Sizes, time and recall of one column type, with the engine's index."""
    memories, last = yard.memories, yard.builds[ENGINE][-1]
    memories.apply()  # for the case that the last contender to build was ended
    recalls = (ask(memories, questions, {"hnsw.ef_search": str(ef)}).recall for ef in EF_SEARCH)
    return (
        memories.column_type,
        round(memories.mebibytes(memories.relation)),
        round(last.index_mib),
        written(yard.seconds(ENGINE), 1),
        round(last.peak_mib),
        *(round(recall, 3) for recall in recalls),
    )


def type_study(rows: Sequence[tuple[Cell, ...]], dimensions: int) -> Study:
    """Vector against halfvec."""
    recalls = (f"recall@10, ef_search {ef}" for ef in EF_SEARCH)
    return Study(
        title=f"vector against halfvec, {ROWS:,} x {dimensions}",
        headers=("type", "table MiB", "index MiB", "build s", "memory MiB", *recalls),
        rows=tuple(rows),
        notes=(f"recall of {QUERIES} queries, against the exact neighbours in full precision",),
    )


def create_index(memories: Memories, *, concurrently: bool = False) -> str:
    """The statement that the engine's plan has, too."""
    index = memories.index
    if not isinstance(index, Hnsw):
        raise BenchError(f"{memories.index_relation} is {index}; this measures HNSW indexes")
    name, how = memories.index.name_in(memories.table.name), "CONCURRENTLY " * concurrently
    operators = f"public.{memories.column_type}_{index.distance}_ops"
    return (
        f"CREATE INDEX {how}{name} ON {memories.relation} USING hnsw ({index.column} {operators})"
        f" WITH (m = {index.m}, ef_construction = {index.ef_construction})"
    )


def script(memories: Memories, statements: Sequence[str]) -> str:
    """Statements for psql, as the owner of the table, with an end to patience."""
    first = (
        f"SET ROLE {memories.desired.owner}",
        f"SET statement_timeout = '{TIME_OUT_MINUTES}min'",
    )
    return "".join(f"{statement};\n" for statement in (*first, *statements))


def written(spread: Spread, digits: int) -> str:
    """The median with lowest and highest."""
    low, high = (f"{value:.{digits}f}" for value in (spread.lowest, spread.highest))
    return f"{spread.median:.{digits}f} ({low} to {high})"


def _yard(
    memories: Memories, corpus: Corpus, rows: int, announce: Announce = lambda _: None
) -> Yard:
    memories.load(corpus, rows, announce)
    return Yard(memories=memories, rows=rows)


def _server_mib(memories: Memories) -> int:
    return int(memories.server.process.started_with["maintenance_work_mem"]) // 1024


def _share(name: str, ratios: Mapping[str, Spread]) -> str:
    return f"{written(ratios[name], 2)} of it" if name in ratios else ""


def _verdicts(yard: Yard, ratios: Mapping[str, Spread]) -> Iterator[str]:
    """Goals are about wall time; processor time shows what a busy machine hides."""
    for baseline, goal in GOALS.items():
        ratio = ratios[baseline].median
        met = "met" if ratio <= goal else "missed"
        cpu = yard.cpu_seconds(ENGINE) / max(yard.cpu_seconds(baseline), 1 / TICKS)
        yield (
            f"goal: at most {goal:g} x {baseline}: {met}, {ratio:.2f};"
            f" of its processor time {cpu:.2f}"
        )


def _judged(yard: Yard, estimate: Cost) -> Iterator[str]:
    """The plan's estimate beside what was measured."""
    seconds, processes = yard.seconds(ENGINE).median, cores()
    cpu = yard.cpu_seconds(ENGINE)
    yield (
        f"estimate: {estimate.minutes * 60:.0f} s on one core; measured: {seconds:.0f} s, in which"
        f" the server's {processes} processes used {cpu:.0f} s"
    )
    spilled = yard.builds[DEFAULTS][-1].spilled_after
    if spilled:
        bytes_a_row = _server_mib(yard.memories) * 2**20 / spilled
        yield (
            f"estimate: {estimate.memory_mib:,} MiB; measured: {bytes_a_row:,.0f} B a row until"
            f" the defaults' memory was full, so {bytes_a_row * yard.rows / 2**20:,.0f} MiB"
        )
