"""``python -m memory records …``: what was done to this database, and proof that all is there."""

import argparse
from collections import deque
from collections.abc import Iterable
from itertools import islice

from memory.operations.console import Console
from memory.operations.errors import Decision
from memory.operations.frame import CODES, DONE, add_form, carry_out
from memory.operations.records import Record, instant, records, unfinished, verify
from memory.operations.tenants import open_base
from memory.schema.cli import CONNECTION

DIGEST = 64


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``records`` with its commands to a parser."""
    room = commands.add_parser("records", help="the sealed book of operations")
    verbs = room.add_subparsers(dest="verb", required=True)
    listing = verbs.add_parser(
        "list", help="show what was done, latest last", epilog=CODES + CONNECTION
    )
    listing.add_argument("--operation", help="of this word alone, such as rotate-field-keys")
    listing.add_argument("--last", type=int, default=50, metavar="N", help="default: %(default)s")
    proving = verbs.add_parser(
        "verify",
        help="prove that no entry was changed, lost or put in",
        epilog=CODES + CONNECTION,
    )
    proving.add_argument(
        "--expect",
        type=_noted,
        metavar="POSITION:DIGEST",
        help="an entry that was noted elsewhere: shows also that none was cut off after it",
    )
    for verb, work in ((listing, _list), (proving, _verify)):
        add_form(verb)
        verb.set_defaults(work=work, command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen command."""
    return carry_out(arguments, arguments.work)


def _noted(text: str) -> tuple[int, str]:
    position, _, digest = text.partition(":")
    if not position.isdecimal() or len(digest) != DIGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no POSITION:DIGEST, as `verify` prints them")
    return int(position), digest.lower()


def _list(arguments: argparse.Namespace, console: Console) -> int:
    with open_base() as session:
        found = _tail(records(session, arguments.operation), arguments.last)
    console.result(
        {"records": [record.as_data() for record in found]},
        "".join(f"{line(record)}\n" for record in found) or "nothing was entered yet\n",
    )
    return DONE


def _tail(found: Iterable[Record], number: int) -> list[Record]:
    return list(deque(found, maxlen=number))


def line(record: Record) -> str:
    """One entry, for a terminal."""
    state = record.detail.get("state", "")
    told = {k: v for k, v in record.detail.items() if k != "state" and not isinstance(v, dict)}
    words = ", ".join(f"{key} {value}" for key, value in islice(told.items(), 4))
    head = f"{record.position:6} {instant(record.at)[:19]}Z {record.operation} {state}"
    return f"{head} by {record.actor}" + (f": {words}" if words else "")


def _verify(arguments: argparse.Namespace, console: Console) -> int:
    with open_base() as session:
        chain = verify(session, expected=arguments.expect)
        if not chain.ok:
            data = {"ok": False, "rows": chain.rows, "broken": chain.broken, "why": chain.why}
            console.result({**data, "head": chain.head}, "")
            raise Decision(
                f"entry {chain.broken}: {chain.why}. {chain.rows} entries before it are in order;"
                " somebody with the rights of the tables' owner has written here"
            )
        still = unfinished(session)
    console.result(
        {
            "ok": True,
            "rows": chain.rows,
            "head": chain.head,
            "unfinished": [record.as_data() for record in still],
        },
        f"{chain.rows} entries are as they were written; note elsewhere"
        f" {chain.rows}:{chain.head}\n"
        + "".join(f"begun and not ended: {line(record).strip()}\n" for record in still),
    )
    return DONE
