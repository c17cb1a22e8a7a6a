"""What a command plans: which schema is wanted, and what is known of the one that is there."""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from memory.schema.catalog import Catalog
from memory.schema.connection import Endpoint, from_environment
from memory.schema.errors import StateUnreadable, WishUnclear
from memory.schema.model import (
    DesiredSchema,
    Hnsw,
    IvfFlat,
    Table,
    VectorType,
    memory_schema,
    zep_schema,
)
from memory.schema.offline import catalogs
from memory.schema.plan import empty_catalog
from memory.schema.runner import inspect

METHODS: dict[str, type[Hnsw] | type[IvfFlat]] = {"hnsw": Hnsw, "ivfflat": IvfFlat}
DIMENSIONS = 1536
CHANGES = {"dimensions": "--dimensions", "column_type": "--column-type", "index": "--index"}
"""What may be said of a vector column by itself."""
WHOSE = ("of", "tenant")
"""What is said of the whole schema."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to be planned: one schema, as it is and as it is wanted."""

    title: str
    desired: DesiredSchema
    catalog: Catalog


def add_sources(verb: argparse.ArgumentParser) -> None:
    """Add where the present state is known from, beside the database itself."""
    source = verb.add_mutually_exclusive_group()
    source.add_argument(
        "--offline", metavar="DATABASE", help="plan a first run, with no database in reach"
    )
    source.add_argument(
        "--state",
        metavar="FILE",
        help="plan from what a stack last knew: what `pulumi stack export` prints; - is standard"
        " input. The wanted schema is the stack's own with what is said of its vectors, or"
        " --desired",
    )


def add_desired(verb: argparse.ArgumentParser) -> None:
    """Add how the wanted schema is said."""
    verb.add_argument("--desired", type=Path, help="the wanted schema as a JSON file")
    verb.add_argument(
        "--of",
        choices=("memory", "memory-by-tenant", "memory-on-nodes", "zep", "zep-on-azure"),
        help="whose schema, without such a file; by tenant, each sees its own rows alone; on an"
        " elastic cluster the memory table is on its nodes, on a Flexible Server Zep's login is in"
        " a role more, default: memory",
    )
    verb.add_argument("--tenant", help="whose own schema it is, beside that of all; default: none")
    verb.add_argument("--dimensions", type=int, help=f"of the vectors, default: {DIMENSIONS}")
    verb.add_argument("--column-type", choices=get_args(VectorType), help="default: vector")
    verb.add_argument("--index", choices=tuple(METHODS), help="default: hnsw")


def desired_of(arguments: argparse.Namespace) -> DesiredSchema:
    """Return the wanted schema.  Raises WishUnclear where one argument would silence another."""
    said = _said(arguments)
    if arguments.desired:
        _refuse(said, f"{arguments.desired} says all of it")
        return DesiredSchema.model_validate_json(arguments.desired.read_text(encoding="utf-8"))
    if arguments.of in {"zep", "zep-on-azure"}:
        changes = {key: said[key] for key in said if key != "of"}
        _refuse(changes, "Zep makes its own tables")
        return zep_schema(extension_gate=arguments.of == "zep-on-azure")
    return memory_schema(
        dimensions=said.get("dimensions", DIMENSIONS),
        column_type=said.get("column_type", "vector"),
        index=METHODS[said.get("index", "hnsw")](column="embedding"),
        distributed=arguments.of == "memory-on-nodes",
        by_tenant=arguments.of == "memory-by-tenant",
        tenant=said.get("tenant"),
    )


def wishes(arguments: argparse.Namespace) -> Iterator[Wish]:
    """From the live database, from nothing, or from a stack's state."""
    if arguments.state:
        yield from _of_state(arguments)
    elif arguments.offline:
        empty = empty_catalog(arguments.offline)
        yield Wish(title=arguments.offline, desired=desired_of(arguments), catalog=empty)
    else:
        desired, endpoint = desired_of(arguments), from_environment()
        yield Wish(title=place(endpoint), desired=desired, catalog=inspect(endpoint, desired))


def place(endpoint: Endpoint) -> str:
    """The database in one word."""
    return f"{endpoint.host}/{endpoint.database}"


def text_of(source: str) -> str:
    """The content of a file, or of standard input."""
    return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")


def _said(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {key: getattr(arguments, key) for key in (*CHANGES, *WHOSE)}
    return {key: value for key, value in given.items() if value is not None}


def _refuse(said: dict[str, Any], because: str) -> None:
    if said:
        words = ", ".join(CHANGES.get(key, f"--{key}") for key in said)
        raise WishUnclear(f"{words}: {because}; leave it out")


def _of_state(arguments: argparse.Namespace) -> Iterator[Wish]:
    try:
        document = json.loads(text_of(arguments.state))
    except ValueError as error:
        raise StateUnreadable(
            f"{arguments.state}: no JSON ({error}); give what `pulumi stack export` prints"
        ) from error
    known = catalogs(document)
    if not arguments.desired:
        said = _said(arguments)
        _refuse({key: said.pop(key) for key in WHOSE if key in said}, "the stack knows whose")
        changed = [(k, _changed(k.desired, said)) for k in known]
        if said and not any(k.desired.tables for k in known):
            _refuse(said, "the stack declares no vectors")
        yield from (Wish(title=k.name, desired=d, catalog=k.catalog) for k, d in changed)
        return
    desired = desired_of(arguments)
    fitting = [k for k in known if k.desired.schema_name == desired.schema_name]
    if not fitting:
        names = ", ".join(k.desired.schema_name for k in known)
        raise StateUnreadable(
            f"{arguments.desired} wants schema {desired.schema_name}; the stack holds {names}"
        )
    yield from (Wish(title=k.name, desired=desired, catalog=k.catalog) for k in fitting)


def _changed(desired: DesiredSchema, said: dict[str, Any]) -> DesiredSchema:
    """The stack's own wish with other vectors; a schema without any stays as it is."""
    plain = desired.model_dump(mode="json")
    for table, words in zip(desired.tables, plain["tables"], strict=True):
        if table.ann_index is not None:
            _change(table, words, said)
    return DesiredSchema.model_validate(plain)


def _change(table: Table, words: dict[str, Any], said: dict[str, Any]) -> None:
    for index, plain in zip(table.indexes, words["indexes"], strict=True):
        if not isinstance(index, Hnsw | IvfFlat):
            continue
        column = next(c for c in words["columns"] if c["name"] == index.column)
        column["type"] = said.get("column_type", column["type"])
        column["dimensions"] = said.get("dimensions", column["dimensions"])
        method = said.get("index", index.method)
        if method != index.method:
            kept = {key: plain[key] for key in ("name", "column", "distance")}
            plain.clear()
            plain.update(kept, method=method)
