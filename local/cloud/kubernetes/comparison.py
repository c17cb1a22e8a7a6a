"""What would change: the state's live object, cut to what was asked for, against the new inputs.

The server adds much to an object that was never asked for, and writes some of it
differently: a default false is left out, ``1000m`` becomes ``1``. Neither is a change.
"""

import base64
from typing import Any, NamedTuple

from local.cloud.arm import Body
from local.cloud.diff import Change, Steps, differences, written
from local.cloud.kubernetes import immutable
from local.cloud.kubernetes.objects import (
    Kind,
    annotation,
    metadata,
    name_of,
    namespace_of,
    same_quantity,
)

READ_ONLY = (
    *("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation"),
    *("managedFields", "resourceVersion", "uid"),
)
AUTONAMED = "pulumi.com/autonamed"
AMOUNTS = frozenset(
    {
        *("allocatable", "averageValue", "capacity", "default", "defaultRequest", "divisor"),
        *("hard", "limits", "max", "maxLimitRequestRatio", "min", "podFixed", "requests"),
        *("resources", "sizeLimit", "storage"),
    }
)
"""Fields below which text is an amount; elsewhere ``"1"`` and ``"1.0"`` are different words."""
SECRET = Kind("", "v1", "Secret")
DEFINITION = Kind("apiextensions.k8s.io", "v1", "CustomResourceDefinition")


class Comparison(NamedTuple):
    """The answer to a Diff."""

    changes: list[Change]
    delete_first: bool
    """A replacement of the same name must delete the old object before it makes the new one."""

    @property
    def replaces(self) -> list[str]:
        """Return the paths that replace the object."""
        gone = [c.path for c in self.changes if c.path == "metadata" and c.kind == "DELETE"]
        return sorted({c.path for c in self.changes if c.replaces} | set(gone))


def compare(
    old_inputs: Body, live: Body, inputs: Body, mutable: frozenset[str] = frozenset()
) -> Comparison:
    """Return the changes from the live object of the state to the new inputs."""
    old_inputs, new = normal(old_inputs), normal(inputs)
    old = pruned(live, old_inputs)
    # The server says where an object lies; the inputs may leave it to the default.
    namespace = namespace_of(live)
    for each in (old, new):
        meta = each.setdefault("metadata", {})
        if isinstance(meta, dict):
            _lie_in(meta, namespace)
    if name_of(new):
        old["metadata"]["name"] = name_of(live)
    for key in ("apiVersion", "kind"):
        old.setdefault(key, new.get(key))
    paths = immutable.replacing(inputs, mutable)
    found = [
        Change(written(steps), kind, immutable.replaces(steps, _at(new, steps), paths))
        for steps, kind in differences(old, new)
    ]
    comparison = Comparison(found, delete_first=False)
    same_name = bool(name_of(new)) and name_of(new) == name_of(live)
    again = same_name and annotation(new, AUTONAMED) != "true" and namespace_of(new) == namespace
    return comparison._replace(delete_first=bool(comparison.replaces) and again)


def normal(inputs: Body) -> Body:
    """Return inputs as the server will understand them, so that only meanings are compared."""
    kind = Kind.of(inputs)
    result = {**inputs}
    if isinstance(result.get("metadata"), dict):
        meta: Body = result["metadata"]
        result["metadata"] = {k: v for k, v in meta.items() if k not in READ_ONLY}
    if kind == SECRET and isinstance(result.get("stringData"), dict):
        text = result.pop("stringData")
        encoded = {k: base64.b64encode(str(v).encode()).decode() for k, v in text.items()}
        result["data"] = {**(result.get("data") or {}), **encoded}
    if kind == DEFINITION:
        result.pop("status", None)
    return result


def pruned(live: Body, asked: Body) -> Body:
    """Return of the live object what was asked for, in the words in which it was asked."""
    return _members(live, asked, amounts=False)


def _members(live: Body, asked: Body, *, amounts: bool) -> Body:
    result = {
        key: _pruned(live[key], asked[key], amounts=amounts or key in AMOUNTS)
        for key in live
        if key in asked
    }
    left_out = {k: v for k, v in asked.items() if k not in live and _empty(v)}
    return {**result, **left_out}


def _pruned(live: Any, asked: Any, *, amounts: bool) -> Any:
    if isinstance(live, dict) and isinstance(asked, dict):
        return _members(live, asked, amounts=amounts)
    if isinstance(live, list) and isinstance(asked, list):
        pairs = zip(live, asked, strict=False)
        return [_pruned(one, other, amounts=amounts) for one, other in pairs]
    return asked if amounts and same_quantity(live, asked) else live


def _empty(value: Any) -> bool:
    """Tell whether the server leaves a field out because it says nothing."""
    if isinstance(value, dict):
        return all(_empty(each) for each in value.values())
    return value in (None, False, 0, "", [])


def _lie_in(meta: Body, namespace: str) -> None:
    """Give the metadata of a namespaced object a namespace, and that of any other none."""
    if namespace:
        meta["namespace"] = meta.get("namespace") or "default"
    else:
        meta.pop("namespace", None)


def _at(value: Any, steps: Steps) -> Any:
    """Return what lies at a path, or ``None``."""
    for step in steps:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def as_declared(live: Body) -> Body:
    """Return the inputs of an object that was made elsewhere: all but what the server adds."""
    result = {k: v for k, v in live.items() if k != "status"}
    meta = {k: v for k, v in metadata(live).items() if k not in READ_ONLY}
    notes = dict(meta.get("annotations") or {})
    for key in (
        "deployment.kubernetes.io/revision",
        "kubectl.kubernetes.io/last-applied-configuration",
    ):
        notes.pop(key, None)
    if notes or "annotations" in meta:
        meta["annotations"] = notes
    return {**result, "metadata": meta}
