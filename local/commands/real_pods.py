"""What a stack runs for real beside the played pods: started, proven, and entered."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from local.cloud.cluster import fleet
from local.cloud.cluster.api import Object
from local.cloud.door import directory
from local.cloud.keyring import SECRET
from local.cloud.resources import managed_cluster
from local.cloud.workloads import pods
from local.cloud.workloads.pod import Pod
from local.cloud.workloads.pods import Pods
from local.commands.checks import Check
from local.commands.clusters import opened
from local.errors import LocalError
from local.paths import Paths

OPERATIONS = "app.kubernetes.io/name=memory-operations"
FIELD_KEYS = "field-keys"
PLAYED = ("ENGRAM_ZEP_URL", "ENGRAM_ZEP_API_KEY_FILE", "ENGRAM_GRAPHITI_URL")
"""Whoever these lead to is played by kwok: it remembers nothing, and answers nobody."""


def of_stack(paths: Paths, stack: str) -> Pods | None:
    """Return the real pods of a stack; None where it has no cluster of ours."""
    with opened(paths.cloud) as world:
        ids = managed_cluster.ids_of(stack, world)
    return Pods(paths, ids[0]) if ids and fleet.exists(ids[0]) else None


def start(paths: Paths, stack: str) -> Pods | None:
    """Start them, unless they run; returns before they are ready."""
    found = of_stack(paths, stack)
    if found is not None:
        found.start()
    return found


def ready(paths: Paths, stack: str) -> tuple[Pods, str]:
    """Start them and wait; return them and the memory service's address.

    Raises ``LocalError`` where there are none, or the service does not become ready.
    """
    found = start(paths, stack)
    if found is None:
        raise LocalError(f"stack {stack} has no cluster here; run `make up STACK={stack}` first.")
    return found, found.wait()


def verify(paths: Paths, stack: str) -> Iterator[Check]:
    """Prove that the first field keys are made, and that the memory service serves."""
    found = of_stack(paths, stack)
    if found is None:
        return
    if _named(found, FIELD_KEYS):
        yield _job(found)
    try:
        address = found.wait()
    except LocalError as error:
        yield Check(name="memory service", ok=False, found=str(error), wanted="ready")
        return
    words = f"ready at {address}: database, dimension and index are proven"
    yield Check(name="memory service", ok=True, found=words, wanted="ready")


def _job(found: Pods) -> Check:
    try:
        code = found.job(FIELD_KEYS)
    except LocalError as error:
        return Check(name=FIELD_KEYS, ok=False, found=str(error), wanted="ended well")
    words = "ended well" if code == 0 else f"ended with {code}; see {found.folder / 'jobs'}"
    return Check(name="field keys", ok=code == 0, found=words, wanted="ended well")


def _named(found: Pods, name: str) -> list[Object]:
    api = fleet.api(found.cluster_id)
    return api.items("/apis/batch/v1/jobs", fieldSelector=f"metadata.name={name}")


# -- the inside of a pod -----------------------------------------------------------------


def service_pod(found: Pods) -> Pod:
    """Return the memory service's pod. Raises ``LocalError`` where there is none."""
    deployments = fleet.api(found.cluster_id).items(
        "/apis/apps/v1/deployments", fieldSelector=f"metadata.name={pods.MEMORY_SERVICE}"
    )
    if not deployments:
        raise LocalError("the cluster has no memory service; run `make up` first.")
    around = pods.surroundings(found.paths, found.cluster_id)
    return found.service.pod(deployments[0], around)


@contextmanager
def operations_environment(found: Pods) -> Iterator[dict[str, str]]:
    """Give the environment of a job's pod, and its files, for the time of a block."""
    namespace, template = _operations_template(found)
    folder = found.folder / f"shell-{os.getpid()}"
    around = pods.surroundings(found.paths, found.cluster_id)
    pod = Pod(namespace=namespace, template=template, folder=folder, around=around)
    try:
        pod.mount()
        yield {k: v for k, v in pod.environment({}).items() if k not in PLAYED}
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _operations_template(found: Pods) -> tuple[str, Object]:
    api = fleet.api(found.cluster_id)
    for path, step in (("cronjobs", "jobTemplate"), ("jobs", None)):
        for one in api.items(f"/apis/batch/v1/{path}", labelSelector=OPERATIONS):
            spec = one["spec"][step]["spec"] if step else one["spec"]
            return one["metadata"]["namespace"], spec["template"]
    raise LocalError("the cluster has no job of the memory; run `make up` first.")


def as_login(paths: Paths, stack: str, login: str) -> dict[str, str]:
    """Return libpq's variables for another login of the stack, whose password the vault has."""
    with opened(paths.cloud) as world:
        for record in world.of_type(SECRET):
            says = record.outputs["properties"].get("contentType")
            own = record.urn.startswith(f"urn:pulumi:{stack}::")
            if own and says == f"PostgreSQL password of {login}":
                password = world.private(record.arm_id)["versions"][-1]["value"]
                return {"PGUSER": login, "PGPASSWORD": password}
    raise LocalError(f"the vault of stack {stack} has no password of {login}")


def as_owner(paths: Paths) -> dict[str, str]:
    """Return the variables of whoever signed in with ``az login``: the owner of the local cloud."""
    with opened(paths.cloud) as world:
        owner = directory.owner(world)
    return {"AZURE_CLIENT_ID": owner.client_id, "AZURE_CLIENT_SECRET": owner.secret}


def api_key(pod: Pod) -> str:
    """Return one of the keys that the memory service takes, from the pod's own file."""
    told: Mapping[str, Any] = {one["name"]: one.get("value") for one in pod.container["env"]}
    file = Path(pod.led(str(told["ENGRAM_API_KEYS_FILE"])))
    return file.read_text(encoding="utf-8").split()[0]
