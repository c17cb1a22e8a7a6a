"""Management locks; ``control`` refuses what they forbid, on their scope and below."""

from collections.abc import Iterator

from local.cloud.arm import Body, Refusal, ResourceType
from local.cloud.resources.names import name_rule, one_of
from local.cloud.world import LOCK


class ManagementLock(ResourceType):
    """``Microsoft.Authorization/locks`` at any scope."""

    token = "azure-native:authorization:ManagementLockByScope"
    type = LOCK
    api_version = "2020-05-01"
    path = "{scope}/providers/Microsoft.Authorization/locks/{lockName}"

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, and a level that locks nothing."""
        yield from name_rule(
            inputs,
            "lockName",
            r"[\w(). -]{0,89}[\w()-]",
            "1-90 letters, digits, '_', '(', ')', '-', '.', not ending with '.'",
        )
        yield from one_of(inputs, "level", "InvalidLockLevel", "CanNotDelete", "ReadOnly")
