"""What a stack last knew of its databases: enough to plan with no server in reach.

The stack's state holds the managed part of each catalog, and the orders of magnitude that the
last run or refresh saw.  A change that is planned from them can be shown in a pull request, by
somebody who may neither reach the database nor know its password.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from memory.schema.catalog import Catalog, Table, from_plain
from memory.schema.errors import StateUnreadable
from memory.schema.estimate import rows_of
from memory.schema.model import DesiredSchema, mistakes

TYPE = "memory:VectorSchema"
"""Token of the resource, without the prefix that the engine gives to dynamic ones."""

Sizes = dict[str, dict[str, int | bool]]
"""By table: ``rows``, ``bytes``, and ``empty`` where no row was ever stored."""


@dataclass(frozen=True, kw_only=True)
class Known:
    """One schema of a stack, as its state has it."""

    name: str
    """Of the resource."""
    desired: DesiredSchema
    """As the last ``up`` wanted it."""
    catalog: Catalog


def sizes(catalog: Catalog, desired: DesiredSchema) -> Sizes:
    """How large the declared tables are, to one digit: a state that changed with every row would
    be a drift at every refresh."""
    return {
        table.name: _size(catalog.tables[table.name])
        for table in desired.tables
        if table.name in catalog.tables
    }


def last_known(properties: Mapping[str, Any]) -> Catalog:
    """The catalog in the properties of a resource; its outputs know the sizes as well."""
    known = from_plain(properties["state"])
    seen: Mapping[str, Any] = properties.get("sizes") or {}
    tables = {name: _sized(table, seen.get(name, {})) for name, table in known.tables.items()}
    named = replace(known.database, name=properties["database"])
    return replace(known, database=named, tables=tables)


def catalogs(document: Mapping[str, Any]) -> tuple[Known, ...]:
    """Every schema in what ``pulumi stack export`` prints.  Raises StateUnreadable."""
    resources = (document.get("deployment") or {}).get("resources")
    if not isinstance(resources, list):
        raise StateUnreadable(
            "found no deployment with resources; give what `pulumi stack export` prints"
        )
    ours = [r for r in resources if str(r.get("type", "")).endswith(TYPE) and r.get("outputs")]
    if not ours:
        raise StateUnreadable(
            f"the stack holds no {TYPE} among its {len(resources)} resources; before the first"
            " `up`, plan with --offline DATABASE"
        )
    return tuple(_known(resource) for resource in ours)


def _known(resource: Mapping[str, Any]) -> Known:
    name, outputs = str(resource["urn"]).rpartition("::")[2], resource["outputs"]
    try:
        desired = DesiredSchema.model_validate(outputs.get("desired"))
        return Known(name=name, desired=desired, catalog=last_known(outputs))
    except ValidationError as error:
        raise StateUnreadable(f"{name}: {'; '.join(mistakes(error))}") from error
    except KeyError as error:
        raise StateUnreadable(f"{name}: its outputs have no {error.args[0]}") from error


def _size(table: Table) -> dict[str, int | bool]:
    seen = {"rows": _magnitude(rows_of(table)), "bytes": _magnitude(table.bytes)}
    return {**seen, "empty": True} if table.empty else seen


def _sized(table: Table, seen: Mapping[str, Any]) -> Table:
    # The engine's numbers are all fractions.
    rows, size = int(seen.get("rows", 0)), int(seen.get("bytes", 0))
    return replace(table, rows=rows, bytes=size, empty=bool(seen.get("empty")))


def _magnitude(number: int) -> int:
    """One significant digit: 48,213 is 50,000."""
    digits = len(str(max(number, 0))) - 1
    return int(round(number, -digits))
