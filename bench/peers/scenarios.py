"""The ten scenarios: what is there, what is asked of the tool, what gets in its way."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import psycopg

from bench.errors import BenchError
from bench.peers.child import Child, Ended, wait_until
from bench.peers.ground import POOL_SIZE, Ground
from bench.peers.judge import Seen
from bench.peers.outcome import Outcome, Verdict, outcome
from bench.peers.pgbouncer import PgBouncer
from bench.peers.tools.tool import Command, Tool
from bench.peers.wanted import (
    FLAWED_SCALE_FACTOR,
    RELATION,
    WANTED,
    Release,
)

LIMIT_SECONDS = 40.0
"""For one command of one tool, Java's start included; it then counts as hanging."""
HELD_SECONDS = 6.0
"""How long the long transaction stays in the way once somebody waits for it."""
OVERLAP_SECONDS = 2.0
"""How long two runs at once are kept from ending."""
READ_SECONDS = 3.0
"""The longest that a reader may be held up; `lock_timeout` is 2 s by everybody's advice."""
BEAT_SECONDS = 0.02
WAYS_OUT = ("reembed", "re-embed", "backfill", "new column", "second column", "halfvec")
"""Words of a message that says how to get to another dimension with the data kept."""
LEAKS = """
SELECT array(SELECT name || ' = ' || setting FROM pg_catalog.pg_settings
             WHERE source = 'session' AND setting <> reset_val AND name <> ALL (%s)
             ORDER BY name)
       || array(SELECT 'role = ' || current_user WHERE current_user <> session_user)
       || array(SELECT 'an advisory lock' FROM pg_catalog.pg_locks
                WHERE locktype = 'advisory' AND pid = pg_backend_pid() LIMIT 1)
"""
OF_OUR_OWN = [
    "application_name",
    "client_encoding",
    "DateStyle",
    "TimeZone",
    "standard_conforming_strings",
]
"""Settings that PgBouncer itself hands from client to client."""
READ_ONE = "SELECT id FROM memory.zep_memory_vectors LIMIT 1"
HAS_INDEX = """
SELECT count(*) > 0 FROM pg_catalog.pg_index i
JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
JOIN pg_catalog.pg_am a ON a.oid = c.relam
WHERE i.indrelid = to_regclass(%s) AND a.amname = 'hnsw' AND i.indisvalid
"""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One tool on the ground, and what was kept of its databases."""

    ground: Ground
    tool: Tool
    pgbouncer: PgBouncer | None = None
    newcomer: Tool | None = None
    """Who makes the first apply; another than ``tool`` where roles of the server stand."""
    kept: Mapping[Release, str] = field(default_factory=dict)

    def set_up(self) -> "Stage":
        """Bring the tool's own table and index about, with rows in between; keep both."""
        kept: dict[Release, str] = {}
        self.ground.empty()
        for release in (Release.TABLE, Release.INDEX):
            self.must(release)
            if release is Release.TABLE:
                self.ground.load()
            kept[release] = f"{self.tool.name.lower()}_{release.value}"
            self.ground.keep(kept[release])
            self.ground.copy(kept[release])
        return replace(self, kept=kept)

    def at(self, release: Release) -> Seen:
        """Let the database be as the tool left it at a release, and look at it."""
        self.ground.copy(self.kept[release])
        if self.tool.settles:
            self.must(release)
        seen = self.ground.seen()
        faults = seen.faults(WANTED[release])
        if faults:
            raise BenchError(f"{self.tool.name} at {release.value}: {'; '.join(faults)}")
        return seen

    def must(self, release: Release) -> None:
        """Run the tool where nothing is in its way.  Raises ``BenchError`` where it fails."""
        (ended,) = self.run(self.tool.upgrade(release, self.ground.address()))
        if ended.exit_code != 0:
            raise BenchError(f"{self.tool.name} to {release.value} failed:\n{ended.output}")

    def start(self, command: Command) -> Child:
        """Start a command of the tool."""
        return Child.start(command.arguments, command.environment, command.folder)

    def run(self, *commands: Command | None) -> list[Ended]:
        """Run commands one after the other; the first that fails is the last."""
        ends: list[Ended] = []
        for command in filter(None, commands):
            ends.append(self.end(self.start(command)))
            if ends[-1].exit_code != 0:
                break
        return ends

    def end(self, child: Child) -> Ended:
        """Wait for a command, and clear away what a late one holds."""
        ended = child.ended(LIMIT_SECONDS, self.ground.waits)
        if ended.exit_code is None:
            self.ground.end_others()
        return ended

    def upgrade(self, release: Release, *, look: bool = False) -> list[Ended]:
        """Run the tool, and let it look for drift if it can."""
        address = self.ground.address()
        search = self.tool.look(address) if look else None
        return self.run(self.tool.upgrade(release, address), search)


