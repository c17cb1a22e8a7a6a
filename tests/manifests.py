"""Kubernetes objects of a recorded deployment, as the API server would receive them."""

from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types
import kubernetes_validate  # type: ignore[import-untyped]  # it ships no types
import yaml

from tests.deployment import Deployment

VERSION = "1.36"
CUSTOM_TYPES = Path(__file__).parent.parent / "local/cloud/cluster/secrets_store.yaml"


def every_manifest(deployment: Deployment) -> list[dict[str, Any]]:
    """Return all Kubernetes objects, not judged yet."""
    return [
        _integers(recorded.inputs)
        for recorded in deployment.declared
        if recorded.typ.startswith("kubernetes:")
    ]


def manifests(deployment: Deployment, kind: str) -> dict[str, Any]:
    """Return the objects of one kind by their Kubernetes name, judged by the strict schema."""
    found = {}
    for manifest in every_manifest(deployment):
        if manifest["kind"] == kind:
            judge(manifest)
            found[manifest["metadata"]["name"]] = manifest
    return found


def judge(manifest: dict[str, Any]) -> None:
    """Hold an object against the schema of its kind, in which a key that it lacks is a fault.

    Raises the validator's error; and ``SchemaNotFoundError`` for a kind that nobody knows, so that
    nothing goes unjudged.
    """
    custom = _custom_types().get((manifest["apiVersion"], manifest["kind"]))
    if custom is not None:
        jsonschema.validate(manifest, custom)
    else:
        kubernetes_validate.validate(manifest, VERSION, strict=True)


@cache
def _custom_types() -> dict[tuple[str, str], dict[str, Any]]:
    """Return the schemas of the secrets store's types, by version and kind."""
    return {
        (f"{spec['group']}/{version['name']}", spec["names"]["kind"]): _strict(
            version["schema"]["openAPIV3Schema"]
        )
        for spec in (
            definition["spec"]
            for definition in yaml.safe_load_all(CUSTOM_TYPES.read_text(encoding="utf-8"))
        )
        for version in spec["versions"]
    }


def _strict(schema: Any) -> Any:
    """Refuse what a schema does not name; the API server would drop it without a word."""
    if isinstance(schema, list):
        return [_strict(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if "properties" in schema else {}
    return {**closed, **{key: _strict(inner) for key, inner in schema.items()}}


def _integers(value: Any) -> Any:
    """Undo what the engine's wire does to whole numbers."""
    match value:
        case dict():
            return {key: _integers(inner) for key, inner in value.items()}
        case list():
            return [_integers(inner) for inner in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value
