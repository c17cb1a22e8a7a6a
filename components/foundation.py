"""What a stack stands on: its resource group, its logs, who is told, the suffix of global names."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_random as random
from pulumi_azure_native import operationalinsights, resources

from components.alerts import recipients
from components.naming import Kind, azure_name
from components.placement import Placement

SUFFIX_LENGTH = 5
"""Long enough for 60 million vaults, short enough for the 24 characters of a vault's name."""


@dataclass(frozen=True, kw_only=True)
class FoundationArgs:
    """What a caller decides."""

    location: str
    tags: dict[str, str]
    log_retention_days: int
    alert_emails: Sequence[str]
    alert_prefix: str
    """Begins each message; at most 12 characters."""
    protected: bool


class Foundation(pulumi.ComponentResource):
    """A resource group in which the logs of everything else are kept."""

    resource_group_name: pulumi.Output[str]
    workspace_id: pulumi.Output[str]
    action_group_id: pulumi.Output[str]
    """Who is told when something is wrong."""
    suffix: pulumi.Output[str]
    """Kept in the state: it lives as long as the stack, and a new stack gets another one.

    A vault with purge protection occupies its name for weeks after a delete, so a name that
    could be computed could not be made again.
    """

    def __init__(
        self, name: str, args: FoundationArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:Foundation", name, {}, opts)
        group = self._group(name, args)
        self.resource_group_name = group.name
        self.workspace_id = self._workspace(name, args, group).id
        self.action_group_id = recipients(
            f"{name}-on-call",
            emails=args.alert_emails,
            short_name=args.alert_prefix,
            placement=Placement(
                resource_group_name=group.name, location=args.location, tags=args.tags
            ),
            opts=pulumi.ResourceOptions(parent=self),
        ).id
        self.suffix = self._suffix(name).result
        self.register_outputs({"resource_group_name": self.resource_group_name})

    def _group(self, name: str, args: FoundationArgs) -> resources.ResourceGroup:
        return resources.ResourceGroup(
            f"{name}-group",
            resource_group_name=azure_name(Kind.RESOURCE_GROUP, name),
            location=args.location,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protected),
        )

    def _workspace(
        self, name: str, args: FoundationArgs, group: resources.ResourceGroup
    ) -> operationalinsights.Workspace:
        return operationalinsights.Workspace(
            f"{name}-logs",
            resource_group_name=group.name,
            workspace_name=azure_name(Kind.WORKSPACE, name),
            location=args.location,
            retention_in_days=args.log_retention_days,
            sku=operationalinsights.WorkspaceSkuArgs(
                name=operationalinsights.WorkspaceSkuNameEnum.PER_GB2018
            ),
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _suffix(self, name: str) -> random.RandomString:
        return random.RandomString(
            f"{name}-suffix",
            length=SUFFIX_LENGTH,
            special=False,
            upper=False,
            opts=pulumi.ResourceOptions(parent=self),
        )