def nothing_to_do(stage: Stage) -> Outcome:
    """Run where all is as wanted; nothing may be built again."""
    before = stage.at(Release.INDEX)
    runs = stage.upgrade(Release.INDEX, look=True)
    after = stage.ground.seen()
    found = outcome(runs, before, after, WANTED[Release.INDEX])
    if found.verdict is Verdict.RIGHT and before != after:
        return Outcome(verdict=Verdict.COSTLY, detail="something was built again")
    return found


def first_apply(stage: Stage) -> Outcome:
    """Run on an empty database."""
    stage.ground.empty()
    before = stage.ground.seen()
    tool = stage.newcomer or stage.tool
    runs = stage.run(tool.upgrade(Release.INDEX, stage.ground.address()))
    return outcome(runs, before, stage.ground.seen(), replace(WANTED[Release.INDEX], rows=0))


def interrupted_build(stage: Stage) -> Outcome:
    """Kill the tool in the middle of its concurrent build, end its sessions, and run it again."""
    stage.at(Release.TABLE)
    ground = stage.ground
    with ground.writer():
        child = stage.start(stage.tool.upgrade(Release.INDEX, ground.address()))
        wait_until(lambda: ground.building() or not child.running, LIMIT_SECONDS)
        child.ended(0)
        ground.end_others()
    before = ground.seen()
    if all(index.usable for index in before.indexes.values()):
        raise BenchError(f"{stage.tool.name}: the build was not interrupted")
    runs = stage.upgrade(Release.INDEX)
    return outcome(runs, before, ground.seen(), WANTED[Release.INDEX])


def competing_runner(stage: Stage) -> Outcome:
    """Start two runs at once, and let neither end before both are at work."""
    before = stage.at(Release.TABLE)
    ground = stage.ground
    command = stage.tool.upgrade(Release.INDEX, ground.address())
    with ground.writer():
        children = [stage.start(command) for _ in range(2)]
        wait_until(ground.building, LIMIT_SECONDS)
        time.sleep(OVERLAP_SECONDS)
    runs = [stage.end(child) for child in children]
    return outcome(runs, before, ground.seen(), WANTED[Release.INDEX])


def long_transaction(stage: Stage) -> Outcome:
    """Add a column and an index while a transaction that has read the table sits idle."""
    before = stage.at(Release.INDEX)
    ground = stage.ground
    with longest_read(ground) as longest:
        with ground.reader():
            child = stage.start(stage.tool.upgrade(Release.GROWN, ground.address()))
            wait_until(lambda: ground.somebody_waits() or not child.running, LIMIT_SECONDS)
            wait_until(lambda: not child.running, HELD_SECONDS)
        runs = [stage.end(child)]
    found = outcome(runs, before, ground.seen(), WANTED[Release.GROWN])
    words = f"readers waited up to {max(longest):.1f} s"
    if found.verdict is Verdict.RIGHT and max(longest) > READ_SECONDS:
        return Outcome(verdict=Verdict.COSTLY, detail=words)
    return replace(found, detail="; ".join(filter(None, [words, found.detail])))


def invalid_leftover(stage: Stage) -> Outcome:
    """Run where the index is there by name, and INVALID."""
    stage.at(Release.INDEX)
    stage.ground.leave_invalid()
    return _mended(stage)


def drifted_option(stage: Stage) -> Outcome:
    """Run where somebody has changed a storage parameter of the table by hand."""
    stage.at(Release.INDEX)
    stage.ground.alter(
        f"ALTER TABLE {RELATION} SET (autovacuum_vacuum_scale_factor = {FLAWED_SCALE_FACTOR})"
    )
    return _mended(stage)


def changed_links(stage: Stage) -> Outcome:
    """Change m from 16 to 24; there shall be a usable index at every moment."""
    before = stage.at(Release.INDEX)
    with longest_gap(stage.ground) as gaps:
        runs = stage.upgrade(Release.MORE_LINKS)
    found = outcome(runs, before, stage.ground.seen(), WANTED[Release.MORE_LINKS])
    if found.verdict is Verdict.RIGHT and max(gaps) > 0:
        return Outcome(verdict=Verdict.COSTLY, detail=f"no index for {max(gaps):.1f} s")
    return found


