"""Memories in the database: stored sealed, found by vector, each access with its audit record."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from memory.service.bodies import Added, NewMemory, Search
from memory.service.callers import Caller
from memory.service.database import Rows, Statement
from memory.service.documents import same
from memory.service.errors import Conflict, Detail, Forbidden, Invalid, NotFound, Unreadable
from memory.service.places import Place
from memory.service.sealing import Row, Sealing
from memory.service.settings import Settings
from memory.service.statements import settings as set_local
from memory.service.vectors import ElementType, packed

DELETED_AT_ONCE = 1000
"""Of a session or a user; each such part is a transaction with a record of its own."""
DEFAULT_EF_SEARCH = 40
Vector = Sequence[float]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """One request: who, and by which mark it is found in logs and audit."""

    caller: Caller
    request_id: str


@dataclass(kw_only=True)
class Store:
    """Every tenant's memories."""

    settings: Settings
    places: Mapping[str, Place]
    sealing: Sealing
    element: ElementType = "vector"
    """As readiness found it in the table."""

    async def add(
        self,
        visit: Visit,
        memories: Sequence[NewMemory],
        ids: Sequence[UUID],
        vectors: Sequence[Vector],
    ) -> list[Added]:
        """Remember each under its id.  Raises Conflict where an id has another memory."""
        rows = [self._row(visit, *one) for one in zip(ids, memories, vectors, strict=True)]
        place = self._place(visit)
        statement = place.statements.add(rows, _audit(visit, "add"))
        new = {row["id"] for row in await self._run(visit, "add", statement)}
        if missing := {i: m for i, m in zip(ids, memories, strict=True) if i not in new}:
            await self._compare(visit, missing)
        return [Added(id=row, created=row in new) for row in ids]

    def refuse_unsealable(
        self, visit: Visit, ids: Sequence[UUID], memories: Sequence[NewMemory]
    ) -> None:
        """Raise NotSealable for what could not be stored, before a model is sent any of it."""
        for row, memory in zip(ids, memories, strict=True):
            self.sealing.seal(row, memory, visit.caller.tenant)

    async def get(self, visit: Visit, memory: UUID) -> Row:
        """Return one.  Raises NotFound, Unreadable."""
        found = await self._read(visit, [memory])
        if not found:
            raise NotFound("there is no such memory")
        return self._shown(visit, found[0])

    async def search(
        self, visit: Visit, wanted: Search, vector: Vector
    ) -> tuple[list[Row], list[UUID]]:
        """Return the nearest, and which of them their keys do not open."""
        asked = self.sealing.asked(wanted.metadata, visit.caller.tenant)
        among = {
            "session_id": wanted.session_id,
            "user_id": wanted.user_id,
            "memory_type": wanted.memory_type,
            "metadata": asked.clear,
            "created_after": wanted.created_after,
            "created_before": wanted.created_before,
        }
        statement = self._place(visit).statements.search(
            packed(vector, self.settings.dimensions, self.element),
            wanted.k,
            among,
            asked.blind,
            _audit(visit, "search"),
        )
        filtered = bool(asked.blind) or any(value is not None for value in among.values())
        more = self._thoroughness(wanted, filtered=filtered)
        return self._readable(visit, await self._run(visit, "search", statement, more))

    async def delete(self, visit: Visit, memory: UUID) -> int:
        """Forget one.  Raises NotFound."""
        statement = self._place(visit).statements.delete([memory], _audit(visit, "delete"))
        rows = await self._run(visit, "delete", statement)
        if not rows[0]["deleted"]:
            raise NotFound("there is no such memory")
        return 1

    async def delete_all(self, visit: Visit, among: Mapping[str, str | None]) -> int:
        """Forget a session's or a user's; what is interrupted goes on when it is asked again."""
        statement = self._place(visit).statements.delete_some(
            among, DELETED_AT_ONCE, _audit(visit, "delete")
        )
        total = 0
        while True:
            rows = await self._run(visit, "delete", statement)
            total += int(rows[0]["deleted"])
            if rows[0]["deleted"] < DELETED_AT_ONCE:
                return total

    # -- what they share ---------------------------------------------------------------

    def _place(self, visit: Visit) -> Place:
        try:
            return self.places[visit.caller.tenant]
        except KeyError:
            raise Forbidden("there is no such tenant") from None

    async def _run(
        self,
        visit: Visit,
        operation: str,
        statement: Statement,
        more: Mapping[str, str] | None = None,
    ) -> Rows:
        milliseconds = int(self.settings.query_seconds * 1000)
        local = {
            "engram.tenant": visit.caller.tenant,
            "statement_timeout": str(milliseconds),
            **(more or {}),
        }
        return await self._place(visit).database.run(operation, [set_local(local), statement])

    async def _read(self, visit: Visit, ids: Sequence[UUID]) -> Rows:
        statement = self._place(visit).statements.get(ids, _audit(visit, "get"))
        return await self._run(visit, "get", statement, LAZY)

    def _thoroughness(self, wanted: Search, *, filtered: bool) -> dict[str, str]:
        """How the index is searched: never fewer candidates than results."""
        scan = wanted.iterative_scan or ("relaxed_order" if filtered else "off")
        if self.settings.ivfflat_probes is None:
            if wanted.probes is not None:
                raise Invalid("probes is IVFFlat's; the index here is HNSW: use ef_search")
            usual = self.settings.hnsw_ef_search or DEFAULT_EF_SEARCH
            candidates = max(wanted.k, wanted.ef_search or usual)
            return {"hnsw.ef_search": str(candidates), "hnsw.iterative_scan": scan, **LAZY}
        if wanted.ef_search is not None:
            raise Invalid("ef_search is HNSW's; the index here is IVFFlat: use probes")
        if scan == "strict_order":
            raise Invalid("IVFFlat knows no strict_order; use relaxed_order, or off")
        probes = wanted.probes or self.settings.ivfflat_probes
        return {"ivfflat.probes": str(probes), "ivfflat.iterative_scan": scan, **LAZY}

    def _row(self, visit: Visit, row: UUID, memory: NewMemory, vector: Vector) -> dict[str, Any]:
        tenant = visit.caller.tenant
        sealed = self.sealing.seal(row, memory, tenant)
        return {
            "id": row,
            "session_id": memory.session_id,
            "user_id": memory.user_id,
            "content": sealed.content,
            "embedding": packed(vector, self.settings.dimensions, self.element),
            "metadata": sealed.metadata,
            "memory_type": memory.memory_type,
            "sensitivity": list(dict.fromkeys(memory.sensitivity)),
            "tenant_id": tenant,
            "key_id": sealed.key_id,
            "blind_index": sealed.blind_index,
        }

    async def _compare(self, visit: Visit, wanted: Mapping[UUID, NewMemory]) -> None:
        """Raise Conflict unless what is there says the same."""
        found = {
            row["id"]: self._shown(visit, row) for row in await self._read(visit, list(wanted))
        }
        taken = [row for row, memory in wanted.items() if not _says(found.get(row), memory)]
        if taken:
            details = [Detail(where=str(row), problem="has another memory") for row in taken]
            raise Conflict("an id is taken; what has no such id is remembered", details=details)

    def _shown(self, visit: Visit, row: Row) -> Row:
        """A row as ``bodies.Memory`` describes it."""
        plain = self.sealing.unseal(row, visit.caller.tenant)
        plain.pop("key_id")
        return plain

    def _readable(self, visit: Visit, rows: Rows) -> tuple[list[Row], list[UUID]]:
        found: list[Row] = []
        unreadable: list[UUID] = []
        for row in rows:
            try:
                found.append(self._shown(visit, row))
            except Unreadable:
                unreadable.append(row["id"])
        return found, unreadable


LAZY = {"synchronous_commit": "off"}
"""A read waits for no disk: its record follows within a moment, and is lost only where the server
itself falls in that moment."""


def _audit(visit: Visit, operation: str) -> dict[str, str]:
    return {
        "tenant": visit.caller.tenant,
        "actor": visit.caller.actor,
        "operation": operation,
        "request_id": visit.request_id,
    }


def _says(row: Mapping[str, Any] | None, memory: NewMemory) -> bool:
    """Whether a row is this memory; its vector may come from another day's model."""
    if row is None:
        return False
    plain = memory.model_dump(include={"session_id", "user_id", "content", "memory_type"})
    return (
        all(row[name] == value for name, value in plain.items())
        and set(row["sensitivity"]) == set(memory.sensitivity)
        and same(row["metadata"], memory.metadata)
    )
