"""``python -m memory schema …``: the engine for people without Pulumi at hand."""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import psycopg
from pydantic import ValidationError

from memory.schema import console, render
from memory.schema.connection import Endpoint, from_environment
from memory.schema.errors import SchemaError
from memory.schema.estimate import Machine
from memory.schema.events import Patience
from memory.schema.explain import explain
from memory.schema.interruption import interruptible
from memory.schema.model import DesiredSchema, mistakes
from memory.schema.passwords import Passwords, read_passwords
from memory.schema.plan import plan
from memory.schema.preflight import refuse_impossible
from memory.schema.run import Run
from memory.schema.runner import open_run
from memory.schema.steps import Cost, Plan
from memory.schema.verify import verify
from memory.schema.wanted import Wish, add_desired, add_sources, desired_of, place, text_of, wishes

CONNECTION = (
    "The connection comes from libpq's environment: PGHOST, PGDATABASE, PGUSER, PGPASSWORD, and"
    " PGHOSTADDR, PGPORT, PGSSLROOTCERT where needed. TLS is always verified in full."
)
CODES = (
    "Exit codes: 0 all is well; 1 a check failed, or the question was answered with no; 2 an error,"
    " which says what to do; 130 stopped by SIGINT or SIGTERM, and the next run goes on from there."
)
EPILOG = f"{CONNECTION} {CODES}"
STOPPED = 130
"""What a shell says of a program that SIGINT ended."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``schema`` and its commands to a parser."""
    schema = commands.add_parser("schema", help="the database schema")
    verbs = schema.add_subparsers(dest="verb", required=True)
    planning = verbs.add_parser("plan", help="show what would be done", epilog=EPILOG)
    planning.add_argument(
        "--format", choices=("table", "sql", "json"), default="table", help="default: table"
    )
    planning.set_defaults(run=_plan, command=run)
    applying = verbs.add_parser(
        "apply", help="show what is to be done, ask, and do it", epilog=EPILOG
    )
    _add_applying(applying)
    explaining = verbs.add_parser(
        "explain", help="the plan in prose: locks, costs, kills and ways back", epilog=EPILOG
    )
    explaining.set_defaults(run=_explain, command=run)
    verifying = verbs.add_parser("verify", help="prove a live schema", epilog=EPILOG)
    verifying.set_defaults(run=_verify, command=run)
    for verb in (planning, explaining):
        add_sources(verb)
    for verb in (planning, applying, explaining):
        verb.add_argument("--vcores", type=int, help="of the server, for the workers of a build")
        verb.add_argument("--memory-gib", type=float, help="of the server, for a build's memory")
    for verb in (planning, applying, explaining, verifying):
        verb.add_argument("--json", action="store_true", help="machine-readable output")
        add_desired(verb)


def _add_applying(verb: argparse.ArgumentParser) -> None:
    patience = Patience()
    verb.add_argument("--yes", action="store_true", help="do not ask; needed without a terminal")
    verb.add_argument(
        "--passwords-from",
        metavar="FILE",
        help="a JSON object of the roles' passwords by purpose, such as"
        ' {"migrator": "…", "app": "…", "reader": "…"}; - is standard input. A role that exists'
        " keeps its password where none is given",
    )
    verb.add_argument(
        "--lock-timeout-ms",
        type=_milliseconds,
        default=patience.lock_timeout_ms,
        help="how long one try of a short change waits for its lock, default: %(default)s",
    )
    verb.add_argument(
        "--retry-seconds",
        type=float,
        default=patience.retry_seconds,
        help="how long such a change is tried again, default: %(default)s",
    )
    verb.add_argument(
        "--wait-seconds",
        type=float,
        default=patience.runner_seconds,
        help="how long to wait for another run to end, default: %(default)s",
    )
    verb.set_defaults(run=_apply, command=run)


def _milliseconds(text: str) -> int:
    """At least one: 0 is PostgreSQL's word for no limit, and everybody would queue behind it."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is a whole number from 1 on")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen command and return its exit code, as ``CODES`` has them."""
    try:
        with interruptible():
            return int(arguments.run(arguments))
    except ValidationError as error:
        text = "\n".join(mistakes(error))
    except (SchemaError, OSError) as error:
        text = str(error)
    except psycopg.Error as error:
        text = f"{error.diag.message_primary or str(error).strip()} ({error.sqlstate or 'no code'})"
    except KeyboardInterrupt as interrupt:
        text = str(interrupt) or "stopped; nothing is left running on the server"
        _say_error("stopped", text, arguments)
        return STOPPED
    _say_error("error", text, arguments)
    return 2


def _say_error(name: str, text: str, arguments: argparse.Namespace) -> None:
    if arguments.verb == "apply" and arguments.json:
        console.write_json(console.as_event(name, text=text), indent=None)
    else:
        sys.stderr.write(f"{text}\n")


