"""Whether memories can be kept and found here: database, table, dimension, index, audit, keys."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from memory.service.bodies import FieldKeys
from memory.service.database import Statement
from memory.service.errors import Busy, ServiceError
from memory.service.places import Place
from memory.service.sealing import Sealing
from memory.service.settings import Settings
from memory.service.store import Store
from memory.service.vectors import ElementType

FRESH_SECONDS = 2.0
"""How long a proof is repeated: probes come from everywhere."""
BUSY_SECONDS = 60.0
"""How long a proof stands while every connection is in use: who is busy is not broken."""
PROOF = """
SELECT
  format_type(a.atttypid, a.atttypmod) AS embedding,
  has_table_privilege(c.oid, 'SELECT, INSERT') AND has_table_privilege(c.oid, 'DELETE') AS usable,
  has_table_privilege(to_regclass(%(audit)s), 'INSERT') AS audited,
  (SELECT i.indisvalid AND i.indisready FROM pg_index i
   JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam
   JOIN pg_opclass o ON o.oid = i.indclass[0]
   WHERE i.indrelid = c.oid AND m.amname = %(method)s AND i.indkey[0] = a.attnum
     AND o.opcname LIKE '%%cosine%%'
   ORDER BY i.indisvalid DESC LIMIT 1) AS index
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'embedding'
WHERE c.oid = to_regclass(%(table)s)
"""
OK = "ok"
ELEMENTS: tuple[ElementType, ...] = ("halfvec", "vector")


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What was found, by what was looked at."""

    checks: Mapping[str, str]
    field_keys: FieldKeys | None
    at: float

    @property
    def ok(self) -> bool:
        """Whether all is as it must be."""
        return all(text == OK for text in self.checks.values())


@dataclass(kw_only=True)
class Readiness:
    """Looks at most every ``FRESH_SECONDS``, and only once at a time."""

    settings: Settings
    places: Mapping[str, Place]
    sealing: Sealing
    store: Store
    clock: Callable[[], float] = time.monotonic
    _proof: Proof | None = None
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def proof(self) -> Proof:
        """Return a proof of this moment, or of a moment ago."""
        async with self._looking:
            if self._proof is None or self.clock() - self._proof.at > FRESH_SECONDS:
                self._proof = await self._look()
            return self._proof

    async def _look(self) -> Proof:
        checks: dict[str, str] = {}
        for place in self.places.values():
            try:
                checks |= await self._database(place)
            except Busy as error:
                if self._stands():
                    continue
                checks[f"database {place.table}"] = error.message
            except ServiceError as error:
                checks[f"database {place.table}"] = error.message
        if problem := self.sealing.problem:
            checks["field keys"] = problem
        return Proof(checks=checks, field_keys=self.sealing.field_keys, at=self.clock())

    def _stands(self) -> bool:
        known = self._proof
        return known is not None and known.ok and self.clock() - known.at < BUSY_SECONDS

    async def _database(self, place: Place) -> dict[str, str]:
        method = "hnsw" if self.settings.ivfflat_probes is None else "ivfflat"
        values = {
            "table": place.table,
            "audit": f"{place.statements.schema}.memory_audit",
            "method": method,
        }
        rows = await place.database.run("ready", [Statement(text=PROOF, values=values)])
        row = rows[0] if rows else {}
        kind = str(row.get("embedding") or "absent")
        element = next((name for name in ELEMENTS if kind.startswith(name)), None)
        if element is not None:
            self.store.element = element
        named = [f"{name}({self.settings.dimensions})" for name in ELEMENTS]
        return {
            f"table {place.table}": OK if row.get("usable") else "absent, or not ours to use",
            f"dimension of {place.table}": OK if kind in named else f"found {kind}",
            f"{method} index of {place.table}": OK if row.get("index") else "absent, or not valid",
            f"audit of {place.table}": OK if row.get("audited") else "absent, or not ours to write",
        }
