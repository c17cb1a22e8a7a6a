"""The paths."""

from collections.abc import Callable
from typing import Annotated, Any, get_type_hints
from uuid import UUID

from fastapi import APIRouter, Body, Query, Request
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.responses import Response
from typing_extensions import override

from memory.service import bodies
from memory.service.answers import answer, invalid
from memory.service.bodies import ErrorBody
from memory.service.memories import Memories
from memory.service.store import Visit

CREATED, OK, UNAVAILABLE = 201, 200, 503
Handler = Callable[[Request], Any]


class JsonRoute(APIRoute):
    """A route whose body is validated while it is parsed.

    FastAPI describes it; its own way, by way of Python's objects and its dependencies, takes as
    long as the rest of a search here.
    """

    @override
    def get_route_handler(self) -> Handler:
        """Return what calls the endpoint with the request and its body."""
        if self.body_field is None:
            return super().get_route_handler()
        endpoint, kind = self.endpoint, get_type_hints(self.endpoint, include_extras=True)
        body: TypeAdapter[Any] = TypeAdapter(kind[self.body_field.name])

        async def handler(request: Request) -> Response:
            try:
                value = body.validate_json(await request.body())
            except ValidationError as error:
                mistakes = error.errors(
                    include_url=False, include_context=False, include_input=False
                )
                raise invalid(mistakes, "body") from None
            return await endpoint(request, value)  # type: ignore[no-any-return]  # as declared below

        return handler


def _refusals(*codes: int) -> dict[int | str, dict[str, Any]]:
    return {code: {"model": ErrorBody, "description": REFUSALS[code]} for code in codes}


REFUSALS = {
    400: "Cannot be done, whoever asks",
    401: "No valid key",
    403: "A valid key, and another tenant's memories",
    404: "No such memory",
    409: "The id has another memory",
    413: "Too large",
    422: "A value that is not allowed",
    500: "A fault of the service",
    503: "Busy, or something that is needed does not answer; Retry-After says when to come back",
}
router = APIRouter(
    route_class=JsonRoute,
    responses=_refusals(400, 401, 403, 413, 422, 500, 503),
)
probes = APIRouter()


def _inside(request: Request) -> tuple[Memories, Visit]:
    return request.app.state.memories, request.state.visit


# First, as it is the one that is asked for most: paths are tried in their order.
@router.post("/memories/search", response_model=bodies.Neighbours)
async def search(request: Request, wanted: Annotated[bodies.AnySearch, Body()]) -> Response:
    """Find the nearest to a vector or a text, among those that pass the filters."""
    memories, visit = _inside(request)
    found, unreadable = await memories.search(visit, wanted)
    return answer({"memories": found, "unreadable": unreadable})


@router.post(
    "/memories",
    status_code=CREATED,
    response_model=bodies.Added,
    responses={
        OK: {"model": bodies.Added, "description": "Was remembered before"},
        **_refusals(409),
    },
)
async def add(request: Request, memory: bodies.NewMemory) -> Response:
    """Remember one.  With an id of the caller's it may be repeated."""
    memories, visit = _inside(request)
    (added,) = await memories.add(visit, [memory])
    return answer(added, CREATED if added.created else OK)


@router.post(
    "/memories/batch",
    status_code=CREATED,
    response_model=bodies.AddedAll,
    responses=_refusals(409),
)
async def add_batch(request: Request, batch: bodies.NewMemories) -> Response:
    """Remember several, in one transaction."""
    memories, visit = _inside(request)
    added = await memories.add(visit, batch.memories)
    return answer(bodies.AddedAll.model_construct(memories=added), CREATED)


@router.get("/memories/{memory_id}", response_model=bodies.Memory, responses=_refusals(404))
async def get(request: Request, memory_id: UUID) -> Response:
    """Return one."""
    memories, visit = _inside(request)
    return answer(await memories.get(visit, memory_id))


@router.delete("/memories/{memory_id}", response_model=bodies.Deleted, responses=_refusals(404))
async def delete(request: Request, memory_id: UUID) -> Response:
    """Forget one."""
    memories, visit = _inside(request)
    return answer(await memories.delete(visit, memory_id))


@router.delete("/memories", response_model=bodies.Deleted)
async def delete_all(
    request: Request,
    session_id: Annotated[bodies.Key | None, Query()] = None,
    user_id: Annotated[bodies.Key | None, Query()] = None,
) -> Response:
    """Forget all of a session or of a user; just one of them is named."""
    memories, visit = _inside(request)
    return answer(await memories.delete_all(visit, session_id, user_id))


@probes.get("/livez", response_model=bodies.Health)
async def livez() -> Response:
    """Say that the process is sound."""
    return answer(bodies.Health(ok=True))


@probes.get(
    "/readyz", response_model=bodies.Health, responses={UNAVAILABLE: {"model": bodies.Health}}
)
async def readyz(request: Request) -> Response:
    """Say whether database, table, dimension, index, audit and keys are as they must be."""
    proof = await request.app.state.readiness.proof()
    request.app.state.metrics.ready.set(proof.ok)
    health = bodies.Health(ok=proof.ok, checks=dict(proof.checks), field_keys=proof.field_keys)
    return answer(health, OK if proof.ok else UNAVAILABLE)
