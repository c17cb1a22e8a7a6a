"""A small stack that keeps every rule for clusters and pods, to be weakened one value at a time."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

from assurance.policies.judge import judge_resource, judge_stack
from assurance.policies.model import Resource, Rule, Stack
from assurance.policies.rules import load

FILE = Path(__file__).with_name("samples.yaml")
GONE: Final = object()
"""Instead of a value: nothing stands there."""
SHORT = {
    "pod": ("spec", "template", "spec"),
    "container": ("spec", "template", "spec", "containers", "0"),
}
"""What paths of workloads may begin with."""

Raw = dict[str, dict[str, Any]]


def good() -> Raw:
    """Return fresh resources by name: ``type``, ``inputs``."""
    fresh: Raw = json.loads(_text())
    return fresh


@cache
def _text() -> str:
    """Return the sample as JSON, in which nothing is shared as YAML's anchors are."""
    return json.dumps(yaml.safe_load(FILE.read_text(encoding="utf-8")))


def changed(who: str, path: str, value: object) -> Raw:
    """Return the sample with one value of one resource changed, at ``a:b:0:c``.

    An empty path takes the resource away.
    """
    resources = good()
    if not path:
        del resources[who]
        return resources
    first, *rest = path.split(":")
    *way, last = (*SHORT.get(first, (first,)), *rest)
    place: Any = resources[who]["inputs"]
    for key in way:
        place = place[int(key)] if isinstance(place, list) else place.setdefault(key, {})
    if value is GONE:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return resources


def stack(resources: Raw, environment: str = "prod") -> Stack:
    """Return resources as rules are shown them; ``/mock/<name>`` is the id of each."""
    return Stack(resources=tuple(_resources(resources)), environment=environment)


def _resources(resources: Raw) -> Iterator[Resource]:
    for name, given in resources.items():
        urn = f"urn:pulumi:prod::engram::{given['type']}::{name}"
        yield Resource(
            type=given["type"], name=name, urn=urn, raw=given["inputs"], id=f"/mock/{name}"
        )


def says(rule: str, resources: Raw) -> list[str]:
    """Return what one rule says of these resources: ``<resource>: <words>``."""
    judged = stack(resources)
    (asked,) = [load()[rule]]
    found = [f for resource in judged.resources for f in judge_resource(resource, [asked])]
    found += judge_stack(judged, [asked])
    return [f"{f.resource.name if f.resource else 'stack'}: {f.says}" for f in found]


def rules_of(*modules: str) -> dict[str, Rule]:
    """Return the rules of these modules."""
    homes = {f"assurance.policies.rules.{module}" for module in modules}
    return {name: rule for name, rule in load().items() if rule.check.__module__ in homes}
