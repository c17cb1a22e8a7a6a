"""Repairs what an interrupted run left behind, before the next one starts.

Three things can be left: the backend's note that somebody is at work, resources
that were being created when the engine died and are missing in its state, and
other operations whose end it never heard.  The local cloud knows which resource
an URN created; on Azure an operator finds out, see docs/runbooks/interrupted-up.md.
A fourth has nothing to do with a run: somebody removed the folder of a cluster.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rich.console import Console

from local.cloud.store import Store
from local.commands import clusters
from local.engine import UNATTENDED, Engine
from local.errors import LocalError
from local.process import command_of, is_alive

WITHOUT_CLUSTER = {"PULUMI_K8S_DELETE_UNREACHABLE": "true"}
"""Lets a refresh forget the objects of a cluster that is gone."""
FindId = Callable[[str], str | None]
"""Says which id, if any, the resource of an URN has in the cloud."""


def recover(engine: Engine, console: Console) -> list[str]:
    """Repair the stack after an interrupted run; return what was done, in words.

    Raises ``LocalError`` where another engine is still at work, or the repair fails.
    """
    done = _release_lock(engine)
    deployment = engine.deployment()
    pending = deployment.get("pending_operations")
    lost = clusters.forget_lost(engine.paths.cloud, deployment)
    if pending:
        console.print("The last run was interrupted; reading what it came to ...")
        done += _settle(engine)
        strays = clusters.remove_strays(engine.paths.cloud)
        done += [f"{_name(arm_id)}: removed what there was of it" for arm_id in strays]
    done += [
        f"{_name(arm_id)}: its control plane is gone; what it held is forgotten" for arm_id in lost
    ]
    if pending or lost:
        extra = {**engine.extra, **WITHOUT_CLUSTER} if lost else engine.extra
        if replace(engine, extra=extra).on_stack("refresh", *UNATTENDED).returncode:
            raise LocalError(
                f"stack {engine.stack} was interrupted and cannot be repaired; the messages above "
                "say why. Correct the cause and run the command again."
            )
    for line in done:
        console.print(f"  {line}")
    return done


def _release_lock(engine: Engine) -> list[str]:
    """Remove the notes of engines that are gone."""
    notes = sorted(engine.lock_folder.glob("*.json")) if engine.lock_folder.exists() else []
    if not notes:
        return []
    for note in notes:
        refuse_living(engine.stack, json.loads(note.read_text(encoding="utf-8") or "{}"))
    answer = engine.run(["cancel", "--yes", "--stack", engine.stack], capture=True)
    if answer.returncode:
        raise LocalError(f"the lock of stack {engine.stack} cannot be released:\n{answer.stderr}")
    return ["released the lock of a run that was killed"]


def refuse_living(stack: str, note: Mapping[str, Any]) -> None:
    """Raise ``LocalError`` where the engine that wrote a lock is still alive.

    Only one that was started by hand can be: ours hold the stack's lock, which we hold
    now. The name of the machine says nothing, since it may change. A number that a
    stranger got later does not count, and where the name of a process cannot be read,
    the cautious answer is that it lives.
    """
    pid = note.get("pid", 0)
    if pid and is_alive(pid) and command_of(pid) in {"pulumi", None}:
        raise LocalError(
            f"stack {stack} is busy: an engine that was started by hand (process {pid}) has "
            f"worked on it since {note.get('timestamp')}. Wait for it to end, or stop it with "
            f"`kill {pid}`, and run the command again."
        )


def _settle(engine: Engine) -> list[str]:
    """Write into the state what the cloud knows of the interrupted operations.

    ``pulumi refresh --import-pending-creates`` would be the engine's own way, but it forgets
    the operation and adopts nothing (seen with 3.258.0).
    """
    exported = engine.run(["stack", "export", "--stack", engine.stack], capture=True)
    if exported.returncode:
        raise LocalError(f"the state of {engine.stack} cannot be read:\n{exported.stderr}")
    document = json.loads(exported.stdout)
    store = Store(engine.paths.cloud)
    try:
        document["deployment"], words = settled(document["deployment"], store.created_by)
    finally:
        store.close()
    command = ["stack", "import", "--stack", engine.stack]
    imported = engine.run(command, capture=True, given=json.dumps(document))
    if imported.returncode:
        raise LocalError(f"the state of {engine.stack} cannot be repaired:\n{imported.stderr}")
    return words


def _name(arm_id: str) -> str:
    return arm_id.rpartition("/")[2]


def settled(deployment: Mapping[str, Any], find: FindId) -> tuple[dict[str, Any], list[str]]:
    """Return the deployment without pending operations, and what became of each.

    A creation that reached the cloud is adopted under its id, and one that did not is
    forgotten, to be done again. What an update or a deletion came to, the refresh
    after this reads from the cloud.
    """
    resources = list(deployment.get("resources") or [])
    words = []
    for operation in deployment.get("pending_operations") or []:
        resource, kind = operation["resource"], operation["type"]
        name = resource["urn"].rpartition("::")[2]
        found = find(resource["urn"])
        if kind != "creating":
            words.append(f"{name}: read what {kind} it came to")
        elif found is None or any(entry.get("id") == found for entry in resources):
            words.append(f"{name}: was not created, will be")
        else:
            resources = [_replaced(entry, resource["urn"]) for entry in resources]
            resources.append({**resource, "id": found})
            words.append(f"{name}: was created, adopted")
    return {**deployment, "resources": resources, "pending_operations": []}, words


def _replaced(entry: dict[str, Any], urn: str) -> dict[str, Any]:
    """Mark a predecessor for deletion, as the engine does when a replacement stands."""
    return {**entry, "delete": True} if entry["urn"] == urn else entry
