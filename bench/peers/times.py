"""How long a run takes: with nothing to do, and on an empty database.

Contenders take turns, as in every other suite; what is measured is the whole process.
"""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.resources import files

from bench.errors import BenchError
from bench.figures import Figures, evaluate
from bench.measure import Announce, Contender, Suite, race
from bench.peers.ground import Ground
from bench.peers.scenarios import Stage
from bench.peers.tools.alembic import Alembic
from bench.peers.tools.engine import Engine, desired
from bench.peers.tools.flyway import Flyway
from bench.peers.tools.tool import Command, Tool
from bench.peers.wanted import WANTED, Release
from bench.report import seconds, verdict
from bench.study import Study
from memory.schema.model import Purpose
from memory.schema.passwords import verifier

NO_OP_GOAL = 0.5
FIRST_GOAL = 1.3
PSQL = "psql"
MAVEN = "Maven alone"
HERE = "ours, in the stack's process"


def times(stages: Sequence[Stage], newcomer: Engine, rounds: int, announce: Announce) -> Study:
    """Race the tools, first with nothing to do and then on an empty database."""
    rows = [
        *_rows("no-op", _no_op(stages), rounds, announce),
        *_rows("first apply", _first_apply(stages, newcomer), rounds, announce),
    ]
    return Study(
        title=f"how long it takes, {rounds} rounds in turns",
        headers=("what", "wall s", "CPU s of the client", "against", "ratio", "goal"),
        rows=tuple(rows),
        notes=(
            "Whole processes, start and imports included: median, lowest and highest of the"
            " rounds; a ratio is formed within each round.",
            "ours, in the stack's process: the same in a Python that runs already, as under"
            " `pulumi up`; alone, ours starts Python and imports its libraries, which takes longer"
            " than all that psql does.",
            "first apply: psql and ours also make three roles with passwords, rights and default"
            " privileges; the others make the extension, the table and its indexes.",
            "psql runs the script that an expert writes for the same end"
            " (bench/peers/projects/psql); ours finds nothing to do after it.",
            "no-op: Alembic without `alembic check`, Flyway without `validate`; ours compares the"
            " whole schema, and logs in as each of its three roles.",
            "Maven alone: its start with nothing to do, which is part of Flyway's time here.",
        ),
    )


def _rows(
    what: str, contenders: Sequence[Contender], rounds: int, announce: Announce
) -> list[tuple[str, ...]]:
    suite = Suite(title=what, contenders=tuple(contenders))
    figures = evaluate(suite, race(suite, rounds, announce))
    return [(f"{what}, {row.name}", *_cells(row)) for row in figures]


def _cells(row: Figures) -> tuple[str, ...]:
    found = row.comparison
    against = ("", "", "")
    if found is not None:
        ratio = f"{found.ratio.median:.2f} ({found.ratio.lowest:.2f} to {found.ratio.highest:.2f})"
        against = (found.baseline, ratio, verdict(found))
    return (seconds(row.wall_seconds), seconds(row.cpu_seconds), *against)


def _no_op(stages: Sequence[Stage]) -> list[Contender]:
    """Return who brings a database to where it is already."""
    names = [stage.tool.name for stage in stages]
    found: list[Contender] = []
    for stage in stages:
        ours = isinstance(stage.tool, Engine)
        found.append(
            Contender(
                name=stage.tool.name,
                prepare=_prepared(stage),
                run=_running(stage, stage.tool.upgrade(Release.INDEX, stage.ground.address())),
                against=Alembic.name if ours and Alembic.name in names else None,
                goal=NO_OP_GOAL if ours else None,
            )
        )
        if isinstance(stage.tool, Engine):
            here = replace(found[-1], name=HERE, run=_applying(stage.tool, stage.ground), goal=None)
            found.append(here)
        if isinstance(stage.tool, Flyway):
            found.append(Contender(name=MAVEN, run=_running(stage, stage.tool.nothing())))
    return found


def _first_apply(stages: Sequence[Stage], newcomer: Engine) -> list[Contender]:
    """Return who fills an empty database, ours against psql."""
    ground = stages[0].ground
    roles = [role.name for role in desired(Release.INDEX, newcomer.prefix).roles]
    script = script_of_first_apply(ground, newcomer)
    _prove_equal(ground, newcomer, roles, script)
    found = [
        Contender(
            name=PSQL,
            prepare=lambda: ground.empty(roles),
            run=lambda: ground.server.psql(script),
        )
    ]
    for stage in stages:
        ours = isinstance(stage.tool, Engine)
        tool: Tool = newcomer if ours else stage.tool
        found.append(
            Contender(
                name=tool.name,
                prepare=lambda: ground.empty(roles),
                run=_running(stage, tool.upgrade(Release.INDEX, ground.address())),
                against=PSQL if ours else None,
                goal=FIRST_GOAL if ours else None,
            )
        )
    found.append(
        Contender(
            name=HERE,
            prepare=lambda: ground.empty(roles),
            run=_applying(newcomer, ground),
            against=PSQL,
            goal=FIRST_GOAL,
        )
    )
    return found


def script_of_first_apply(ground: Ground, engine: Engine) -> str:
    """Return the expert's script, with the names and password verifiers of the engine's roles."""
    text = files("bench.peers.projects").joinpath("psql/first_apply.sql").read_text("utf-8")
    passwords: dict[Purpose, str] = engine.passwords
    with ground.connect("postgres") as session:
        for role in desired(Release.INDEX, engine.prefix).roles:
            secret = verifier(session, role.name, passwords[role.purpose])
            text = text.replace(f":{role.purpose}_verifier", f"'{secret}'")
            text = text.replace(f":{role.purpose}", role.name)
    return text


def _prove_equal(ground: Ground, engine: Engine, roles: Sequence[str], script: str) -> None:
    """Raise ``BenchError`` unless the script leaves the judge content, and the engine idle."""
    ground.empty(roles)
    ground.server.psql(script)
    before = ground.seen()
    faults = before.faults(replace(WANTED[Release.INDEX], rows=0))
    text = _output(engine.upgrade(Release.INDEX, ground.address()))
    if faults or before != ground.seen() or "nothing to do" not in text:
        raise BenchError(f"psql and the engine disagree: {'; '.join(faults)}\n{text}")


def _applying(engine: Engine, ground: Ground) -> Callable[[], None]:
    return lambda: engine.apply_here(Release.INDEX, ground.address())


def _prepared(stage: Stage) -> Callable[[], object]:
    return lambda: stage.at(Release.INDEX)


def _running(stage: Stage, command: Command) -> Callable[[], None]:
    def run() -> None:
        (ended,) = stage.run(command)
        if ended.exit_code != 0:
            raise BenchError(f"{stage.tool.name} failed in a race:\n{ended.output}")

    return run


def _output(command: Command) -> str:
    return subprocess.run(
        list(command.arguments),
        cwd=command.folder,
        env=dict(command.environment),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
