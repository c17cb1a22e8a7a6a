"""What workflows and activities tell each other: plain data without contents or secrets.

Temporal keeps all of it, and a workflow that is under way is replayed from it by newer code: a
field may be added with a default, and none may be renamed or removed.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Self

SLOTS = 2
"""Activities of one worker at a time: while one encrypts, the other waits for the server."""
MOST_SHARDS = 1000
"""More are no faster, and a server refuses 2,000 activities of one workflow at a time."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """Rows by their primary key, as text: those beyond ``after``, up to and with ``until``."""

    after: list[str] | None = None
    """None: from the first row."""
    until: list[str] | None = None
    """None: to the last, and to those that are added meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How far a span has come; the heartbeat of its activity."""

    cursor: list[str] | None = None
    """Key of the last row that was seen to."""
    rows: int = 0
    """Rows that were written."""


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How the work is divided."""

    shards: int = 16
    """Spans of keys: some times as many as there are workers' slots, so that all end together."""
    shards_a_run: int = 250
    """A run of a workflow ends after as many, and continues as a new one with a short history."""
    batch_rows: int = 64
    heartbeat_seconds: float = 20.0
    """A worker that is silent for so long is taken for dead, and its span given to another."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A table, and where it is."""

    tenant: str = "*"
    """``*``: the rows of all."""
    database: str | None = None
    """None: the one that the workers' environment names."""

    schema: str = "memory"
    table: str = "zep_memory_vectors"
    column: str = "embedding"
    content: str = "content"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """One activity's share of a table."""

    place: Place
    span: Span = Span()


@dataclass(frozen=True, kw_only=True)
class Share:
    """What a pass over the table has still to do, and what it has done: it outlives a run."""

    shards: list[Shard] = field(default_factory=list)
    """Those that are left."""
    total: int = 0
    """Of the whole pass."""
    rows: int = 0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a workflow answers when it is asked how far it is."""

    phase: str
    shards_done: int = 0
    shards: int = 0
    rows: int = 0
    """Written in shards that are done; those under way tell theirs in their heartbeats."""

    @classmethod
    def of(cls, phase: str, share: Share) -> Self:
        """The progress at the beginning of a phase, or of a run in the middle of one."""
        done = share.total - len(share.shards)
        return cls(phase=phase, shards_done=done, shards=share.total, rows=share.rows)

    def plus(self, rows: int) -> Self:
        """One shard more."""
        return replace(self, shards_done=self.shards_done + 1, rows=self.rows + rows)


@dataclass(frozen=True, kw_only=True)
class RotationState:
    """What a rotation carries from one run to the next."""

    share: Share
    passes: int = 0
    rows: int = 0
    left: int = 0
    """Rows under other keys, when they were last counted."""
    server_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class RotationOptions:
    """How keys are rotated."""

    pace: Pace = Pace()
    server_key: str | None = None
    """URI, without a version, of the key of the server's disks, which gets a new version first;
    None leaves that to its rotation policy in the vault."""
    reload_seconds: float = 600.0
    """Until every service knows a new key: twice the refresh of the secret's file, and more."""
    grace_hours: float = 24.0
    """Between the last row under an old key and the end of that key."""
    state: RotationState | None = None
    """Not for who starts one: what a run hands on to the next."""


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """What a rotation has done."""

    key_id: str
    rows: int
    passes: int
    retired: list[str]
    server_key: str | None
    """Version of the server's own key, where the workflow changed it."""


@dataclass(frozen=True, kw_only=True)
class Reembedding:
    """What a re-embedding is to reach; the endpoint and its key are the workers' own."""

    goal: dict[str, Any]
    """``to``, ``source``, ``model`` and ``shorten``; the index is like the old one."""
    place: Place = Place()
    pace: Pace = Pace()
    price_per_million: float | None = None
    max_cost: float | None = None
    min_recall: float = 0.95
    queries: int = 50
    share: Share | None = None
    """Not for who starts one: what a run hands on to the next."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a re-embedding found when it began."""

    goal: dict[str, Any]
    """With the index: as the ledger of the operation keeps it."""
    shards: list[Shard]


@dataclass(frozen=True, kw_only=True)
class Reembedded:
    """What a re-embedding has done; the swap is the operator's."""

    rows: int
    recall: float | None
