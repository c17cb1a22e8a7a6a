"""``python -m sizing``: prediction against real servers, and prices.

What a workload needs is said by ``tools/postgres-sizer.py``.
"""

import argparse
import sys
from collections.abc import Sequence

import psycopg

from memory.schema.errors import SchemaError
from sizing import prices_cli
from sizing.errors import SizingError
from sizing.live import cli as live_cli

FAILED, STOPPED = 2, 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    top = argparse.ArgumentParser(prog="python -m sizing", description=__doc__)
    verbs = top.add_subparsers(required=True, metavar="command")
    live_cli.add_to(verbs)
    prices_cli.add_to(verbs)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; every mistake is one line on stderr."""
    parsed = parser().parse_args(arguments)
    try:
        return int(parsed.run(parsed))
    except (SizingError, SchemaError, OSError) as error:
        text = str(error)
    except psycopg.Error as error:
        text = f"{error.diag.message_primary or str(error).strip()} ({error.sqlstate or 'no code'})"
    except KeyboardInterrupt:
        sys.stderr.write("stopped; nothing is left behind\n")
        return STOPPED
    sys.stderr.write(f"{' '.join(text.split())}\n")
    return FAILED


if __name__ == "__main__":
    sys.exit(main())
