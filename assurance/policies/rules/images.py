"""Where images come from, and whether an image can change behind our back."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import yaml

from assurance.policies.kubernetes import WORKLOADS, containers
from assurance.policies.model import Resource, Severity, resource_rule
from assurance.policies.words import shown, unlike

ALLOWED = Path(__file__).parents[1] / "registries.yaml"
REFERENCE = re.compile(
    r"(?P<host>[^/@]+)/(?P<path>[^:@]+)(:(?P<tag>[\w.-]+))?(@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@cache
def allowed() -> tuple[str, ...]:
    """Return the repositories that images may come from, as patterns of ``registries.yaml``."""
    listed = yaml.safe_load(ALLOWED.read_text(encoding="utf-8"))
    return tuple(entry["repository"] for entry in listed)


@resource_rule(
    *WORKLOADS,
    name="container-image-listed",
    title="Images come from repositories that somebody has looked at",
    severity=Severity.HIGH,
    remediation="Add the repository to assurance/policies/registries.yaml, with the reason.",
    ai_rmf=("GOVERN 6.1", "MAP 4.1", "MANAGE 3.1"),
    sp800_53=("CM-11", "SR-3"),
    azure_policy=("febd0533-8e55-448f-b837-bd0e06f16469",),
    trivy=("KSV-0032", "KSV-0034", "KSV-0125"),
)
def listed(resource: Resource) -> Iterator[str]:
    """A name without its registry is resolved by whoever pulls it."""
    for container in containers(resource):
        image = container.given.get("image")
        if not _is_listed(shown(image)):
            yield unlike(f"{container.where}: image", image, f"those of {ALLOWED.name}")


def _is_listed(image: str) -> bool:
    found = REFERENCE.fullmatch(image)
    return found is not None and any(
        # Host and path apart, so that a * for the one never covers a / of the other.
        fnmatchcase(found["host"], host) and fnmatchcase(found["path"], path)
        for host, _, path in (pattern.partition("/") for pattern in allowed())
    )


@resource_rule(
    *WORKLOADS,
    name="container-image-tag",
    title="An image's tag is that of a release",
    severity=Severity.HIGH,
    remediation="Name a release in stacks/images.yaml, or in images of the stack file.",
    ai_rmf=("GOVERN 6.1", "MANAGE 3.1"),
    sp800_53=("CM-2",),
    azure_policy=("021f8078-41a0-40e6-81b6-c6597da9f3ee",),
    checkov=("CKV_K8S_14",),
    trivy=("KSV-0013",),
)
def tag(resource: Resource) -> Iterator[str]:
    """Nobody can say what ``latest`` was yesterday."""
    for container in containers(resource):
        found = REFERENCE.fullmatch(shown(container.given.get("image")))
        if found is None or found["tag"] in {None, "latest"}:
            image = container.given.get("image")
            yield unlike(f"{container.where}: image", image, "<registry>/<repository>:<release>")


@resource_rule(
    *WORKLOADS,
    name="container-image-digest",
    title="An image is named by its digest",
    severity=Severity.HIGH,
    remediation="Copy the digest to images.digests: docker buildx imagetools inspect <image>.",
    ai_rmf=("GOVERN 6.1", "MANAGE 3.1"),
    sp800_53=("CM-2", "SI-7"),
    checkov=("CKV_K8S_43",),
)
def digest(resource: Resource) -> Iterator[str]:
    """A tag can be moved; a digest is the content."""
    for container in containers(resource):
        found = REFERENCE.fullmatch(shown(container.given.get("image")))
        if found is None or not found["digest"]:
            image = container.given.get("image")
            yield unlike(f"{container.where}: image", image, "<image>@sha256:<digest>")


@resource_rule(
    *WORKLOADS,
    name="container-image-pull",
    title="A node never starts an old image under a tag that has moved",
    severity=Severity.LOW,
    remediation="Name the image by its digest, or set imagePullPolicy to Always.",
    ai_rmf=("MANAGE 3.1",),
    sp800_53=("SI-7",),
    azure_policy=("50c83470-d2f0-4dda-a716-1938a4825f62",),
    checkov=("CKV_K8S_15",),
)
def pull(resource: Resource) -> Iterator[str]:
    """What is named by its content need not be asked for again."""
    for container in containers(resource):
        found = REFERENCE.fullmatch(shown(container.given.get("image")))
        policy = container.given.get("imagePullPolicy")
        if policy != "Always" and (found is None or not found["digest"]):
            yield unlike(f"{container.where}: imagePullPolicy", policy, "Always, or a digest")
