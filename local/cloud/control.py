"""What Azure Resource Manager does for every type alike: admit, serialise, commit.

A write goes through here whoever asks for it, the plugin or a drill.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from local.cloud.arm import (
    ArmError,
    Body,
    PartialFailure,
    Record,
    ResourceType,
    parent_of,
    resource_group_of,
    without,
)
from local.cloud.wire import Path
from local.cloud.world import LOCK, World

REGISTRIES = "/providers/Microsoft.ContainerRegistry/registries/"
"""Always the customer's, and not simulated: what is granted on one is believed to be there."""


def create(
    world: World,
    type_: ResourceType,
    inputs: Body,
    urn: str = "",
    secrets: frozenset[Path] = frozenset(),
) -> Record:
    """Create a resource; an existing one is refused, a singleton adopted.

    ``secrets`` are the paths of inputs that the program marked.
    """
    arm_id = type_.arm_id(world.client.subscription_id, inputs)
    record = Record(arm_id, type_.type, inputs, {}, urn, world.now(), secrets)

    def work() -> Body:
        return type_.create(world, arm_id, inputs)

    with _serialised(world, type_, record, "create"):
        with world.transaction():
            old = world.get(arm_id)
            if old is not None and not type_.singleton:
                raise ArmError(
                    409, "AlreadyExists", f"cannot create already existing resource '{arm_id}'"
                )
            _require_parents(world, arm_id)
            _refuse_locked(world, arm_id, "write", levels=("ReadOnly",))
            type_.admit(world, arm_id, inputs, None)
            done = None if type_.slow else _commit(world, type_, record, work)
        return _settled(done or _commit(world, type_, record, work))


def update(
    world: World, record: Record, inputs: Body, secrets: frozenset[Path] = frozenset()
) -> Record:
    """Change a resource in place."""
    type_ = world.type_of(record)
    changed = replace(record, inputs=inputs, secrets=secrets)

    def work() -> Body:
        return type_.update(world, record, inputs)

    with _serialised(world, type_, changed, "update"):
        with world.transaction():
            world.require(record.arm_id)
            _refuse_locked(world, record.arm_id, "write", levels=("ReadOnly",))
            type_.admit(world, record.arm_id, inputs, record)
            done = None if type_.slow else _commit(world, type_, changed, work)
        return _settled(done or _commit(world, type_, changed, work))


def delete(world: World, arm_id: str) -> None:
    """Delete a resource and what lies below it; one that is gone already is no error."""
    record = world.get(arm_id)
    if record is None:
        return
    type_ = world.type_of(record)
    with _serialised(world, type_, record, "delete"):
        with world.transaction():
            if record.type != LOCK:
                _refuse_locked(world, arm_id, "delete", levels=("CanNotDelete", "ReadOnly"))
            if not type_.slow:
                _take_down(world, type_, record)
                return
        _take_down(world, type_, record)


def _take_down(world: World, type_: ResourceType, record: Record) -> None:
    type_.delete(world, record)
    if type_.singleton:
        return
    with world.transaction():
        for child in world.children(record.arm_id):
            world.delete(child.arm_id)
        world.delete(record.arm_id)


Done = tuple[Record, PartialFailure | None]


def _commit(world: World, type_: ResourceType, record: Record, work: Callable[[], Body]) -> Done:
    """Do the work and keep its outputs, also those of a partial failure."""
    try:
        return _keep(world, type_, record, work()), None
    except PartialFailure as failure:
        return _keep(world, type_, record, failure.outputs), failure


def _settled(done: Done) -> Record:
    """Raise a partial failure only when its transaction is over: what there is must stay."""
    record, failure = done
    if failure is not None:
        raise failure
    return record


def _keep(world: World, type_: ResourceType, record: Record, outputs: Body) -> Record:
    kept = replace(
        record,
        inputs=without(record.inputs, type_.secrets),
        outputs={**without(outputs, type_.secrets), "azureApiVersion": type_.api_version},
    )
    with world.transaction():
        world.put(kept)
    return kept


@contextmanager
def _serialised(
    world: World, type_: ResourceType, record: Record, operation: str
) -> Iterator[None]:
    holder = type_.serialised_on(record.arm_id, record.inputs)
    if holder is None:
        yield
        return
    with world.busy(holder, f"{operation} {record.arm_id}", type_.busy(holder)):
        yield


def _require_parents(world: World, arm_id: str) -> None:
    if REGISTRIES.lower() in arm_id.lower():
        return
    group = resource_group_of(arm_id)
    if group is not None and group.lower() != arm_id.lower() and world.get(group) is None:
        name = group.rsplit("/", 1)[-1]
        raise ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
    parent = parent_of(arm_id)
    if parent is None or world.get(parent) is not None or "/" not in parent.strip("/")[14:]:
        return
    raise ArmError(
        404,
        "ParentResourceNotFound",
        f"Failed to perform 'write' on '{arm_id}', because the parent resource '{parent}' could not"
        " be found.",
    )


def _refuse_locked(world: World, arm_id: str, operation: str, levels: tuple[str, ...]) -> None:
    """Raise ScopeLocked; deleting a group also meets the locks on what it holds."""
    is_group = resource_group_of(arm_id) == arm_id
    below = is_group and operation == "delete"
    scopes = [
        parent_of(lock.arm_id) or ""
        for lock in world.locks(arm_id, below=below)
        if lock.outputs["level"] in levels
    ]
    if scopes:
        raise ArmError(
            409,
            "ScopeLocked",
            f"The scope '{arm_id}' cannot perform {operation} operation because following"
            f" scope(s) are locked: '{','.join(scopes)}'. Please remove the lock and try again.",
        )
