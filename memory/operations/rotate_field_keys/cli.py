"""``python -m memory rotate-field-keys``: the arguments, the order, and what is printed."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from memory.encryption.document import PURPOSES, Document, Entry, Purpose
from memory.operations.console import Console
from memory.operations.frame import CODES, DECIDE, DONE, add_order, carry_out
from memory.operations.records import recorded
from memory.operations.rotate_field_keys.alone import alone
from memory.operations.rotate_field_keys.keys import candidate, superseded
from memory.operations.rotate_field_keys.proof import Proof
from memory.operations.rotate_field_keys.rotation import OPERATION, Rotation, purge, purgeable
from memory.operations.rotate_field_keys.setup import ENVIRONMENT, Setup, from_environment
from memory.operations.tenants import add_tenants, chosen, open_base
from memory.schema.cli import CONNECTION

AT_LEAST_DAYS = 1.0


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``rotate-field-keys`` to a parser."""
    parser = commands.add_parser(
        OPERATION,
        help="change the keys that fields are encrypted with, without a stop or a loss",
        epilog=CODES + ENVIRONMENT + CONNECTION,
    )
    parser.set_defaults(command=run)
    orders = parser.add_mutually_exclusive_group()
    for name, text in (
        ("ensure", "make the first keys where there are none; nothing else"),
        ("purge", "drop retired keys that no backup can need any more"),
    ):
        orders.add_argument(f"--{name}", dest="order", action="store_const", const=name, help=text)
    parser.add_argument(
        "--blind",
        action="store_true",
        help="change the key of the blind indexes, too; every indexed row then enters its indexes"
        " again, the graph of vectors among them",
    )
    parser.add_argument(
        "--not-within-days",
        type=float,
        default=AT_LEAST_DAYS,
        metavar="DAYS",
        help="make no new key while the present one is younger, so that a job that is started"
        " twice rotates once; default %(default)g",
    )
    add_order(parser)
    add_tenants(parser)


def run(arguments: argparse.Namespace) -> int:
    """Carry out one order."""
    return carry_out(
        arguments, {None: _rotate, "ensure": _ensure, "purge": _purge}[arguments.order]
    )


def _ensure(arguments: argparse.Namespace, console: Console) -> int:
    setup = from_environment()
    document = setup.keys.read()
    missing = [purpose for purpose in PURPOSES if document.primary(purpose) is None]
    if missing and not arguments.yes:
        console.result(
            {"missing": missing}, f"no key for {', '.join(missing)}; to make it: --yes\n"
        )
        return DECIDE
    made: list[Entry] = []
    if missing:
        with (
            open_base() as base,
            alone(base),
            recorded(base, OPERATION, {"order": "ensure"}) as end,
        ):
            made += setup.keys.ensure()
            end["keys"] = [entry.id for entry in made]
    ids = [entry.id for entry in made]
    console.result({"made": ids}, f"made {', '.join(ids)}\n" if ids else "the keys are there\n")
    return DONE


def _rotate(arguments: argparse.Namespace, console: Console) -> int:
    purposes: tuple[Purpose, ...] = ("fields", "blind") if arguments.blind else ("fields",)
    with _opened(arguments, console) as rotation:
        document = rotation.setup.keys.read()
        if not arguments.yes:
            data, text = _plan(rotation, document)
            console.result(data, f"{text}Nothing was changed. To go ahead: --yes\n")
            return DECIDE
        detail = {"order": "rotate", "places": [str(place) for place in rotation.places]}
        with alone(rotation.base), recorded(rotation.base, OPERATION, detail) as end:
            found = rotation.run(purposes, at_least_days=arguments.not_within_days)
            end["proof"] = found.as_data()
        after = rotation.setup.keys.read()
    console.result({"proof": found.as_data(), "keys": _keys_data(after)}, _done_text(found, after))
    return DONE


def _purge(arguments: argparse.Namespace, console: Console) -> int:
    with _opened(arguments, console) as rotation:
        if not arguments.yes:
            ids = purgeable(rotation)
            console.result({"purgeable": ids}, f"{_listed(ids)} can go; to drop them: --yes\n")
            return DECIDE if ids else DONE
        with alone(rotation.base), recorded(rotation.base, OPERATION, {"order": "purge"}) as end:
            end["keys"] = ids = purge(rotation)
    console.result({"purged": ids}, f"{_listed(ids)} gone\n")
    return DONE


@contextmanager
def _opened(arguments: argparse.Namespace, console: Console) -> Iterator[Rotation]:
    setup: Setup = from_environment()
    places = chosen(arguments)
    with open_base() as base:
        yield Rotation(base=base, setup=setup, places=places, report=console.event)


def _plan(rotation: Rotation, document: Document) -> tuple[dict[str, Any], str]:
    counts = rotation.counts()
    steps = _steps(document)
    data = {"keys": _keys_data(document), "rows_by_key": counts, "steps": steps}
    lines = [
        f"  {entry.id} ({entry.purpose}, {entry.state}): {counts.get(entry.id, 0)} rows"
        for entry in document.keys
    ]
    lines += [f"  {key}, which the vault does not hold: {n} rows" for key, n in counts.items()
              if document.entry(key) is None]  # fmt: skip
    return data, "\n".join(["keys:", *lines, "to do:", *(f"  {step}" for step in steps)]) + "\n"


def _steps(document: Document) -> list[str]:
    """What is left to do, in words."""
    steps = ["encrypt rows again until none is under an older key, or in the clear"]
    steps += ["decrypt every field as a proof, then retire the older key"]
    if superseded(document):
        return steps
    waiting = candidate(document, "fields")
    begin = [] if waiting else ["publish a new key as accepted"]
    return [*begin, "wait until services have it", "make it primary", *steps]


def _keys_data(document: Document) -> list[dict[str, Any]]:
    """The keys without their material."""
    return [entry.model_dump(mode="json", exclude={"wrapped"}) for entry in document.keys]


def _done_text(found: Proof, document: Document) -> str:
    primary = document.primary("fields")
    name = primary.id if primary else "no key"
    return (
        f"{found.encrypted} of {found.rows} rows have encrypted fields, all under {name};"
        f" {found.fields} fields were decrypted as a proof, coverage {found.coverage:.0%}\n"
    )


def _listed(ids: list[str]) -> str:
    return ", ".join(ids) if ids else "no key"
