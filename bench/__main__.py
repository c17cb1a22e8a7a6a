"""Measure ratios against named baselines: ``python -m bench``, or ``make bench``.

Contenders take turns; each quantity is the median of all rounds with lowest and highest. A goal
that is missed is reported, and is no failure.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime

from rich.console import Console

from bench import report
from bench.engine_suites import preview, up
from bench.errors import BenchError
from bench.figures import Figures, evaluate
from bench.machine import Machine
from bench.measure import Suite, race
from bench.place import temporary_place
from bench.schema_suite import schema
from local.engine import FOREIGN
from local.errors import LocalError
from local.paths import Paths
from memory.schema.errors import SchemaError

SUITES: dict[str, Callable[[Paths], AbstractContextManager[Suite]]] = {
    "preview": preview,
    "up": up,
    "schema": schema,
}
ALL = "all"
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
            f"{name:9}{(suite.__doc__ or '').splitlines()[0]}" for name, suite in SUITES.items()
        ),
    )
    top.add_argument("suite", nargs="?", choices=(*SUITES, ALL), default=ALL, help="default: all")
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
    names = tuple(SUITES) if chosen.suite == ALL else (chosen.suite,)
    try:
        _run(names, chosen.repeat, as_json=chosen.json)
    except (BenchError, LocalError, SchemaError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _run(names: Sequence[str], rounds: int, *, as_json: bool) -> None:
    """Measure each suite, and print it as soon as it is known."""
    width = None if sys.stdout.isatty() else FILE_COLUMNS
    console = Console(highlight=False, soft_wrap=True, width=width)
    moment, machine = datetime.now(UTC), Machine.current()
    if not as_json:
        console.print(f"{moment:%Y-%m-%d}, {machine}\n")
    measured: dict[str, Sequence[Figures]] = {}
    for name, figures in _measured(names, rounds):
        measured[name] = figures
        if not as_json:
            console.print(report.as_table(name, rounds, figures))
            console.print()
    if as_json:
        console.print_json(data=report.as_document(moment, machine, rounds, measured))


def _measured(names: Sequence[str], rounds: int) -> Iterator[tuple[str, list[Figures]]]:
    words = Console(stderr=True, highlight=False)
    with temporary_place() as paths, words.status("") as status:
        for name in names:
            status.update(f"{name}: making ready")
            with SUITES[name](paths) as suite:
                yield name, evaluate(suite, race(suite, rounds, status.update))


if __name__ == "__main__":
    sys.exit(main())
