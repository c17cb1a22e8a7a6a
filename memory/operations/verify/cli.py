"""``python -m memory verify``: proves the live memory, and enters what was proven."""

import argparse
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter

from memory.encryption.cipher import FieldCipher
from memory.encryption.fields import Policy as Fields
from memory.operations.console import Console
from memory.operations.errors import LedgerMissing
from memory.operations.frame import CODES, DECIDE, DONE, add_form, carry_out
from memory.operations.records import append, unfinished
from memory.operations.retention.deletion import server_time
from memory.operations.retention.policy import Policy as Retention
from memory.operations.rotate_field_keys.setup import KEY_VARIABLE, Setup, from_environment
from memory.operations.tenants import (
    DEFAULT,
    EVERY,
    Place,
    add_tenants,
    chosen,
    endpoint,
    isolation,
    open_base,
    open_place,
)
from memory.operations.verify.facts import (
    KEY_DAYS,
    Facts,
    chain_facts,
    clear_facts,
    encryption_facts,
    joined,
    key_facts,
    retention_facts,
    text,
)
from memory.schema import verify as schema
from memory.schema.cli import CONNECTION
from memory.schema.model import (
    DesiredSchema,
    Hnsw,
    IvfFlat,
    VectorIndex,
    VectorType,
    memory_schema,
)
from memory.schema.wanted import DIMENSIONS, METHODS

WISH: TypeAdapter[Hnsw | IvfFlat] = TypeAdapter(VectorIndex)
PARTS = ("schema", "encryption", "records", "retention")


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add ``verify`` to a parser."""
    parser = commands.add_parser(
        "verify",
        help="prove schema, encryption, records, retention and the keys' age",
        epilog="It changes nothing but the book of operations. " + CODES + CONNECTION,
    )
    parser.set_defaults(command=run)
    parser.add_argument(
        "--without", action="append", choices=PARTS, default=[], help="leave this out"
    )
    parser.add_argument(
        "--max-key-age-days", type=int, default=KEY_DAYS, metavar="N", help="default: %(default)s"
    )
    wish = parser.add_argument_group("the wanted schema")
    wish.add_argument("--desired", type=Path, metavar="FILE", help="all of it, as JSON")
    wish.add_argument("--dimensions", type=int, help=f"default: ENGRAM_DIMENSIONS, or {DIMENSIONS}")
    wish.add_argument(
        "--column-type",
        choices=get_args(VectorType),
        default=os.environ.get("ENGRAM_VECTOR_TYPE") or "vector",
        help="default: ENGRAM_VECTOR_TYPE, or vector",
    )
    wish.add_argument(
        "--index", choices=tuple(METHODS), help="default: ENGRAM_VECTOR_INDEX, or hnsw"
    )
    wish.add_argument("--on-nodes", action="store_true", help="on an elastic cluster")
    add_form(parser)
    add_tenants(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look, and say whether all of it holds."""
    return carry_out(arguments, _verify)


@dataclass(frozen=True, kw_only=True)
class Looking:
    """What to look at, and with what."""

    arguments: argparse.Namespace
    console: Console
    setup: Setup | None
    """None where encryption is off."""

    def parts(self, places: list[Place]) -> Iterator[tuple[str, Facts]]:
        """Every part that was not left out, with its name."""
        left_out = self.arguments.without
        if "schema" not in left_out:
            own = {(place.database, place.schema): place for place in places}
            yield from (("schema", self._schema(place)) for place in own.values())
        with open_base() as base:
            rotating = any(one.operation == "rotate-field-keys" for one in unfinished(base))
            now = server_time(base)
            if "records" not in left_out:
                yield "records", chain_facts(base)
        if self.setup and "encryption" not in left_out:
            most = self.arguments.max_key_age_days
            yield "keys", key_facts(self.setup.keys.read(), now, most)
        for place in places:
            with open_place(place) as session:
                if "encryption" not in left_out:
                    yield "encryption", self._encryption(session, place, rotating=rotating)
                if "retention" not in left_out:
                    policy = Retention.from_environment()
                    yield "retention", retention_facts(session, place, policy)

    @cached_property
    def cipher(self) -> FieldCipher:
        """The keys of this moment, unwrapped once."""
        if self.setup is None:
            raise AssertionError("without keys nothing is decrypted")
        return self.setup.cipher()

    def _encryption(self, session: Any, place: Place, *, rotating: bool) -> Facts:
        if self.setup is None:
            return clear_facts(session, place, Fields.from_environment())
        return encryption_facts(
            session,
            place,
            self.cipher,
            self.setup.policy,
            rotating=rotating,
            report=self.console.event,
        )

    def _schema(self, place: Place) -> Facts:
        found = endpoint()
        target = replace(found, database=place.database) if place.database else found
        return Facts(checks=schema.verify(target, self._desired(place)).checks)

    def _desired(self, place: Place) -> DesiredSchema:
        given = self.arguments
        if given.desired:
            return DesiredSchema.model_validate_json(given.desired.read_text(encoding="utf-8"))
        own = isolation() == "schema" and place.tenant not in {DEFAULT, EVERY}
        return memory_schema(
            dimensions=given.dimensions or int(os.environ.get("ENGRAM_DIMENSIONS") or DIMENSIONS),
            column_type=given.column_type,
            index=_index(given.index),
            distributed=given.on_nodes,
            by_tenant=isolation() == "row",
            tenant=place.tenant if own else None,
        )


def _index(method: str | None) -> Hnsw | IvfFlat:
    """Return the wanted index: by its name alone, or as a stack says it."""
    told = os.environ.get("ENGRAM_VECTOR_INDEX")
    if method or not told:
        return METHODS[method or "hnsw"](column="embedding")
    wanted: Hnsw | IvfFlat = WISH.validate_python({"column": "embedding", **json.loads(told)})
    return wanted


def _verify(arguments: argparse.Namespace, console: Console) -> int:
    setup = from_environment() if os.environ.get(KEY_VARIABLE) else None
    looking = Looking(arguments=arguments, console=console, setup=setup)
    found = list(looking.parts(chosen(arguments)))
    checks = joined([facts for _, facts in found])
    ok = all(check.ok for check in checks)
    figures = _figures(found)
    entered = _entered(ok, [check.name for check in checks if not check.ok], figures)
    console.result(
        {"ok": ok, "record": entered, "figures": figures, "checks": [asdict(c) for c in checks]},
        "\n".join(text(checks)) + "\n",
    )
    return DONE if ok else DECIDE


def _figures(found: list[tuple[str, Facts]]) -> dict[str, Any]:
    """What the evidence reads, by part; of several places, a list."""
    figures: dict[str, Any] = {}
    for name, facts in found:
        if facts.figures:
            figures.setdefault(name, []).append(facts.figures)
    return figures


def _entered(ok: bool, failing: list[str], figures: dict[str, Any]) -> int | None:  # noqa: FBT001 - a fact
    """Enter the result; None for a login that may only look."""
    detail = {"state": "done", "ok": ok, "failing": failing, "figures": figures}
    with suppress(LedgerMissing), open_base() as base:
        return append(base, "verify", detail).position
    return None
