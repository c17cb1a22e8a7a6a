"""Who owns which fields, as server-side apply records it in ``managedFields``."""

from typing import Any

from local.cloud.arm import Body
from local.cloud.kubernetes.objects import metadata, pluck

# What a tool that does not apply server-side has left; the first update takes it over.
TAKEN_OVER = (
    ("kubectl", "Apply"),
    ("kubectl", "Update"),
    ("before-first-apply", "Update"),
    ("pulumi-kubernetes", "Update"),
    ("pulumi-resource-kubernetes", "Update"),
)
"""Beginning of the manager's name, and operation."""


def takeover(live: Body, manager: str) -> list[Body]:
    """Return the JSON patch that makes ours the fields of tools that did not apply."""
    entries: list[Body] = metadata(live).get("managedFields") or []
    taken = [each for each in entries if _is_taken_over(each)]
    if not taken:
        return []
    ours = [each for each in entries if _key(each) == (manager, "Apply")]
    merged = {**(ours or taken)[0], "manager": manager, "operation": "Apply"}
    merged["fieldsV1"] = _union([each.get("fieldsV1") or {} for each in (*ours, *taken)])
    others = [each for each in entries if each not in taken and each not in ours]
    version = {"op": "replace", "path": "/metadata/resourceVersion"}
    return [
        {"op": "replace", "path": "/metadata/managedFields", "value": [merged, *others]},
        {**version, "value": metadata(live).get("resourceVersion")},
    ]


def without_ignored(inputs: Body, live: Body, manager: str, ignored: list[str]) -> Body:
    """Return inputs that leave ignored fields as they are.

    A field that only others own is not sent at all, so that it stays theirs (an
    autoscaler's replicas); one of ours is sent as it lives, as it would be removed else.
    """
    entries: list[Body] = metadata(live).get("managedFields") or []
    for path in ignored:
        keys = path.split(".")
        owners = {_is_ours(e, manager) for e in entries if _owns(e.get("fieldsV1"), keys)}
        value = None if owners == {False} else pluck(live, *keys)
        if owners == {False} or value is not None:
            inputs = _with(inputs, keys, value)
    return inputs


def _key(entry: Body) -> tuple[Any, Any]:
    return entry.get("manager"), entry.get("operation")


def _is_taken_over(entry: Body) -> bool:
    manager, operation = _key(entry)
    names = (name for name, done in TAKEN_OVER if done == operation)
    return not entry.get("subresource") and str(manager).startswith(tuple(names))


def _is_ours(entry: Body, manager: str) -> bool:
    return bool(entry.get("manager") == manager)


def _owns(fields: Any, keys: list[str]) -> bool:
    for key in keys:
        if not isinstance(fields, dict) or f"f:{key}" not in fields:
            return False
        fields = fields[f"f:{key}"]
    return True


def _union(sets: list[Body]) -> Body:
    result: Body = {}
    for fields in sets:
        for key, inner in fields.items():
            result[key] = (
                _union([result.get(key) or {}, inner]) if isinstance(inner, dict) else inner
            )
    return result


def _with(body: Body, keys: list[str], value: Any) -> Body:
    """Return a body with another value at a path; none removes it."""
    key, *rest = keys
    if rest:
        inner = body.get(key)
        return {**body, key: _with(inner, rest, value)} if isinstance(inner, dict) else body
    if value is None:
        return {k: v for k, v in body.items() if k != key}
    return {**body, key: value}
