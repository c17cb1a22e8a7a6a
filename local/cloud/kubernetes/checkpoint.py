"""What the state keeps of an object: all of it as it lives, and beside it what was asked for."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from local.cloud.arm import Body
from local.cloud.kubernetes.objects import id_of
from local.cloud.wire import Path

INPUTS = "__inputs"
API_VERSION = "__initialApiVersion"
MANAGER = "__fieldManager"
OWN_KEYS = (INPUTS, API_VERSION, MANAGER)
# Pulumi's property names have no dashes.
DASHED = {
    f"x_kubernetes_{name.replace('-', '_')}": f"x-kubernetes-{name}"
    for name in (
        *("embedded-resource", "int-or-string", "list-map-keys", "list-type", "map-type"),
        *("preserve-unknown-fields", "validations"),
    )
}
UNDERSCORED = {dashed: name for name, dashed in DASHED.items()}
SECRET_DATA = ("data", "stringData")


class Checkpoint(NamedTuple):
    """One object in the state."""

    live: Body
    inputs: Body
    manager: str = ""
    """The field manager under which it was applied."""
    api_version: str = ""
    """The version that it was created with."""

    @classmethod
    def of(cls, state: Body) -> "Checkpoint":
        """Read the state of a resource."""
        live = {key: value for key, value in state.items() if key not in OWN_KEYS}
        return cls(
            dashed(live),
            dashed(state.get(INPUTS) or {}),
            str(state.get(MANAGER, "")),
            str(state.get(API_VERSION, "")),
        )

    @property
    def id(self) -> str:
        """The resource's id in the state."""
        return id_of(self.live)

    def outputs(self) -> Body:
        """Return the state's form."""
        return {
            **underscored(self.live),
            INPUTS: underscored(self.inputs),
            API_VERSION: self.api_version or self.inputs.get("apiVersion", ""),
            MANAGER: self.manager,
        }


def secrets_of(outputs: Body, marked: Iterable[Path]) -> frozenset[Path]:
    """Return what of the outputs is secret, given what of the inputs was.

    A secret in a list marks the whole list, whose order the server may change. The data
    of a Secret is secret whoever asks, and nothing else of it is.
    """
    found = set(_marked(outputs, tuple(marked), ()))
    inputs = outputs.get(INPUTS)
    if isinstance(inputs, dict):
        found |= set(_marked(inputs, tuple(marked), (INPUTS,)))
    return frozenset(found)


def dashed(body: Body) -> Body:
    """Return an object with the keys of Kubernetes."""
    renamed: Body = _renamed(body, lambda key: DASHED.get(key, key))
    return renamed


def underscored(body: Body) -> Body:
    """Return an object with the keys of Pulumi."""
    renamed: Body = _renamed(body, lambda key: UNDERSCORED.get(key, key))
    return renamed


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {rename(key): _renamed(each, rename) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, rename) for each in value]
    return value


def _marked(body: Body, marked: tuple[Path, ...], prefix: Path) -> Iterator[Path]:
    if body.get("kind") == "Secret":
        yield from ((*prefix, key) for key in SECRET_DATA if key in body)
        return
    for path in marked:
        found = _reach(body, path)
        if found:
            yield (*prefix, *found)


def _reach(body: Any, path: Path) -> Path:
    """Return how far a path leads down the objects of a body; nothing where it leads nowhere."""
    reached: Path = ()
    for step in path:
        if not isinstance(body, dict) or not isinstance(step, str):
            return reached
        if step not in body:
            return ()
        body, reached = body[step], (*reached, step)
    return reached
