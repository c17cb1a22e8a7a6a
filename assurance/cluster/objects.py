"""A namespace as plain data, from a live cluster or from manifests alike."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]

TEMPLATES: dict[str, tuple[str, ...]] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Where each kind that makes pods says what they look like."""


@dataclass(frozen=True, kw_only=True)
class PodTemplate:
    """What the pods of one object look like."""

    owner: Object
    labels: Mapping[str, str]
    spec: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Kind and name of the owner, as ``kubectl`` prints them."""
        return title(self.owner)

    @property
    def containers(self) -> list[Mapping[str, Any]]:
        """All containers, those that only start the others included."""
        return [*(self.spec.get("initContainers") or ()), *(self.spec.get("containers") or ())]


@dataclass(frozen=True)
class Snapshot:
    """Objects of one namespace, and those of the cluster that they refer to."""

    objects: tuple[Object, ...]

    @classmethod
    def of(cls, objects: Iterable[Object]) -> "Snapshot":
        """Return the snapshot of these objects."""
        return cls(tuple(objects))

    def kind(self, kind: str) -> list[Object]:
        """Return the objects of one kind."""
        return [item for item in self.objects if item["kind"] == kind]

    def find(self, kind: str, name: str | None) -> Object | None:
        """Return the object of this kind and name, if there is one."""
        return next((item for item in self.kind(kind) if name_of(item) == name), None)

    def templates(self) -> Iterator[PodTemplate]:
        """Yield what pods look like; a pod that belongs to another object says nothing new."""
        for item in self.objects:
            path = TEMPLATES.get(item["kind"])
            if path is None or item["metadata"].get("ownerReferences"):
                continue
            template: Mapping[str, Any] = item
            for step in path:
                template = template[step]
            labels = (template.get("metadata") or {}).get("labels") or {}
            yield PodTemplate(owner=item, labels=labels, spec=template["spec"])


def name_of(item: Object) -> str:
    """Return the object's name."""
    name: str = item["metadata"]["name"]
    return name


def title(item: Object) -> str:
    """Return kind and name, e.g. ``Deployment/gateway``."""
    return f"{item['kind']}/{name_of(item)}"
