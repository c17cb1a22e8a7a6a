"""Whether the servers hold the stated workload, and until when: the settings in sizing's words.

With nodes, the memory table is on them and only Zep's own database on the server.  A customer's
server is not judged: its size is not in the file.
"""

import calendar
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields, replace
from datetime import MAXYEAR, MINYEAR, date

from sizing.catalogue import Sku
from sizing.errors import SizingError
from sizing.predict import predict
from sizing.prediction import Prediction
from sizing.recommend import SERIES, Recommendation, Wish, recommend
from sizing.verdict import Finding, Verdict, judge
from sizing.workload import Hnsw, Ivfflat, Workload
from stacks.settings.budget import shares
from stacks.settings.demand import WorkloadSettings
from stacks.settings.model import HnswSettings, ManagedPostgres, MemorySettings, StackSettings
from stacks.settings.scale_out import ElasticClusterSettings

SERVER, NODES = "postgres", "postgres.elastic_cluster"
"""Where the settings of each size are."""
SIZER = "python tools/postgres-sizer.py"
RESIZER = "python tools/resize.py"
READ_AS_A_WHOLE = 100


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One size of server, what it is to hold, and whether it does."""

    path: str
    """Of its settings."""
    sku: Sku
    storage_gib: int
    storage_tier: str
    workload: Workload
    prediction: Prediction
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class Due:
    """What is outgrown, where, and after how many months of growth."""

    judgement: Judgement
    finding: Finding
    months: int


def workload_of(s: StackSettings) -> Workload:
    """Return the stated workload."""
    memory, load = s.memory, s.workload
    stated = {key: getattr(load, key) for key in WorkloadSettings.model_fields if key != "as_of"}
    return Workload(
        **stated,
        dimensions=memory.dimensions,
        element_type=memory.element_type,
        index=_index(memory),
    )


def judgements(s: StackSettings) -> Iterator[Judgement]:
    """Yield what is judged; nothing of a server whose size its owner knows.

    Raises ``SizingError`` where the workload makes no sense.
    """
    server, workload = s.postgres, workload_of(s)
    if not isinstance(server, ManagedPostgres):
        return
    nodes = server.elastic_cluster
    yield _judged(
        SERVER,
        workload if nodes is None else replace(workload, facts=0, embeds_messages=False),
        sku=server.size,
        storage_gib=server.storage.size_gib,
        storage_tier=server.storage.tier,
        connections=sum(shares(s).values()),
    )
    if nodes is not None:
        yield _judged(
            NODES,
            _of_one_node(workload, nodes),
            sku=nodes.size,
            storage_gib=nodes.storage.size_gib,
            storage_tier=nodes.storage.tier,
            connections=0,  # a rule of the nodes' own counts them
        )


def due_on(s: StackSettings, months: int) -> date | None:
    """Return the day that many months after that of the stated figures; None without one."""
    return None if s.workload.as_of is None else later(s.workload.as_of, months)


def later(day: date, months: int) -> date:
    """Return the same day of a later month, or that month's last; no day is after the year 9999."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    if not MINYEAR <= year <= MAXYEAR:
        return date.max if year > MAXYEAR else date.min
    last = calendar.monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


def first_due(judged: Iterable[Judgement]) -> Due | None:
    """Return what is outgrown first; None if nothing is within ten years."""
    dues = [
        Due(judgement=one, finding=finding, months=finding.due)
        for one in judged
        for finding in one.verdict.findings
        if finding.due is not None
    ]
    return min(dues, key=lambda due: due.months, default=None)


def number(value: float) -> str:
    """Return a figure for a reader: one decimal where it is small."""
    return f"{value:,.0f}" if value >= READ_AS_A_WHOLE else f"{value:.1f}"


def wish_of(s: StackSettings, server: ManagedPostgres) -> Wish:
    """Return what the settings ask of their server, beside holding the workload."""
    return Wish(
        environment=s.environment,
        connections_needed=sum(shares(s).values()),
        high_availability=server.high_availability.mode,
        series=server.size.series or SERIES,
    )


def recommendation(s: StackSettings) -> Recommendation | None:
    """Return what the sizer recommends for a stack's own server and workload, if it can."""
    server = s.postgres
    if not isinstance(server, ManagedPostgres) or s.nodes is not None:
        return None
    try:
        return recommend(workload_of(s), wish_of(s, server))
    except SizingError:  # e.g. a search of so many rows by lists is never fast enough
        return None


def sizer_command(s: StackSettings) -> str:
    """Return the command that sizes this workload and writes the answer into the stack file.

    It makes no server that stands another one: ``resize_command`` does.
    What the file says of the table, and of the server beside its size, the sizer reads there.
    """
    stated = workload_of(s)
    words = [
        _flag(field.name, getattr(stated, field.name))
        for field in fields(Workload)
        if field.name in WorkloadSettings.model_fields
        and getattr(stated, field.name) != field.default
    ]
    return " ".join([SIZER, *words, f"--write-stack Pulumi.{s.environment}.yaml"])


def resize_command(s: StackSettings) -> str:
    """Return the command that gives a server that stands the size for this workload."""
    return f"{RESIZER} apply --stack {s.environment}"


def _flag(name: str, value: object) -> str:
    flag = f"--{name.replace('_', '-')}"
    return flag if value is True else f"{flag} {value}"


def _judged(  # noqa: PLR0913 - a server has that many figures
    path: str,
    workload: Workload,
    *,
    sku: Sku,
    storage_gib: int,
    storage_tier: str,
    connections: int,
) -> Judgement:
    prediction = predict(workload)
    verdict = judge(
        workload,
        prediction,
        sku=sku,
        storage_gib=storage_gib,
        storage_tier=storage_tier,
        connections_needed=connections,
    )
    return Judgement(
        path=path,
        sku=sku,
        storage_gib=storage_gib,
        storage_tier=storage_tier,
        workload=workload,
        prediction=prediction,
        verdict=verdict,
    )


def _of_one_node(workload: Workload, cluster: ElasticClusterSettings) -> Workload:
    """Sessions are spread evenly; messages are counted as if they came along, on the safe side."""
    return replace(
        workload,
        sessions=math.ceil(workload.sessions / cluster.nodes),
        facts=math.ceil(workload.facts / cluster.nodes),
    )


def _index(memory: MemorySettings) -> Hnsw | Ivfflat:
    index = memory.index
    if isinstance(index, HnswSettings):
        return Hnsw(m=index.m, ef_construction=index.ef_construction)
    return Ivfflat(lists=index.lists)
