"""The sizer's command line: a stated workload in, the server it needs out.

What it must know of the stacks (which connections their pods open, how a stack file is written) is
handed in by ``tools/postgres-sizer.py``: this room does not know them.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NoReturn, Protocol, get_args

import yaml
from rich.console import Console
from typing_extensions import override

from sizing.advice import suitable_lists
from sizing.bounds import SERIES as ALL_SERIES
from sizing.bounds import refuse_figures
from sizing.errors import SizingError
from sizing.explain import explain
from sizing.mission import Environment, expected_environment
from sizing.prices import DEFAULT_CURRENCY, DEFAULT_FILE, read_prices
from sizing.recommend import SERIES, HighAvailability, Recommendation, Wish, recommend
from sizing.report import Market, Pools, report
from sizing.table import show
from sizing.workload import ElementType, Hnsw, Ivfflat, Workload

FORMATS = ("table", "yaml", "json")
SUFFIXES = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}
OK, REFUSED, USAGE = 0, 1, 2
FILE_WIDTH = 200

EPILOG = """\
the measured model counts what PostgreSQL and pgvector write; the mission's formula stands beside
it.  Costs come from a file of dated list prices (python -m sizing prices); without one they are
"price unknown".

  python tools/postgres-sizer.py --sessions 10000 --messages-per-session 50 --facts 1000000 \\
    --retention-days 90 --environment prod --output postgres-recommendation.yaml

exit codes: 0 an answer, 1 refused, 2 arguments that cannot be read"""


@dataclass(frozen=True, kw_only=True)
class StackFacts:
    """What a stack's file says about the server beside the workload."""

    connections_needed: int
    high_availability: HighAvailability
    series: str
    region: str
    pools: Pools
    memory: Mapping[str, Any]
    """Its ``dimensions``, ``element_type`` and ``index`` in the workload's words."""


class Stacks(Protocol):
    """What the tool lends to the command; both raise ``SizingError``."""

    def facts(self, environment: Environment, path: Path | None) -> StackFacts:
        """Read a stack file; the environment's tracked one where no path is given."""

    def write(self, path: Path, recommendation: Recommendation, today: date) -> Sequence[str]:
        """Write the recommendation into a stack file; one line for each change."""

    def environment(self, path: Path) -> Environment:
        """Tell whose stack file it is."""


class _Parser(argparse.ArgumentParser):
    """A mistake is one line: the usage of thirty flags would hide it."""

    @override
    def error(self, message: str) -> NoReturn:
        line = " ".join(message.split())
        self.exit(USAGE, f"{self.prog}: {line}; --help tells what is allowed\n")


