"""What every operation shares at the command line: how it is asked for, and how it ends."""

import argparse
from collections.abc import Callable

import psycopg

from memory.embeddings.errors import EmbeddingError
from memory.encryption.errors import EncryptionError
from memory.operations.console import Console
from memory.operations.errors import Decision, OperationError
from memory.schema.errors import SchemaError
from memory.schema.interruption import interruptible

DONE, DECIDE, FAILED, INTERRUPTED = 0, 1, 2, 130
CODES = (
    "Status 0: done. 1: a decision is yours, or a proof failed; what was done stands. 2: an error."
    " 130: interrupted; run again. "
)
REFUSALS = (OperationError, SchemaError, EmbeddingError, EncryptionError)
"""Families whose texts are made for an operator."""

Work = Callable[[argparse.Namespace, Console], int]


def add_form(parser: argparse.ArgumentParser) -> None:
    """Add ``--json``."""
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def add_order(parser: argparse.ArgumentParser) -> None:
    """Add ``--yes``, ``--dry-run`` (which is what happens without either) and ``--json``."""
    order = parser.add_mutually_exclusive_group()
    order.add_argument("--yes", action="store_true", help="do it; without it, only plan")
    order.add_argument("--dry-run", action="store_true", help="only plan, which is the default")
    add_form(parser)


def carry_out(arguments: argparse.Namespace, work: Work) -> int:
    """Run ``work`` and return its exit code; what it refuses is said in words, without a trace.

    SIGTERM is Ctrl-C: psycopg cancels the statement on the server, and blocks are left in order.
    """
    with Console(as_json=arguments.json) as console:
        try:
            with interruptible():
                return work(arguments, console)
        except Decision as decision:
            console.failed(str(decision))
            return DECIDE
        except REFUSALS as error:
            console.failed(str(error))
        except psycopg.Error as error:
            console.failed(f"{first_line(error)}; what was committed stands: run again")
        except OSError as error:
            console.failed(str(error))
        except KeyboardInterrupt:
            console.failed("stopped; what was committed stands: run again")
            return INTERRUPTED
        return FAILED


def first_line(error: psycopg.Error) -> str:
    """What the server said, without the details: those may quote a row."""
    return error.diag.message_primary or str(error).partition("\n")[0]
