"""Metric alerts: checked against what they refer to; they never fire here."""

from collections.abc import Iterator

from local.cloud.arm import ArmError, Body, Record, Refusal, ResourceType, lookup
from local.cloud.resources.names import one_of
from local.cloud.world import World

FREQUENCIES = ("PT1M", "PT5M", "PT15M", "PT30M", "PT1H")
WINDOWS = (*FREQUENCIES, "PT6H", "PT12H", "P1D")
SEVERITIES = range(5)


class MetricAlert(ResourceType):
    """``Microsoft.Insights/metricAlerts``."""

    token = "azure-native:monitor:MetricAlert"
    type = "Microsoft.Insights/metricAlerts"
    api_version = "2018-03-01"
    path = (
        "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}"
        "/providers/Microsoft.Insights/metricAlerts/{ruleName}"
    )

    def check(self, inputs: Body) -> Iterator[Refusal]:
        """Refuse a severity, frequency or window that Azure has not."""
        severity = lookup(inputs, "severity")
        if severity is not None and severity not in SEVERITIES:
            yield Refusal("severity", "BadRequest", f"{severity} is not in 0-4")
        yield from one_of(inputs, "evaluationFrequency", "BadRequest", *FREQUENCIES)
        yield from one_of(inputs, "windowSize", "BadRequest", *WINDOWS)

    def admit(self, world: World, arm_id: str, inputs: Body, old: Record | None) -> None:
        """Refuse a scope or action group that is not there."""
        actions = [a["actionGroupId"] for a in inputs.get("actions", []) if "actionGroupId" in a]
        for wanted in (*inputs["scopes"], *actions):
            if world.get(wanted) is None and wanted.count("/") > 2:  # noqa: PLR2004 - a subscription
                raise ArmError(404, "ResourceNotFound", f"The Resource '{wanted}' was not found.")
