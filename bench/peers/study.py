"""Two tables: who ends right, and how long it takes."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bench.errors import BenchError
from bench.measure import Announce
from bench.peers import pgbouncer
from bench.peers.ground import Ground
from bench.peers.outcome import MEANING, Outcome, shortened
from bench.peers.scenarios import LIMIT_SECONDS, READ_SECONDS, SCENARIOS, Stage
from bench.peers.times import times
from bench.peers.tools.alembic import Alembic
from bench.peers.tools.atlas import Atlas
from bench.peers.tools.engine import Engine
from bench.peers.tools.flyway import Flyway
from bench.peers.tools.tool import Tool
from bench.peers.wanted import DIMENSIONS, ROWS
from bench.study import Study
from local.paths import Paths


def peers(paths: Paths, rounds: int, announce: Announce) -> Iterator[Study]:
    """Ours, Alembic, Flyway and Atlas: who ends right in ten scenarios, and how long it takes."""
    tools: Sequence[Tool] = (Engine("peers"), Alembic(), Flyway(), Atlas())
    newcomer = Engine("peers_first")
    newcomer.make_ready(paths, announce)
    pooler = pgbouncer.find(paths.service_cache)
    with server(announce) as ground:
        stages: list[Stage] = []
        notes: list[str] = []
        for tool in tools:
            stage = Stage(
                ground=ground,
                tool=tool,
                pgbouncer=pooler,
                newcomer=newcomer if isinstance(tool, Engine) else None,
            )
            try:
                notes.append(f"{tool.name}: {tool.make_ready(paths, announce)}")
                announce(f"{tool.name}: its table, its rows, its index")
                stages.append(stage.set_up())
            except BenchError as reason:
                if isinstance(tool, Engine):
                    raise
                notes.append(shortened(f"{tool.name}: {reason}"))
        yield ends(stages, notes, announce)
        yield times(stages, newcomer, rounds, announce)


def ends(
    stages: Sequence[Stage],
    notes: Sequence[str],
    announce: Announce,
    scenarios: Sequence[str] = tuple(SCENARIOS),
) -> Study:
    """Play the scenarios with each tool."""
    rows: list[tuple[str, ...]] = []
    played: dict[str, list[Outcome]] = {stage.tool.name: [] for stage in stages}
    for name in scenarios:
        for stage in stages:
            announce(f"{name}: {stage.tool.name}")
            played[stage.tool.name].append(SCENARIOS[name](stage))
        rows.append((name, *(str(outcomes[-1]) for outcomes in played.values())))
    counts = (f"{sum(o.right for o in each)} of {len(each)}" for each in played.values())
    rows.append(("ends right", *counts))
    return Study(
        title=f"who ends right, {ROWS} rows of {DIMENSIONS} dimensions",
        headers=("scenario", *played),
        rows=tuple(rows),
        notes=(
            *notes,
            "All run as processes of their own against the same server, directly and over verified"
            " TLS; a judge looks at PostgreSQL's catalog with SQL of its own, and compares it with"
            " the exit codes.",
            *(f"{verdict.value}: {meaning}." for verdict, meaning in MEANING.items()),
            "A refusal ends right where nothing better can be done: a dimension change if it says"
            " a way out, the port of a pooler.",
            f"Time limit of one command: {LIMIT_SECONDS:.0f} s; a reader may be held up for"
            f" {READ_SECONDS:.0f} s.",
            "Alembic's and Flyway's own search for drift (check, validate) runs after the upgrade"
            " in no-op, invalid leftover and drifted option, and its exit code counts as theirs.",
            "The peers' migrations are an expert's: what an interrupted build left is dropped"
            " first, the new index is built beside the old one, lock_timeout is 2 s for the short"
            " change.",
            f"Load of this machine at the end: {os.getloadavg()[0]:.1f}.",
        ),
    )


@contextmanager
def server(announce: Announce) -> Iterator[Ground]:
    """Yield a server for all tools; afterwards nothing of it is left."""
    announce("peers: starting the server")
    ground = Ground.create()
    try:
        yield ground
    finally:
        ground.server.process.remove()