def _planned(arguments: argparse.Namespace) -> Iterator[tuple[Wish, Plan]]:
    for wish in wishes(arguments):
        todo = plan(wish.catalog, wish.desired)
        refuse_impossible(todo.steps, _machine(arguments))
        yield wish, todo


def _plan(arguments: argparse.Namespace) -> int:
    planned = list(_planned(arguments))
    if arguments.json or arguments.format == "json":
        data = [{"schema": wish.title, **render.as_data(todo)} for wish, todo in planned]
        console.write_json(data if arguments.state else render.as_data(planned[0][1]))
        return 0
    for wish, todo in planned:
        if arguments.state:
            sys.stdout.write(f"-- {wish.title}\n")
        _show(todo, arguments.format)
    return 0


def _show(todo: Plan, form: str = "table") -> None:
    if form == "sql":
        sys.stdout.write(render.as_sql(todo))
    elif sys.stdout.isatty():
        from memory.schema import terminal  # noqa: PLC0415 - rich, which a log does without

        terminal.show_table(todo)
    else:
        sys.stdout.write(render.as_table(todo))


def _explain(arguments: argparse.Namespace) -> int:
    planned = list(_planned(arguments))
    if arguments.json:
        console.write_json([{"schema": w.title, "text": explain(todo)} for w, todo in planned])
        return 0
    for wish, todo in planned:
        sys.stdout.write(f"{wish.title}\n\n{explain(todo)}")
    return 0


def _apply(arguments: argparse.Namespace) -> int:
    """Hold the runner's lock from the plan that is shown to its end: they are the same plan."""
    desired, endpoint = desired_of(arguments), from_environment()
    passwords = _passwords(arguments)
    patience = Patience(
        lock_timeout_ms=arguments.lock_timeout_ms,
        retry_seconds=arguments.retry_seconds,
        runner_seconds=arguments.wait_seconds,
    )
    with (
        console.shown(as_json=arguments.json) as report,
        open_run(
            endpoint,
            passwords=passwords,
            report=report,
            patience=patience,
            machine=_machine(arguments),
        ) as opened,
    ):
        return _shown_and_applied(opened, desired, arguments)


def _shown_and_applied(opened: Run, desired: DesiredSchema, arguments: argparse.Namespace) -> int:
    seen = opened.look(desired)
    _show_first(seen[1], arguments)
    while seen[1].steps and not arguments.yes:
        if not _agreed(seen[1], opened.endpoint):
            return 1
        # Somebody may have thought for hours.
        agreed, seen = seen[1], opened.look(desired)
        if _same(agreed, seen[1]):
            break
        _say_changed(arguments)
        _show_first(seen[1], arguments)
    started = time.monotonic()
    applied = opened.to(desired, seen)
    _say_done(len(applied.plan.steps), time.monotonic() - started, arguments)
    return 0


def _show_first(todo: Plan, arguments: argparse.Namespace) -> None:
    if arguments.json:
        console.write_json(console.as_event("plan", **render.as_data(todo)), indent=None)
    else:
        _show(todo)


def _say_changed(arguments: argparse.Namespace) -> None:
    if not arguments.json:
        sys.stdout.write("the database has changed meanwhile; this is the plan now\n")


def _same(one: Plan, other: Plan) -> bool:
    """Whether they do the same; rows are estimates, which move by themselves."""
    return [replace(s, cost=Cost()) for s in one.steps] == [
        replace(s, cost=Cost()) for s in other.steps
    ]


def _agreed(todo: Plan, endpoint: Endpoint) -> bool:
    if not console.is_terminal():
        raise SchemaError("nothing was done: there is no terminal to ask on; look, then say --yes")
    lost = sum(step.destructive for step in todo.steps)
    warning = f", {lost} of which lose data" if lost else ""
    question = f"Run these {len(todo.steps)} steps{warning} on {place(endpoint)}? [y/N] "
    try:
        return input(question).strip().lower() in {"y", "yes"}
    except EOFError:  # Ctrl-D leaves the cursor behind the question
        sys.stdout.write("\n")
        return False


def _say_done(steps: int, seconds: float, arguments: argparse.Namespace) -> None:
    if arguments.json:
        event = console.as_event("done", steps=steps, seconds=round(seconds, 3))
        console.write_json(event, indent=None)
    elif steps:
        sys.stdout.write(f"done: {steps} steps in {seconds:.1f} s\n")


def _verify(arguments: argparse.Namespace) -> int:
    report = verify(from_environment(), desired_of(arguments))
    if arguments.json:
        console.write_json(report.as_data())
    else:
        sys.stdout.write(report.as_text())
    return 0 if report.ok else 1


def _passwords(arguments: argparse.Namespace) -> Passwords:
    source = arguments.passwords_from
    return read_passwords(text_of(source), source) if source else {}


def _machine(arguments: argparse.Namespace) -> Machine:
    return Machine(vcores=arguments.vcores, memory_gib=arguments.memory_gib)
