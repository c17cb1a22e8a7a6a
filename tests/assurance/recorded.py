"""The real program as rules see it: what the recorder of ``tests/deployment.py`` took down."""

from functools import cache
from typing import Any

from google.protobuf.json_format import MessageToDict

from assurance.policies.model import Resource, Stack
from assurance.policies.state import environment_of, plain
from tests.deployment import Deployment, _computed
from tests.stacks.rendered import deployed


@cache
def stack(name: str) -> Stack:
    """Return everything that dev, test, uat or prod declares."""
    return Stack(resources=resources(deployed(name), name), environment=name)


def resources(deployment: Deployment, environment: str = "stack") -> tuple[Resource, ...]:
    """Return the resources of a recorded deployment, components left out."""
    answers = {(args.typ, args.name): _computed(args) for args in deployment.declared}
    found = [
        _resource(request, environment, answers[request.type, request.name])
        for request in deployment.requests.values()
        if request.custom
    ]
    return tuple(sorted(found, key=lambda resource: resource.urn))


def _resource(request: Any, environment: str, answer: dict[str, Any]) -> Resource:
    urn = _urn(request, environment)
    assert environment_of(urn) == environment
    inputs = plain(MessageToDict(request.object))
    return Resource(
        type=request.type,
        name=request.name,
        urn=urn,
        raw=inputs,
        protect=request.protect,
        parent=request.parent,
        # Pulumi sends a set; in another order, a rule that stops at the first one looks elsewhere.
        dependencies=tuple(sorted(request.dependencies)),
        property_dependencies={
            key: tuple(listed.urns) for key, listed in request.propertyDependencies.items()
        },
        id=f"/mock/{request.name}",
        outputs={**inputs, **answer},
    )


def _urn(request: Any, environment: str) -> str:
    """Return what the mocks call it: Pulumi's `MockMonitor.make_urn`."""
    above = request.parent.split("::")[2].split("$")[-1] + "$" if request.parent else ""
    return f"urn:pulumi:{environment}::engram::{above}{request.type}::{request.name}"
