"""``python -m sizing measure`` and ``simulate``: what was predicted beside what is there."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, get_args

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from memory.schema.connection import connect, from_environment
from memory.schema.events import Event, Report
from sizing.errors import SizingError
from sizing.live.compare import RULE, Comparison
from sizing.live.measure import Live
from sizing.live.simulate import Simulation
from sizing.workload import ElementType, Hnsw, Ivfflat, Workload

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - its only name

WITHIN, BEYOND = 0, 1
LONGEST = 100_000
"""Mean bytes of a text that is made up."""
FILE_WIDTH = 140
"""Columns where no terminal says how many there are."""
EPILOG = f"""\
The connection is libpq's: PGHOST, PGDATABASE, PGUSER and PGPASSWORD, optionally PGHOSTADDR, PGPORT
and PGSSLROOTCERT.

Good enough is
{RULE}.

exit codes: 0 within these limits, 1 beyond them, 2 not measured"""


def add_to(subparsers: "Subparsers") -> None:
    """Add both commands; their ``run`` takes the parsed arguments and raises ``SizingError``."""
    measuring = _command(
        subparsers,
        "measure",
        "compare a live database with what is predicted for rows like its own",
        "Counts the rows, looks at the lengths of about 2,000 of them, and changes nothing.  Takes"
        " the memory table or Zep's tables, whichever the database has.",
    )
    measuring.add_argument("--schema", default="memory", help="of the memory table (%(default)s)")
    measuring.add_argument("--zep-schema", default="zep", help="of Zep's tables (%(default)s)")
    measuring.set_defaults(run=measure)
    simulating = _command(
        subparsers,
        "simulate",
        "load synthetic rows into a scratch database, and compare that",
        "Makes a database engram_sizing_… with roles of its own, loads it row by row, lets the"
        " schema engine build the index, measures, and removes it all.  Existing databases are not"
        " touched; the login must be allowed to create databases and roles.",
    )
    _add_shape(simulating)
    simulating.set_defaults(run=simulate)


def _command(
    subparsers: "Subparsers", name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=description,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return parser


def _add_shape(parser: argparse.ArgumentParser) -> None:
    """The workload's fields, with its own defaults."""
    default = Workload(sessions=500, messages_per_session=20, facts=10_000)
    for name, words in (
        ("sessions", "conversations"),
        ("messages-per-session", "Zep's messages of each"),
        ("facts", "rows of the memory table"),
        ("message-bytes", "mean length of a message"),
        ("content-bytes", "mean length of a memory"),
        ("metadata-bytes", "mean length of its metadata as JSON; 0 for none"),
        ("dimensions", "of a vector"),
    ):
        value = getattr(default, name.replace("-", "_"))
        parser.add_argument(
            f"--{name}", type=_whole, default=value, metavar="N", help=f"{words} ({value:,})"
        )
    parser.add_argument(
        "--embeds-messages", action="store_true", help="each message is a memory, too"
    )
    kinds = get_args(ElementType)
    parser.add_argument("--element-type", choices=kinds, default=kinds[0], help="(%(default)s)")
    parser.add_argument("--m", type=_whole, default=16, help="links of HNSW (%(default)s)")
    parser.add_argument("--ef-construction", type=_whole, default=64, help="(%(default)s)")
    parser.add_argument("--lists", type=_whole, help="IVFFlat with so many lists, instead of HNSW")
    parser.add_argument(
        "--index-first", action="store_true", help="insert into the index, do not build it after"
    )


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is a whole number from 0 on")
    return int(text)


def measure(arguments: argparse.Namespace) -> int:
    """Compare what is there."""
    with connect(from_environment()) as session:
        live = Live(session=session, schema=arguments.schema, zep_schema=arguments.zep_schema)
        measured = live.measure()
    if arguments.json:
        data = measured.comparison.as_data()
        _write_json({**data, "rows": measured.rows, "dead_rows": measured.dead})
    else:
        _show(measured.comparison)
        if measured.dead:
            _say(f"{measured.dead:,} dead rows await a vacuum, and are not in the prediction")
    return WITHIN if measured.comparison.within else BEYOND


def simulate(arguments: argparse.Namespace) -> int:
    """Load, compare, remove."""
    workload = _workload(arguments)
    with _progress(quiet=arguments.json) as (say, report):
        comparison = Simulation(
            server=from_environment(),
            workload=workload,
            index_first=arguments.index_first,
            say=say,
            report=report,
        ).run()
    if arguments.json:
        _write_json(comparison.as_data())
    else:
        _show(comparison)
    return WITHIN if comparison.within else BEYOND


def _workload(arguments: argparse.Namespace) -> Workload:
    if arguments.sessions < 1 or arguments.facts < 1:
        raise SizingError("--sessions and --facts: found 0, allowed is 1 or more")
    longest = max(arguments.message_bytes, arguments.content_bytes, arguments.metadata_bytes)
    if longest > LONGEST:
        raise SizingError(f"texts: found {longest:,} bytes, allowed are {LONGEST:,}")
    index: Hnsw | Ivfflat = Hnsw(m=arguments.m, ef_construction=arguments.ef_construction)
    if arguments.lists is not None:
        index = Ivfflat(lists=arguments.lists)
    return Workload(
        sessions=arguments.sessions,
        messages_per_session=arguments.messages_per_session,
        facts=arguments.facts,
        message_bytes=arguments.message_bytes,
        content_bytes=arguments.content_bytes,
        metadata_bytes=arguments.metadata_bytes,
        embeds_messages=arguments.embeds_messages,
        dimensions=arguments.dimensions,
        element_type=arguments.element_type,
        index=index,
    )


@contextmanager
def _progress(*, quiet: bool) -> Iterator[tuple[Callable[[str, int, int], None], Report]]:
    """A bar for each table that is loaded, and the schema engine's words below; on stderr."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=Console(stderr=True), disable=quiet
    ) as bars:
        tasks = {"schema": bars.add_task("schema", total=None)}

        def say(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=total)
            bars.update(tasks[what], completed=done)

        def report(event: Event) -> None:
            bars.update(tasks["schema"], description=event.text[:60])

        yield say, report


def _show(comparison: Comparison) -> None:
    table = Table("kind", "name")
    for heading in ("predicted KiB", "found KiB", "error"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for item in (*comparison.objects, comparison.total):
        table.add_row(
            item.kind,
            item.name,
            f"{item.predicted // 1024:,}",
            f"{item.found // 1024:,}",
            f"{item.error:+.1%}",
            "" if item.within else "beyond the limit",
            end_section=item is comparison.objects[-1],
        )
    _console().print(table)


def _say(text: str) -> None:
    _console().print(text)


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else FILE_WIDTH)


def _write_json(data: object) -> None:
    sys.stdout.write(json.dumps(data, indent=2) + "\n")
