"""What each environment would send to its cluster, rendered once per test process."""

from functools import cache
from typing import Any

from assurance.cluster.objects import Snapshot
from stacks.outputs import export
from stacks.platform import Platform
from tests.deployment import Deployment, deploy
from tests.manifests import every_manifest
from tests.stacks.files import configuration_of


@cache
def deployed(stack: str) -> Deployment:
    """Return the whole program of a stack, as it was recorded."""
    configuration = configuration_of(stack)
    return deploy(lambda: export(Platform(configuration)), stack=stack)


def objects(stack: str) -> list[dict[str, Any]]:
    """Return every Kubernetes object of a stack."""
    return every_manifest(deployed(stack))


def snapshot(stack: str) -> Snapshot:
    """Return the same as the judges of ``assurance`` read it."""
    return Snapshot.of(objects(stack))