def parser() -> argparse.ArgumentParser:
    """Return the parser; the reference page is made from it."""
    top = _Parser(
        prog="postgres-sizer.py",
        description="The PostgreSQL server, index, memory, connections and cost for a workload.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_load(top.add_argument_group("the load today"))
    _add_shape(top.add_argument_group("its shape"))
    _add_wish(top.add_argument_group("what is asked of the server"))
    _add_output(top.add_argument_group("the answer"))
    return top


def _add_load(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--sessions", type=int, required=True, help="sessions")
    group.add_argument(
        "--messages-per-session", type=int, required=True, help="of 30 days", metavar="N"
    )
    group.add_argument("--facts", type=int, required=True, help="each with an embedding")
    group.add_argument(
        "--retention-days",
        type=int,
        default=Workload.retention_days,
        metavar="DAYS",
        help="how long messages are kept (default: %(default)s)",
    )
    group.add_argument(
        "--growth-factor",
        type=float,
        default=Workload.growth_factor,
        metavar="X",
        help="how many times today's rows the server is to hold (default: %(default)s)",
    )
    group.add_argument(
        "--growth-per-month",
        type=float,
        default=Workload.growth_per_month,
        metavar="SHARE",
        help="rows that a month adds; 0.05 is 5 %% (default: %(default)s)",
    )


def _add_shape(group: argparse._ArgumentGroup) -> None:
    for name, default, text in (
        ("--message-bytes", Workload.message_bytes, "of a message"),
        ("--content-bytes", Workload.content_bytes, "of a fact"),
        ("--metadata-bytes", Workload.metadata_bytes, "of a fact's metadata; 0 for none"),
    ):
        group.add_argument(
            name, type=int, default=default, metavar="N", help=f"{text} (default: %(default)s)"
        )
    group.add_argument(
        "--embeds-messages", action="store_true", help="each message has an embedding, too"
    )
    group.add_argument("--dimensions", type=int, metavar="N", help="of an embedding")
    group.add_argument("--element-type", choices=get_args(ElementType), help="4 or 2 bytes each")
    group.add_argument("--index", choices=("hnsw", "ivfflat", "none"), help="default: hnsw")
    group.add_argument("--m", type=int, help=f"links of hnsw (default: {Hnsw.m})")
    group.add_argument(
        "--ef-construction",
        type=int,
        metavar="N",
        help=f"candidates of hnsw (default: {Hnsw.ef_construction})",
    )
    group.add_argument("--lists", type=int, metavar="N", help="of ivfflat (default: by the rows)")


def _add_wish(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--environment",
        choices=get_args(Environment),
        help="default: by the load, from the mission's table",
    )
    group.add_argument(
        "--connections",
        type=int,
        metavar="N",
        help="at the busiest moment (default: those of the environment's pods)",
    )
    group.add_argument(
        "--high-availability",
        choices=get_args(HighAvailability),
        help="default: as in the environment's stack file",
    )
    group.add_argument(
        "--target-p95-ms",
        type=float,
        default=Wish.target_p95_ms,
        metavar="MS",
        help="of a vector search (default: %(default)s)",
    )
    group.add_argument(
        "--series", choices=ALL_SERIES, help=f"preferred generation (default: {SERIES})"
    )
    group.add_argument("--region", help="of the prices (default: the stack file's)")
    group.add_argument("--currency", default=DEFAULT_CURRENCY, help="default: %(default)s")
    group.add_argument(
        "--prices", type=Path, default=DEFAULT_FILE, metavar="FILE", help="dated list prices"
    )


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output",
        default="table",
        metavar="FORMAT|FILE",
        help=f"{', '.join(FORMATS)}, or a file ending in {', '.join(SUFFIXES)} (default: table)",
    )
    group.add_argument(
        "--explain", action="store_true", help="each term with its formula and its source"
    )
    group.add_argument(
        "--write-stack",
        type=Path,
        metavar="FILE",
        help="write it into this stack file, e.g. Pulumi.uat.yaml; comments stay",
    )


def main(arguments: Sequence[str] | None, stacks: Stacks) -> int:
    """Answer; return the exit code."""
    top = parser()
    options = top.parse_args(arguments)
    try:
        return _answer(options, stacks)
    except SizingError as error:
        sys.stderr.write(f"{top.prog}: {' '.join(str(error).split())}\n")
        return REFUSED
    except OSError as error:
        sys.stderr.write(f"{top.prog}: {error.filename}: {error.strerror}\n")
        return REFUSED


def _answer(options: argparse.Namespace, stacks: Stacks) -> int:
    form, path = _form(options.output)
    environment = _environment(options, stacks)
    stack = stacks.facts(environment, options.write_stack)
    found = recommend(_workload(options, stack), _wish(options, environment, stack))
    market = Market(
        prices=read_prices(options.prices),
        region=options.region or stack.region,
        currency=options.currency,
        today=datetime.now(UTC).date(),
    )
    if options.write_stack is not None:  # before the answer: what is refused has none
        for line in stacks.write(options.write_stack, found, market.today):
            sys.stderr.write(f"{options.write_stack}: {line}\n")
    if form == "table":
        show(_console(), found, market, stack.pools, explained=options.explain)
    else:
        data = report(found, market, stack.pools)
        _emit({**data, **(_terms(found) if options.explain else {})}, form, path)
    return OK


def _form(output: str) -> tuple[str, Path | None]:
    """Tell a format from a file by its name."""
    if output in FORMATS:
        return output, None
    path = Path(output)
    form = SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise SizingError(
            f"--output {output!r}: allowed are {', '.join(FORMATS)}, or a file name that ends in"
            f" {', '.join(SUFFIXES)}"
        )
    if not path.parent.is_dir():
        raise SizingError(f"--output {output!r}: there is no folder {path.parent}; make it first")
    return form, path


def _environment(options: argparse.Namespace, stacks: Stacks) -> Environment:
    stated: Environment | None = options.environment
    if options.write_stack is None:
        return stated or expected_environment(options.sessions, options.facts)
    of_file = stacks.environment(options.write_stack)
    if stated not in (None, of_file):
        raise SizingError(f"--environment {stated}: {options.write_stack} is the file of {of_file}")
    return of_file


def _workload(options: argparse.Namespace, stack: StackFacts) -> Workload:
    """As stated; what is not stated of the table is as in the stack file that is written."""
    given = {
        field.name: getattr(options, field.name)
        for field in fields(Workload)
        if field.name != "index" and getattr(options, field.name) is not None
    }
    kept = dict(stack.memory) if options.write_stack is not None else {}
    default = kept.pop("index", Hnsw())
    stated = Workload(**{**kept, **given}, index=None)
    refuse_figures(stated)
    return replace(stated, index=_index(options, default, stated.rows))


def _index(
    options: argparse.Namespace, default: Hnsw | Ivfflat | None, rows: int
) -> Hnsw | Ivfflat | None:
    """The index that is asked for; options of the other one are a mistake."""
    method = options.index or {Hnsw: "hnsw", Ivfflat: "ivfflat"}.get(type(default), "none")
    for flag, value, of in (
        ("--m", options.m, "hnsw"),
        ("--ef-construction", options.ef_construction, "hnsw"),
        ("--lists", options.lists, "ivfflat"),
    ):
        if value is not None and of != method:
            raise SizingError(f"{flag} {value}: belongs to {of}, and the index is {method}")
    if method == "hnsw":
        base = default if isinstance(default, Hnsw) else Hnsw()
        m, candidates = options.m, options.ef_construction
        return Hnsw(
            m=base.m if m is None else m,
            ef_construction=base.ef_construction if candidates is None else candidates,
        )
    if method == "ivfflat":
        lists = default.lists if isinstance(default, Ivfflat) else suitable_lists(rows)
        return Ivfflat(lists=lists if options.lists is None else options.lists)
    return None


def _wish(options: argparse.Namespace, environment: Environment, stack: StackFacts) -> Wish:
    connections: int | None = options.connections
    return Wish(
        environment=environment,
        connections_needed=stack.connections_needed if connections is None else connections,
        high_availability=options.high_availability or stack.high_availability,
        target_p95_ms=options.target_p95_ms,
        series=options.series or stack.series,
    )


def _terms(found: Recommendation) -> dict[str, Any]:
    explained = explain(found).items()
    return {"explained": {title: [vars(line) for line in lines] for title, lines in explained}}


def _emit(data: Mapping[str, Any], form: str, path: Path | None) -> None:
    text = (
        json.dumps(data, indent=2, allow_nan=False) + "\n"
        if form == "json"
        else yaml.safe_dump(data, sort_keys=False, width=FILE_WIDTH, allow_unicode=True)
    )
    if path is None:
        sys.stdout.write(text)
        return
    path.write_text(text, encoding="utf-8")
    sys.stderr.write(f"{path}: written\n")


def _console() -> Console:
    """As wide as the terminal; a pipe or a log has no width, and cuts nothing."""
    return Console() if sys.stdout.isatty() else Console(width=FILE_WIDTH)
