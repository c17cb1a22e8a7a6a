"""Resources out of the files that Pulumi writes: an exported state, or a preview as JSON."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from assurance.errors import AssuranceError
from assurance.policies.model import Resource, Stack
from assurance.policies.wire import decode

INTERNAL = "__"
"""What inputs begin with that Pulumi keeps for itself, as a dynamic provider's program."""


def stack(document: Mapping[str, Any]) -> Stack:
    """Return the stack of a file; raise ``AssuranceError`` as ``resources`` does."""
    found = resources(document)
    if not found:
        raise AssuranceError("the file has no resources, so there is nothing to judge")
    return Stack(resources=found, environment=environment_of(found[0].urn))


def resources(document: Mapping[str, Any]) -> tuple[Resource, ...]:
    """Return the resources of a stack as they were asked for, components left out.

    ``document`` is what ``pulumi stack export`` or ``pulumi preview --json --show-sames`` wrote, or
    a state file of a file backend.  Raises ``AssuranceError`` for anything else, and for a preview
    that leaves out what does not change.
    """
    return tuple(_resource(state) for state in _states(document) if state.get("custom"))


def environment_of(urn: str) -> str:
    """Return the name of the stack that a resource belongs to."""
    return urn.removeprefix("urn:pulumi:").split("::", maxsplit=1)[0]


def plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Return inputs as rules are shown them."""
    return {key: decode(given) for key, given in inputs.items() if not key.startswith(INTERNAL)}


def _states(document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    match document:
        case {"deployment": deployment}:
            return _living(deployment)
        case {"checkpoint": checkpoint}:
            return _living(checkpoint.get("latest"))
        case {"changeSummary": _} | {"steps": _}:
            return _planned(document)
    raise AssuranceError(
        "this is neither a state nor a preview; give what `pulumi stack export` or"
        " `pulumi preview --json --show-sames` writes"
    )


def _living(deployment: Mapping[str, Any] | None) -> list[Mapping[str, Any]]:
    states = (deployment or {}).get("resources") or ()
    return [state for state in states if not state.get("delete")]


def _planned(preview: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    steps = preview.get("steps") or ()
    shown = sum(step["op"] == "same" for step in steps)
    if shown < preview.get("changeSummary", {}).get("same", 0):
        raise AssuranceError(
            "the preview leaves out what does not change, which could not be judged;"
            " write it with `pulumi preview --json --show-sames`"
        )
    after = {step["urn"]: step["newState"] for step in steps if step.get("newState")}
    gone = {step["urn"] for step in steps if step["op"] == "delete"} - after.keys()
    yield from (state for urn, state in after.items() if urn not in gone)


def _resource(state: Mapping[str, Any]) -> Resource:
    urn = state["urn"]
    wiring = state.get("propertyDependencies") or {}
    return Resource(
        type=state["type"],
        name=urn.rsplit("::", maxsplit=1)[-1],
        urn=urn,
        raw=plain(state.get("inputs") or {}),
        protect=bool(state.get("protect")),
        parent=state.get("parent", ""),
        dependencies=tuple(state.get("dependencies") or ()),
        property_dependencies={key: tuple(urns or ()) for key, urns in wiring.items()},
        id=state.get("id", ""),
        outputs=plain(state.get("outputs") or {}),
    )
