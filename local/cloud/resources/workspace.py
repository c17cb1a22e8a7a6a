"""Log Analytics workspaces: a place for logs to go to; nothing is collected here."""

from collections.abc import Iterator

from local.cloud.arm import Body, Record, Refusal, ResourceType, lookup
from local.cloud.resources.names import name_rule, stable_guid
from local.cloud.world import World

WORKSPACE = "Microsoft.OperationalInsights/workspaces"
RETENTION_DAYS = range(30, 731)
FREE_RETENTION_DAYS = 7


class Workspace(ResourceType):
    """``Microsoft.OperationalInsights/workspaces``."""

    token = "azure-native:operationalinsights:Workspace"
    type = WORKSPACE
    api_version = "2023-09-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.OperationalInsights/workspaces/{workspaceName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a bad name, and a retention the plan does not offer."""
        yield from name_rule(
            inputs,
            "workspaceName",
            r"[A-Za-z0-9][A-Za-z0-9-]{2,61}[A-Za-z0-9]",
            "4-63 letters, digits and '-', beginning and ending with a letter or digit",
            "InvalidParameter",
        )
        days = lookup(inputs, "retentionInDays")
        free = lookup(inputs, "sku.name") == "Free"
        if days is not None and days not in ((FREE_RETENTION_DAYS,) if free else RETENTION_DAYS):
            yield Refusal(
                "retentionInDays",
                "InvalidParameter",
                f"{days} doesn't match the SKU limits: 30-730, Free 7",
            )

    def create(self, world: World, arm_id: str, inputs: Body) -> Body:
        """Make it."""
        return {
            "retentionInDays": RETENTION_DAYS[0],
            "publicNetworkAccessForIngestion": "Enabled",
            "publicNetworkAccessForQuery": "Enabled",
            **self.echo(arm_id, inputs),
            "customerId": stable_guid(arm_id),
            "provisioningState": "Succeeded",
        }

    def update(self, world: World, record: Record, inputs: Body) -> Body:
        """Change it; the customer id stays."""
        return self.create(world, record.arm_id, inputs)
