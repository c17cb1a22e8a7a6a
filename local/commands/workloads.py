"""The way to the cluster of a stack, and what the outside judge says of its workloads."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.cloud.keyring import SECRET
from local.commands.checks import Check, ask
from local.commands.clusters import opened
from local.errors import LocalError
from local.files import write_atomically
from local.paths import Paths


def kubeconfig(paths: Paths, stack: str, outputs: Mapping[str, Any]) -> Path:
    """Write the kubeconfig of the stack where only we can read it, and return the file.

    Raises ``LocalError`` where the stack has no cluster.
    """
    if not outputs.get("cluster"):
        raise LocalError(f"stack {stack} has no cluster; run `make up STACK={stack}` first.")
    file = paths.local / "kubeconfig" / f"{stack}.yaml"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomically(file, outputs["kubeconfig"], mode=0o600)
    return file


def verify(file: Path, namespace: str, paths: Paths) -> tuple[Check, ...]:
    """Ask the outside judge to prove the live namespace."""
    command = ("assurance", "cluster", "verify", "--json", "--vault-secrets", "/dev/stdin")
    return ask(
        *(*command, "--namespace", namespace),
        given=secrets_by_vault(paths),
        environment={"KUBECONFIG": str(file)},
        subject="cluster",
    )


def secrets_by_vault(paths: Paths) -> dict[str, list[str]]:
    """Return the names of all secrets of the local cloud."""
    found: dict[str, list[str]] = defaultdict(list)
    with opened(paths.cloud) as world:
        for record in world.of_type(SECRET):
            vault = record.arm_id.split("/")[-3]
            found[vault].append(record.name)
    return found
