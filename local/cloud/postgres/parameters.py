"""The server parameters that Azure offers, and what each compute size makes of them.

``parameters.csv`` holds the catalogue for PostgreSQL 18: type, default, allowed
values, and whether a write acts at once (``dynamic``), after a restart
(``static``) or never (``read-only``). Values are strings in PostgreSQL's base
units (8 KiB pages, KiB, milliseconds), as in Azure's API. A default that starts
with ``=`` is computed from the compute and storage size at creation.
Source: learn.microsoft.com/azure/postgresql/server-parameters (2026-02).
"""

import csv
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["dynamic", "static", "read-only"]
RANGE = re.compile(r"(-?[0-9.]+)-([0-9.e+]+)")

# By storage size in GiB. Source: the notes of Azure's page on max_wal_size.
MAX_WAL_MIB = {
    32: 2048,
    64: 4096,
    128: 12288,
    256: 20480,
    512: 25600,
    1024: 30720,
    2048: 40960,
    4096: 40960,
}
LARGEST_MAX_WAL_MIB = 65536
MAX_CONNECTIONS_LIMIT = 5000


@dataclass(frozen=True)
class Parameter:
    """One row of the catalogue."""

    name: str
    type: str
    """Azure's ``dataType``: Boolean, Integer, Numeric, Enumeration, Set or String."""
    default: str
    allowed: str
    """A range ``1-10``, names separated by commas, or a regular expression."""
    kind: Kind

    def accepts(self, value: str) -> bool:
        """Tell whether Azure takes a value; names ignore case."""
        match self.type:
            case "Integer" | "Numeric":
                return self._in_range(value)
            case "Set":
                named = {item.strip().lower() for item in value.split(",") if item.strip()}
                return named <= set(self.allowed.lower().split(","))
            case "String":
                return re.fullmatch(self.allowed or ".*", value) is not None
            case _:
                return value.lower() in self.allowed.lower().split(",")

    def _in_range(self, value: str) -> bool:
        pattern = r"-?[0-9]+" if self.type == "Integer" else r"-?[0-9]+(\.[0-9]+)?"
        if not re.fullmatch(pattern, value):
            return False
        bounds = RANGE.fullmatch(self.allowed)
        if bounds is None:
            return value == self.allowed
        return float(bounds[1]) <= float(value) <= float(bounds[2])


def _load() -> dict[str, Parameter]:
    with Path(__file__).with_name("parameters.csv").open(encoding="utf-8", newline="") as file:
        # No quoting: search_path's default holds quotes of its own.
        rows = csv.reader(file, delimiter=";", quoting=csv.QUOTE_NONE)
        next(rows)
        return {row[0]: Parameter(*row) for row in rows}  # type: ignore[arg-type] # text file


CATALOGUE: Mapping[str, Parameter] = _load()
EXTENSIONS: tuple[str, ...] = tuple(CATALOGUE["azure.extensions"].allowed.split(","))


def computed_defaults(memory_gib: int, storage_gib: int) -> dict[str, str]:
    """Return the defaults that depend on size; Azure computes them once, at creation."""
    small = memory_gib <= 2  # noqa: PLR2004 - where Azure's formulas have their bend
    shared_buffers = (16384 if small else 32768) * memory_gib
    connections = 25 * memory_gib if small else int(0.1049164697034809 * memory_gib * 1024)
    return {
        "max_connections": str(min(connections, MAX_CONNECTIONS_LIMIT)),
        "shared_buffers": str(shared_buffers),
        "effective_cache_size": str(memory_gib * 131072 - shared_buffers),
        "maintenance_work_mem": str(int(82.5 * math.log(memory_gib) + 40) * 1024),
        "max_wal_size": str(MAX_WAL_MIB.get(storage_gib, LARGEST_MAX_WAL_MIB)),
    }


def defaults(computed: Mapping[str, str]) -> dict[str, str]:
    """Return every parameter's default, given those that depend on size."""
    return {
        name: computed[parameter.default[1:]]
        if parameter.default.startswith("=")
        else parameter.default
        for name, parameter in CATALOGUE.items()
    }
