"""The application: what is served under which path, and what it is made of."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException

from memory.schema.connection import Endpoint
from memory.service import routes
from memory.service.answers import on_http_error, on_invalid, on_service_error
from memory.service.callers import Callers
from memory.service.description import describe
from memory.service.door import Door, Limits
from memory.service.embedding import Embedder
from memory.service.errors import ServiceError
from memory.service.memories import Memories
from memory.service.metrics import Metrics
from memory.service.places import places
from memory.service.readiness import Readiness
from memory.service.sealing import Sealing
from memory.service.settings import Settings
from memory.service.store import Store

TITLE, VERSION = "Engram memory service", "1.0.0"
PURPOSE = "Memories: added, found by meaning, forgotten."
SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
"""The framework's own spans would carry paths, and with them ids."""


def create_app(settings: Settings, endpoint: Endpoint, metrics: Metrics | None = None) -> FastAPI:
    """Return the application; its lifespan opens and closes what it uses.

    Raises OSError, ValueError and FieldsRefused for files and policies that it cannot start with.
    """
    metrics = metrics or Metrics()
    own = places(settings, endpoint, metrics.observe_query)
    databases = {place.database.name: place.database for place in own.values()}
    metrics.watch_pools(lambda: {n: d.pool.get_stats() for n, d in databases.items()})
    sealing = Sealing.of(settings, metrics.count_sealed)
    if sealing.ring is not None:
        metrics.watch_keys(sealing.ring)
    store = Store(settings=settings, places=own, sealing=sealing)
    embedder = Embedder(settings, metrics.count_model)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with AsyncExitStack() as stack:
            if sealing.ring is not None:
                stack.enter_context(sealing.ring)
            embedder.open()
            stack.callback(embedder.close)
            for database in databases.values():
                await database.open()
                stack.push_async_callback(database.close)
            ready = Readiness(settings=settings, places=own, sealing=sealing, store=store)
            app.state.readiness = ready
            yield {}

    app = FastAPI(
        title=TITLE,
        description=PURPOSE,
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        telemetry=SILENT,
    )
    app.state.memories = Memories(store=store, embedder=embedder, count=metrics.searches)
    app.state.metrics = metrics
    callers = Callers(settings.api_keys_file, frozenset(own))
    limits = Limits(requests=settings.in_flight_max, bytes=settings.max_body_bytes)
    app.add_middleware(Door, callers=callers, metrics=metrics, limits=limits)
    _serve(app, settings)
    return app


def _serve(app: FastAPI, settings: Settings) -> None:
    """Add the paths, the one form of every refusal, and the description."""
    app.include_router(routes.router)
    app.include_router(routes.probes)
    app.add_exception_handler(ServiceError, on_service_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(RequestValidationError, on_invalid)
    describe(app, settings)
