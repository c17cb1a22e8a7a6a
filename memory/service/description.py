"""The OpenAPI document, with what only the settings and the door know."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from memory.service.callers import SCHEME, TENANT_HEADER
from memory.service.door import OPEN_TO_ALL
from memory.service.settings import Settings

WITH_VECTORS = ("NewMemory", "SearchByVector")
KEY = {
    "type": "apiKey",
    "in": "header",
    "name": "Authorization",
    "description": f"`{SCHEME} <key>`",
}
TENANT = {
    "name": TENANT_HEADER,
    "in": "header",
    "required": False,
    "schema": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"},
    "description": "Whose memories; a key that is bound to a tenant needs none",
}


def describe(app: FastAPI, settings: Settings) -> None:
    """Let the document say how long a vector is here, and what the door asks for."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, settings)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    found = get_openapi(
        title=app.title, version=app.version, description=app.description, routes=app.routes
    )
    components = found["components"]
    for name in WITH_VECTORS:
        vector = components["schemas"][name]["properties"]["embedding"]
        bounds = {"minItems": settings.dimensions, "maxItems": settings.dimensions}
        next(part for part in vector.get("anyOf", [vector]) if "items" in part).update(bounds)
    foreign = "probes" if settings.ivfflat_probes is None else "ef_search"
    for name in ("SearchByVector", "SearchByText"):
        del components["schemas"][name]["properties"][foreign]
    components["securitySchemes"] = {SCHEME: KEY}
    for path, operations in found["paths"].items():
        for operation in operations.values() if path not in OPEN_TO_ALL else ():
            operation["security"] = [{SCHEME: []}]
            operation["parameters"] = [*operation.get("parameters", ()), TENANT]
    return found
