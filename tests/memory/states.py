"""Catalogs as plain data: what the wanted schema looks like, with one thing changed."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from memory.schema.catalog import Catalog, Index, Schema, Table
from memory.schema.model import DesiredSchema, memory_schema
from memory.schema.plan import plan
from memory.schema.target import expected

WANTED = memory_schema()
NAME = "zep_memory_vectors"
ANN = f"{NAME}_embedding_idx"
KEY = f"{NAME}_pkey"
AGREED = expected(WANTED).tables[NAME]
GRAPH = AGREED.indexes[ANN]
OTHER = replace(GRAPH, options={"m": "8", "ef_construction": "64"})
BROKEN = replace(GRAPH, valid=False)


def reached(desired: DesiredSchema = WANTED) -> Catalog:
    """A database in the wanted state."""
    state = expected(desired)
    return replace(state, database=replace(state.database, name="memory"))


def on_a_server(catalog: Catalog, user: str = "admin") -> Catalog:
    """The same catalog, as read from a live server."""
    server = replace(catalog.server, version_num=180_000, session_user=user)
    return replace(catalog, server=server)


def with_table(change: Callable[[Table], Table], desired: DesiredSchema = WANTED) -> Catalog:
    """The wanted state with its table changed."""
    state = reached(desired)
    return replace(state, tables={**state.tables, NAME: change(state.tables[NAME])})


def with_(desired: DesiredSchema = WANTED, **changes: Any) -> Catalog:
    """The wanted state with fields of its table replaced."""
    return with_table(lambda table: replace(table, **changes), desired)


def with_table_of(state: Catalog, **changes: Any) -> Catalog:
    """The same with fields of its table replaced."""
    return replace(state, tables={**state.tables, NAME: replace(state.tables[NAME], **changes)})


def with_indexes(**changed: Index | None) -> Catalog:
    """Replace indexes by name; None takes one away."""
    merged = {**AGREED.indexes, **changed}
    return with_(indexes={name: index for name, index in merged.items() if index is not None})


def with_column(name: str, *, empty: bool = False, **changes: Any) -> Catalog:
    """Replace fields of one column."""
    columns = {**AGREED.columns, name: replace(AGREED.columns[name], **changes)}
    return with_(columns=columns, empty=empty)


def with_schema(**changes: Any) -> Catalog:
    """Replace fields of the schema."""
    state = reached()
    return replace(state, schema=replace(state.schema or Schema(owner=""), **changes))


def with_role(name: str, **changes: Any) -> Catalog:
    """Replace fields of one role."""
    state = reached()
    return replace(state, roles={**state.roles, name: replace(state.roles[name], **changes)})


def verbs(catalog: Catalog, desired: DesiredSchema = WANTED) -> list[str]:
    """The steps, each cut to what distinguishes it."""
    words = (step.sql.split("(")[0].strip() for step in plan(catalog, desired).steps)
    return [text.replace("memory.", "").replace(f"{NAME}_", "") for text in words]


def statements(catalog: Catalog, desired: DesiredSchema = WANTED) -> list[str]:
    """The steps, whole."""
    return [re.sub(rf"memory\.{NAME}\b", "T", s.sql) for s in plan(catalog, desired).steps]


def shuffled(value: Any, draw: Callable[[list[Any]], list[Any]]) -> Any:
    """The same plain data with every mapping in another order."""
    if isinstance(value, Mapping):
        return {key: shuffled(value[key], draw) for key in draw(sorted(value))}
    if isinstance(value, list):
        return [shuffled(item, draw) for item in value]
    return value
