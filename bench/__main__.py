"""Measure ratios against named baselines: ``python -m bench``, or ``make bench``.

Contenders take turns; each quantity is the median of all rounds with lowest and highest. A goal
that is missed is reported, and is no failure. What one ratio cannot say is a study: a table.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from rich.console import Console

from bench import report
from bench.engine_suites import policies, preview, up
from bench.errors import BenchError
from bench.figures import Figures, evaluate
from bench.hnsw import hnsw
from bench.machine import Machine
from bench.measure import Suite, race
from bench.peers import peers
from bench.place import temporary_place
from bench.reembed import reembed
from bench.rotation import rotation
from bench.schema_suite import schema
from bench.search import search
from bench.service import service
from bench.setup_suite import setup
from bench.sizing import sizing
from bench.study import Measure, Study
from bench.throughput import throughput
from local.engine import FOREIGN
from local.errors import LocalError
from local.paths import Paths
from memory.schema.errors import SchemaError

SUITES: dict[str, Callable[[Paths], AbstractContextManager[Suite]]] = {
    "preview": preview,
    "up": up,
    "policies": policies,
    "schema": schema,
    "setup": setup,
}
STUDIES: Mapping[str, Measure] = {
    "peers": peers,
    "hnsw": hnsw,
    "search": search,
    "reembed": reembed,
    "rotation": rotation,
    "sizing": sizing,
    "service": service,
    "throughput": throughput,
}
KINDS: Mapping[str, Callable[..., object]] = {**SUITES, **STUDIES}
ALL = "all"
OF_ALL = ("preview", "up", "schema")
"""The others take longer: who wants one asks for it."""
INTERRUPTED = 130
FILE_COLUMNS = 140
"""Room for a table that no terminal narrows."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(
            f"{name:11}{(kind.__doc__ or '').splitlines()[0]}" for name, kind in KINDS.items()
        ),
    )
    top.add_argument(
        "suite",
        nargs="?",
        choices=(*KINDS, ALL),
        default=ALL,
        help=f"default: all, which is {', '.join(OF_ALL)}",
    )
    top.add_argument(
        "--repeat", type=_rounds, default=5, metavar="N", help="rounds that count (default: 5)"
    )
    top.add_argument("--json", action="store_true", help="one JSON document on stdout")
    return top


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of rounds; give 1 or more")
    return int(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is asked for; return the exit code."""
    chosen = parser().parse_args(arguments)
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(INTERRUPTED))  # clean up all the same
    names = OF_ALL if chosen.suite == ALL else (chosen.suite,)
    try:
        _run(names, chosen.repeat, as_json=chosen.json)
    except (BenchError, LocalError, SchemaError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _run(names: Sequence[str], rounds: int, *, as_json: bool) -> None:
    """Measure each suite and study, and print it as soon as it is known."""
    width = None if sys.stdout.isatty() else FILE_COLUMNS
    console = Console(highlight=False, soft_wrap=True, width=width)
    moment, machine = datetime.now(UTC), Machine.current()
    if not as_json:
        console.print(f"{moment:%Y-%m-%d}, {machine}\n")
    measured: list[tuple[str, Sequence[Figures] | Study]] = []
    for name, found in _measured(names, rounds):
        measured.append((name, found))
        if not as_json:
            console.print(report.shown(name, rounds, found))
            console.print()
    if as_json:
        console.print_json(data=report.as_document(moment, machine, rounds, measured))


def _measured(names: Sequence[str], rounds: int) -> Iterator[tuple[str, Sequence[Figures] | Study]]:
    words = Console(stderr=True, highlight=False)
    with temporary_place() as paths, words.status("") as status:
        for name in names:
            status.update(f"{name}: making ready")
            if name in SUITES:
                with SUITES[name](paths) as suite:
                    yield name, evaluate(suite, race(suite, rounds, status.update))
            else:
                for study in STUDIES[name](paths, rounds, status.update):
                    yield name, study


if __name__ == "__main__":
    sys.exit(main())
