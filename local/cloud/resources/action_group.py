"""Action groups: whom an alert tells; here nobody is told."""

from collections.abc import Iterator

from local.cloud.arm import Body, Refusal, ResourceType, lookup
from local.cloud.resources.names import name_rule

MAX_SHORT_NAME = 12


class ActionGroup(ResourceType):
    """``Microsoft.Insights/actionGroups``."""

    token = "azure-native:monitor:ActionGroup"
    type = "Microsoft.Insights/actionGroups"
    api_version = "2024-10-01-preview"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.Insights/actionGroups/{actionGroupName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, and a short name that is not short."""
        yield from name_rule(
            inputs, "actionGroupName", r"[^:<>+/&%\\?]{1,259}[^:<>+/&%\\?. ]", "1-260 characters"
        )
        short = lookup(inputs, "groupShortName")
        if short is not None and not 1 <= len(short) <= MAX_SHORT_NAME:
            yield Refusal(
                "groupShortName",
                "InvalidGroupShortName",
                f"'{short}' has {len(short)} characters; 1-{MAX_SHORT_NAME} are allowed",
            )
