"""What the service does: add, get, search, delete.  Knows no HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from prometheus_client import Counter

from memory.service.bodies import (
    Added,
    Deleted,
    NewMemory,
    SearchByText,
    SearchByVector,
)
from memory.service.embedding import Embedder
from memory.service.errors import BadRequest, Invalid
from memory.service.sealing import Row
from memory.service.store import Store, Vector, Visit


@dataclass(frozen=True, kw_only=True)
class Memories:
    """The store, and the model that makes vectors for it."""

    store: Store
    embedder: Embedder
    count: Counter
    """Of searches, by outcome."""

    async def add(self, visit: Visit, memories: Sequence[NewMemory]) -> list[Added]:
        """Remember; what has no id gets one, what has no vector gets the model's."""
        given = [memory.id for memory in memories if memory.id is not None]
        if len(set(given)) < len(given):
            raise Invalid("two memories of one request have the same id")
        ids = [memory.id or uuid4() for memory in memories]
        self.store.refuse_unsealable(visit, ids, memories)
        return await self.store.add(visit, memories, ids, await self._vectors(memories))

    async def get(self, visit: Visit, memory: UUID) -> Row:
        """Return one."""
        return await self.store.get(visit, memory)

    async def search(
        self, visit: Visit, wanted: SearchByVector | SearchByText
    ) -> tuple[list[Row], list[UUID]]:
        """Return the nearest, and what of them cannot be read."""
        if isinstance(wanted, SearchByVector):
            vector: Vector = wanted.embedding
        else:
            (vector,) = await self.embedder.vectors([wanted.text])
        found, unreadable = await self.store.search(visit, wanted, vector)
        self.count.labels("hit" if found else "miss").inc()
        return found, unreadable

    async def delete(self, visit: Visit, memory: UUID) -> Deleted:
        """Forget one."""
        return Deleted(deleted=await self.store.delete(visit, memory))

    async def delete_all(
        self, visit: Visit, session_id: str | None, user_id: str | None
    ) -> Deleted:
        """Forget a session's or a user's."""
        if (session_id is None) == (user_id is None):
            raise BadRequest("name whose memories are to be deleted: session_id or user_id, one")
        among = {"session_id": session_id, "user_id": user_id}
        return Deleted(deleted=await self.store.delete_all(visit, among))

    async def _vectors(self, memories: Sequence[NewMemory]) -> list[Vector]:
        """Return each one's own, or the model's for those without, asked for together."""
        wanting = [memory.content for memory in memories if memory.embedding is None]
        made = iter(await self.embedder.vectors(wanting))
        return [next(made) if m.embedding is None else m.embedding for m in memories]
