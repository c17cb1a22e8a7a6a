"""``python -m memory workflows …``: workers, and what they are given to do."""

import argparse
import asyncio

from memory.operations.frame import CODES, add_form, add_order, carry_out
from memory.schema.cli import CONNECTION
from memory.workflows.terms import SLOTS, Pace, RotationOptions

ROTATION, REEMBEDDING = "rotate-field-keys", "reembed"
TEMPORAL = (
    "Temporal is found by TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_API_KEY and TEMPORAL_TLS…,"
    " or by its configuration file; without TLS only on this machine. "
)


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``workflows`` with its commands to a parser."""
    room = commands.add_parser(
        "workflows", help="rotate keys or re-embed on many machines, by Temporal"
    )
    verbs = room.add_subparsers(dest="verb", required=True)
    worker = _verb(verbs, "worker", "work", "do what workflows ask for, until told to stop")
    worker.add_argument("--slots", type=_positive, default=SLOTS, help="default: %(default)s")
    worker.add_argument("--requests-per-minute", type=float, help="of this worker, to the model")
    worker.add_argument("--tokens-per-minute", type=float, help="of this worker, to the model")
    start = verbs.add_parser("start", help="start a workflow")
    kinds = start.add_subparsers(dest="kind", required=True)
    _add_rotation(_verb(kinds, ROTATION, "start_rotation", "one new key for all fields"))
    _add_reembedding(_verb(kinds, REEMBEDDING, "start_reembedding", "another model's vectors"))
    for name, order, text in (
        ("status", "status", "say how far a workflow is"),
        ("cancel", "cancel", "call a workflow off; what is committed stands"),
    ):
        verb = _verb(verbs, name, order, text)
        verb.add_argument("kind", choices=(ROTATION, REEMBEDDING))


def _verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, order: str, text: str
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=text, epilog=CODES + TEMPORAL + CONNECTION)
    parser.set_defaults(command=run, order=order)
    if order.startswith("start"):
        add_order(parser)
    else:
        add_form(parser)
    return parser


def _add_rotation(parser: argparse.ArgumentParser) -> None:
    usual = RotationOptions()
    parser.add_argument("--new-key-id", required=True, metavar="ID", help="a name never used yet")
    parser.add_argument(
        "--server-key",
        metavar="URI",
        help="key of the server's disks, to get a new version first; default: left to its policy",
    )
    parser.add_argument("--reload-seconds", type=float, default=usual.reload_seconds)
    parser.add_argument("--grace-hours", type=float, default=usual.grace_hours)
    _add_pace(parser)


def _add_reembedding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", required=True, metavar="TYPE", help="vector(N) or halfvec(N)")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--cast", action="store_true", help="same length, other type: no model")
    source.add_argument("--model", help="the model's name, or the deployment's on Azure")
    parser.add_argument("--shorten", action="store_true", help="ask the model for N dimensions")
    parser.add_argument("--price-per-million-tokens", type=float, metavar="PRICE")
    parser.add_argument("--max-cost", type=float, help="stop before it costs more")
    parser.add_argument("--min-recall", type=float, default=0.95)
    _add_pace(parser)


def _add_pace(parser: argparse.ArgumentParser) -> None:
    usual = Pace()
    parser.add_argument(
        "--shards", type=_positive, default=usual.shards, metavar="N",
        help="spans of keys; some times as many as all workers have slots; default: %(default)s",
    )  # fmt: skip
    parser.add_argument("--batch-rows", type=_positive, default=usual.batch_rows, metavar="N")


def run(arguments: argparse.Namespace) -> int:
    """Carry out one order."""
    from memory.workflows import orders  # noqa: PLC0415 - two seconds, and only for those who ask

    order = getattr(orders, arguments.order)
    code = carry_out(arguments, lambda given, console: asyncio.run(order(given, console)))
    if arguments.order == "work":
        orders.leave(code)
    return code


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number of 1 or more")
    return int(text)