def more_dimensions(stage: Stage) -> Outcome:
    """Change 256 dimensions to 384 of stored vectors: a refusal is right if it says a way out."""
    before = stage.at(Release.INDEX)
    runs = stage.upgrade(Release.MORE_DIMENSIONS)
    found = outcome(runs, before, stage.ground.seen(), WANTED[Release.MORE_DIMENSIONS])
    if found.verdict is not Verdict.REFUSES:
        return found
    helped = any(word in run.output.lower() for run in runs for word in WAYS_OUT)
    words = "says a way out" if helped else "says no way out"
    return replace(found, counts=helped, detail=f"{words}: {found.detail}")


def pooler_port(stage: Stage) -> Outcome:
    """Build the index through PgBouncer in transaction mode; nothing may stay with the next."""
    before = stage.at(Release.TABLE)
    if stage.pgbouncer is None:
        raise BenchError("no PgBouncer")
    ground = stage.ground
    with ground.pooler(stage.pgbouncer) as port:
        runs = stage.run(stage.tool.upgrade(Release.INDEX, ground.address(port=port)))
        leaks = leaked(ground, port)
    found = outcome(runs, before, ground.seen(), WANTED[Release.INDEX])
    if found.verdict is Verdict.RIGHT and leaks:
        return Outcome(verdict=Verdict.COSTLY, detail=f"the next client gets {'; '.join(leaks)}")
    if found.verdict is Verdict.REFUSES and not leaks:
        return replace(found, counts=True)
    return found


Play = Callable[[Stage], Outcome]
SCENARIOS: Mapping[str, Play] = {
    "no-op": nothing_to_do,
    "first apply": first_apply,
    "interrupted concurrent build": interrupted_build,
    "competing runner": competing_runner,
    "long transaction in the way": long_transaction,
    "invalid leftover": invalid_leftover,
    "drifted option": drifted_option,
    "changed m": changed_links,
    "dimension change": more_dimensions,
    "pooler port": pooler_port,
}


def _mended(stage: Stage) -> Outcome:
    """Run on a database that was damaged, and look whether it is whole again."""
    damaged = stage.ground.seen()
    if not damaged.faults(WANTED[Release.INDEX]):
        raise BenchError("the damage was not done")
    runs = stage.upgrade(Release.INDEX, look=True)
    return outcome(runs, damaged, stage.ground.seen(), WANTED[Release.INDEX])


def leaked(ground: Ground, port: int) -> Sequence[str]:
    """Return what a new client finds set on any of the pooler's connections to the server."""
    clients = [ground.connect(port=port) for _ in range(POOL_SIZE)]
    found: set[str] = set()
    for client in clients:  # each takes a connection of its own, as its transaction stays open
        client.execute("BEGIN")
        row = client.execute(LEAKS, (OF_OUR_OWN,)).fetchone()
        found.update(row[0] if row else ())
    for client in clients:
        client.close()
    return sorted(found)


@contextmanager
def longest_read(ground: Ground) -> Iterator[list[float]]:
    """Read one row again and again; yield how long each time took, the longest so far last."""

    def read(session: psycopg.Connection[object], longest: list[float]) -> None:
        began = time.monotonic()
        session.execute(READ_ONE)
        longest.append(time.monotonic() - began)

    with _beating(ground, read) as longest:
        yield longest


@contextmanager
def longest_gap(ground: Ground) -> Iterator[list[float]]:
    """Ask again and again for a usable HNSW index; yield how long there was none."""
    since: list[float] = []

    def ask(session: psycopg.Connection[object], gaps: list[float]) -> None:
        row = session.execute(HAS_INDEX, (RELATION,)).fetchone()
        if row == (True,):
            since.clear()
        else:
            since.append(time.monotonic())
            gaps.append(since[-1] - since[0] + BEAT_SECONDS)

    with _beating(ground, ask) as gaps:
        yield gaps


@contextmanager
def _beating(
    ground: Ground, beat: Callable[[psycopg.Connection[object], list[float]], None]
) -> Iterator[list[float]]:
    """Do something many times a second beside what happens here."""
    stop, measured = threading.Event(), [0.0]

    def work() -> None:
        with ground.connect() as session:
            ground.as_owner(session)
            while not stop.wait(BEAT_SECONDS):
                beat(session, measured)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield measured
    finally:
        stop.set()
        thread.join(LIMIT_SECONDS)
