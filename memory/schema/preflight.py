"""Before a build: what the session may take of the server, and what that means for the build.

Workers: pgvector asks ``plan_create_index_workers`` first, and builds on one core when that says
0.  It does so for every table whose main fork is below ``min_parallel_table_scan_size``, and wide
vectors are stored beside it, as TOAST: 50,000 rows of 1536 dimensions look like a few MB.  Once it
says 1 or more, pgvector takes all of ``max_parallel_maintenance_workers``.  It also says 0 when
``maintenance_work_mem`` leaves less than 32 MB to each process.  The leader works as well.

Memory: with workers the whole of ``maintenance_work_mem`` is reserved as shared memory when the
build starts, needed or not; hence what the graph needs and a margin, not all that there is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from memory.schema.connection import Session
from memory.schema.errors import PlanRefused
from memory.schema.estimate import BuildCost, Machine, session_memory_kib
from memory.schema.steps import Cost, Step

LIMITS = """
SELECT current_setting('max_worker_processes')::int,
       current_setting('max_parallel_workers')::int,
       current_setting('max_parallel_maintenance_workers')::int,
       (SELECT setting::bigint FROM pg_settings WHERE name = 'maintenance_work_mem'),
       (SELECT setting::bigint * 8 FROM pg_settings WHERE name = 'shared_buffers')
"""
MARGIN = 1.1
"""The number of rows is an estimate."""
OVERHEAD_MIB = 8
"""pgvector keeps 4 MiB of ``maintenance_work_mem`` for other things than the graph."""
MIB_A_PROCESS = 32
"""Below, PostgreSQL gives a build no worker."""
FEW_CORES, SPARED_CORES = 2, 1
"""Of more cores than two, one is left to the queries of the day.  With two, sparing one would
double a build of hours; the system shares them out between both."""
WORTH_WORKERS_MINUTES = 0.02
"""A build of a second is over before its workers have started."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the server's settings are, before this session changes any."""

    worker_processes: int
    parallel_workers: int
    maintenance_workers: int
    maintenance_work_mem_kib: int
    shared_buffers_kib: int


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What one build gets."""

    memory_kib: int
    workers: int | None
    """Beside the leader; None leaves the build to the server's own rules."""
    parallel_workers: int = 0
    """``max_parallel_workers`` that lets so many start."""

    def settings(self) -> str:
        """The statements that give it to the session."""
        words = [f"SET maintenance_work_mem = {self.memory_kib}"]
        if self.workers is not None:
            words += [
                "SET min_parallel_table_scan_size = 0",
                f"SET max_parallel_maintenance_workers = {self.workers}",
                f"SET max_parallel_workers = {self.parallel_workers}",
            ]
        return "; ".join(words)


RESET = "; ".join(
    f"RESET {name}"
    for name in (
        "maintenance_work_mem",
        "min_parallel_table_scan_size",
        "max_parallel_maintenance_workers",
        "max_parallel_workers",
    )
)


def read_limits(session: Session) -> Limits:
    """Ask the server."""
    row = session.execute(LIMITS).fetchone()
    if row is None:  # a SELECT without FROM always answers one row
        raise AssertionError("the limits answered no row")
    processes, parallel, maintenance, memory, buffers = row
    return Limits(
        worker_processes=processes,
        parallel_workers=parallel,
        maintenance_workers=maintenance,
        maintenance_work_mem_kib=memory,
        shared_buffers_kib=buffers,
    )


def allowance(cost: Cost, limits: Limits, machine: Machine) -> Allowance:
    """Memory and workers for a build of this cost."""
    workers = _workers(cost, limits, machine)
    needed = int(cost.memory_mib * MARGIN) + OVERHEAD_MIB
    if workers:
        needed = max(needed, MIB_A_PROCESS * (workers + 1))
    return Allowance(
        memory_kib=session_memory_kib(
            needed, limits.maintenance_work_mem_kib, limits.shared_buffers_kib, machine
        ),
        workers=workers,
        parallel_workers=max(limits.parallel_workers, workers or 0),
    )


def _workers(cost: Cost, limits: Limits, machine: Machine) -> int | None:
    if machine.vcores == 1:
        return 0
    if cost.minutes < WORTH_WORKERS_MINUTES:
        return None
    if machine.vcores is None:
        return limits.maintenance_workers
    free = SPARED_CORES if machine.vcores > FEW_CORES else 0
    return min(machine.vcores - 1 - free, limits.worker_processes)


def refuse_impossible(steps: Iterable[Step], machine: Machine) -> None:
    """Raise PlanRefused for a graph that the whole machine could not hold.

    On disk such a build takes days, and its searches would read the disk ever after.
    """
    if machine.memory_gib is None:
        return
    whole = machine.memory_gib * 1024
    reasons = [
        f"{_subject(step)}: the graph needs {step.cost.memory_mib:,} MiB"
        f" ({step.cost.memory_terms}), the machine has {whole:,.0f} MiB in all; "
        + _ways_out(step.cost)
        for step in steps
        if isinstance(step.cost, BuildCost)
        and step.cost.method == "hnsw"
        and step.cost.memory_mib > whole
    ]
    if reasons:
        raise PlanRefused(reasons)


def advice(step: Step, given: Allowance, machine: Machine) -> str | None:
    """What to expect of this build; None where it is not worth a word."""
    cost = step.cost
    processes = 1 + (given.workers or 0)
    given_mib = given.memory_kib // 1024
    fits = cost.memory_mib + OVERHEAD_MIB // 2 <= given_mib
    if fits and cost.minutes < WORTH_WORKERS_MINUTES:
        return None
    text = f"{_subject(step)}: {cost.rows:,} rows, {cost.memory_mib:,} MiB of memory"
    if fits or not isinstance(cost, BuildCost) or cost.method != "hnsw":
        minutes = f"about {max(cost.minutes / processes, 0.1):,.1f} min"
        return f"{text} (it may take {given_mib:,}), {minutes} on {_processes(processes)}"
    share = given_mib / cost.memory_mib
    known = "" if machine.memory_gib else "; the size of the machine is not known"
    return (
        f"{text} needed, and the session may take {given_mib:,}{known}: after about"
        f" {int(cost.rows * share):,} rows the build goes on on disk, many times slower."
        f" Nothing is lost by it, and {_ways_out(cost)}"
    )


def _ways_out(cost: BuildCost) -> str:
    declare = f"declare less ({'; '.join(cost.smaller)}), " if cost.smaller else ""
    return (
        f"the ways out are: {declare}build an ivfflat index, or give the server a larger SKU for"
        " the time of the build"
    )


def _processes(number: int) -> str:
    return "one core" if number == 1 else f"{number} processes"


def _subject(step: Step) -> str:
    """``index <name>`` of a CREATE INDEX."""
    words = step.sql.partition(" ON ")[0].split()
    return f"index {words[-1]}"
