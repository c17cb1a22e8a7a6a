"""Resource groups: the container; deleting one deletes everything inside."""

from collections.abc import Iterator

from local.cloud import control
from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, parent_of
from local.cloud.resources.names import name_rule
from local.cloud.world import World


class ResourceGroup(ResourceType):
    """``Microsoft.Resources/resourceGroups``."""

    token = "azure-native:resources:ResourceGroup"
    type = "Microsoft.Resources/resourceGroups"
    api_version = "2024-03-01"
    path = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
    immutable = ("location",)
    slow = True  # what it holds may take its time to go

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a name that Azure would."""
        yield from name_rule(
            inputs,
            "resourceGroupName",
            r"[\w().-]{0,89}[\w()-]",
            "1-90 letters, digits, '_', '(', ')', '-' and '.', not ending with '.'",
            "InvalidResourceGroup",
        )

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse a group without a place."""
        if "location" not in inputs:
            raise ArmError(
                400,
                "LocationRequired",
                "The location property is required for this definition. Set it, or configure"
                " azure-native:location.",
            )

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Make it."""
        return {**self.echo(arm_id, inputs), "properties": {"provisioningState": "Succeeded"}}

    def delete(self, world: World, record: Record) -> None:
        """Delete what it holds, again and again while that frees something: as ARM does."""
        held = [r for r in world.children(record.arm_id) if _directly_in(record, r)]
        while held:
            refusals = [error for r in reversed(held) if (error := _refused(world, r)) is not None]
            if len(refusals) == len(held):
                raise refusals[0]
            held = [r for r in held if world.get(r.arm_id) is not None]


def _directly_in(group: Record, record: Record) -> bool:
    parent = parent_of(record.arm_id)
    return parent is not None and parent.lower() == group.arm_id.lower()


def _refused(world: World, record: Record) -> ArmError | None:
    try:
        control.delete(world, record.arm_id)
    except ArmError as error:
        return error
    return None
