"""Previews and second runs of the real program, against an empty one on the same engine.

The empty program shows what the engine, the language host and the state cost before a line of
ours runs; a third program with our imports alone shows how the rest divides.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from rich.console import Console

from bench.errors import BenchError
from bench.measure import Contender, Suite
from local.cloud.postgres import supervisor
from local.commands import policies as pack
from local.commands.session import STACKS
from local.engine import UNATTENDED, Engine
from local.paths import Paths
from local.toolchain import installer
from local.toolchain.report import Report

EMPTY = "empty program"
IMPORTS = "imports of the program"
PROGRAMS = {
    EMPTY: "",
    IMPORTS: (
        "import gc\n\ngc.disable()\n\n"  # as the program does
        "import stacks.outputs\nimport stacks.platform\nimport stacks.settings\n"
    ),
}
GOAL = 2.5
GOAL_OF_POLICIES = 1.25
PREVIEW = ("preview", "--diff", "--skip-plugin-pre-install")
"""As ``make preview`` runs it, policies left out."""


@contextmanager
def preview(paths: Paths) -> Iterator[Suite]:
    """First previews: nothing stands yet."""
    programs = tuple(_previewed(name, _program(paths, name)) for name in PROGRAMS)
    stacks = tuple(
        _previewed(f"{stack}, first preview", _engine(paths, stack), goal=GOAL) for stack in STACKS
    )
    yield Suite(title="preview", contenders=(*programs, *stacks))


@contextmanager
def up(paths: Paths) -> Iterator[Suite]:
    """Preview of dev once it stands, and an `up` that finds nothing to do."""
    engine = _engine(paths, "dev")
    _succeed(engine, "up", *UNATTENDED)
    _succeed(engine, "up", *UNATTENDED)
    changes = engine.last_changes()
    if set(changes) != {"same"}:
        raise BenchError(f"a second up of dev should change nothing; it did: {changes}")
    standing = _previewed("dev, preview once it stands", engine, goal=GOAL)
    again = Contender(
        name="dev, second up",
        run=_runs(engine, "up", *UNATTENDED),
        against=standing.name,
    )
    yield Suite(title="up", contenders=(_previewed(EMPTY, _program(paths, EMPTY)), standing, again))


@contextmanager
def policies(paths: Paths) -> Iterator[Suite]:
    """First previews with the policy pack, against the same previews without it."""
    contenders = []
    for stack in STACKS:
        engine, bare = _engine(paths, stack), f"{stack}, no policies"
        judged = _runs(engine, *PREVIEW, *pack.flags(stack))
        contenders += [
            Contender(name=bare, run=_runs(engine, *PREVIEW)),
            Contender(name=f"{stack}, policies", run=judged, against=bare, goal=GOAL_OF_POLICIES),
        ]
    yield Suite(title="policies", contenders=tuple(contenders))


def _previewed(name: str, engine: Engine, *, goal: float | None = None) -> Contender:
    against = None if name == EMPTY else EMPTY
    return Contender(name=name, run=_runs(engine, *PREVIEW), against=against, goal=goal)


def _runs(engine: Engine, *arguments: str) -> Callable[[], None]:
    return lambda: _succeed(engine, *arguments)


def _succeed(engine: Engine, *arguments: str) -> None:
    answer = engine.on_stack(*arguments, capture=True)
    if answer.returncode:
        raise BenchError(
            f"`pulumi {' '.join(arguments)}` of {engine.project}/{engine.stack} failed:\n"
            f"{answer.stdout}{answer.stderr}"
        )


def _engine(paths: Paths, stack: str, program: Path | None = None) -> Engine:
    engine = Engine(
        executable=installer.ensure(paths, Report(Console(stderr=True))),
        paths=paths,
        stack=stack,
        program=program,
        extra={**supervisor.start().environment, "PYTHONPATH": str(paths.project)},
    )
    engine.prepare()
    return engine


def _program(paths: Paths, name: str) -> Engine:
    """Write a program into a folder of its own, and return its engine."""
    project = name.replace(" ", "-")
    folder = paths.local / "programs" / project
    folder.mkdir(parents=True, exist_ok=True)
    options = {"toolchain": "pip", "virtualenv": str(paths.venv)}
    description = {"name": project, "runtime": {"name": "python", "options": options}}
    (folder / "Pulumi.yaml").write_text(yaml.safe_dump(description), encoding="utf-8")
    (folder / f"Pulumi.{project}.yaml").write_text("config: {}\n", encoding="utf-8")
    (folder / "__main__.py").write_text(PROGRAMS[name], encoding="utf-8")
    # The backend keeps stacks by project, but their configuration lies in one folder: so the
    # stack is named like the program, and does not get in the way of dev's.
    return _engine(paths, project, folder)
