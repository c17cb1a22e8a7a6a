"""Whom Azure tells, and of what: alerts on the platform's own metrics, one for each thing to do.

Only what nobody inside can tell: a server or a vault that does not answer says nothing itself.
Metrics: https://learn.microsoft.com/azure/postgresql/monitor/concepts-monitoring
and https://learn.microsoft.com/azure/key-vault/general/monitor-key-vault-reference
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
from pulumi_azure_native import monitor

from components.naming import Kind, azure_name
from components.placement import Placement

EVERY_MINUTE = "PT1M"
FIVE_MINUTES = "PT5M"
CRITICAL, WARNING = 1, 2
"""Azure's severities: 0 critical, 1 error, 2 warning; 0 is left to what is lost for good."""

STORAGE_PERCENT = 80
"""Azure makes a server read-only at 95 %; below this the sizing calls a disk large enough."""
CONNECTIONS_SHARE = 0.8
"""Of the connections that a size leaves to its users."""
VAULT_AVAILABILITY_PERCENT = 90


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """One metric, and from where it is an alert."""

    metric: str
    operator: monitor.Operator
    value: float
    aggregation: monitor.AggregationTypeEnum
    severity: int
    says: str


def server_thresholds(user_connections: int) -> dict[str, Threshold]:
    """Return what is watched of a server that leaves so many connections to its users."""
    above, below = monitor.Operator.GREATER_THAN, monitor.Operator.LESS_THAN
    most, mean = monitor.AggregationTypeEnum.MAXIMUM, monitor.AggregationTypeEnum.AVERAGE
    return {
        "down": Threshold(
            metric="is_db_alive",
            operator=below,
            value=1,
            aggregation=most,
            severity=CRITICAL,
            says="The server does not answer.",
        ),
        "storage": Threshold(
            metric="storage_percent",
            operator=above,
            value=STORAGE_PERCENT,
            aggregation=mean,
            severity=WARNING,
            says="The disk fills up; at 95 % the server becomes read-only.",
        ),
        "connections": Threshold(
            metric="active_connections",
            operator=above,
            value=int(CONNECTIONS_SHARE * user_connections),
            aggregation=mean,
            severity=WARNING,
            says=f"More than 80 % of {user_connections} connections are in use.",
        ),
    }


VAULT = {
    "unavailable": Threshold(
        metric="Availability",
        operator=monitor.Operator.LESS_THAN,
        value=VAULT_AVAILABILITY_PERCENT,
        aggregation=monitor.AggregationTypeEnum.AVERAGE,
        severity=CRITICAL,
        says="The vault fails requests; without its key the database stops within the hour.",
    )
}


def recipients(
    name: str,
    *,
    emails: Sequence[str],
    short_name: str,
    placement: Placement,
    opts: pulumi.ResourceOptions | None = None,
) -> monitor.ActionGroup:
    """Declare who is told; ``short_name``, at most 12 characters, begins each message."""
    return monitor.ActionGroup(
        name,
        action_group_name=azure_name(Kind.ACTION_GROUP, name),
        group_short_name=short_name,
        location="Global",
        enabled=True,
        email_receivers=[
            monitor.MicrosoftCommonEmailReceiverArgs(
                name=email, email_address=email, use_common_alert_schema=True
            )
            for email in emails
        ],
        resource_group_name=placement.resource_group_name,
        tags=placement.tags,
        opts=opts,
    )


@dataclass(frozen=True, kw_only=True)
class MetricAlertsArgs:
    """What a caller decides."""

    scope: pulumi.Input[str]
    """ARM id of the one resource that is watched."""
    thresholds: Mapping[str, Threshold]
    action_group_id: pulumi.Input[str]
    """Who is told."""
    placement: Placement


class MetricAlerts(pulumi.ComponentResource):
    """An alert for each threshold, on one resource."""

    def __init__(
        self, name: str, args: MetricAlertsArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("engram:azure:MetricAlerts", name, {}, opts)
        for part, threshold in args.thresholds.items():
            self._alert(f"{name}-{part}", args, threshold)
        self.register_outputs({})

    def _alert(self, name: str, args: MetricAlertsArgs, threshold: Threshold) -> None:
        monitor.MetricAlert(
            name,
            rule_name=azure_name(Kind.METRIC_ALERT, name),
            description=threshold.says,
            location="global",
            scopes=[args.scope],
            severity=threshold.severity,
            enabled=True,
            auto_mitigate=True,
            evaluation_frequency=EVERY_MINUTE,
            window_size=FIVE_MINUTES,
            criteria=_criteria(threshold),
            actions=[monitor.MetricAlertActionArgs(action_group_id=args.action_group_id)],
            resource_group_name=args.placement.resource_group_name,
            tags=args.placement.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )


def _criteria(
    threshold: Threshold,
) -> monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs:
    return monitor.MetricAlertSingleResourceMultipleMetricCriteriaArgs(
        odata_type="Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria",
        all_of=[
            monitor.MetricCriteriaArgs(
                criterion_type="StaticThresholdCriterion",
                name=threshold.metric,
                metric_name=threshold.metric,
                operator=threshold.operator,
                threshold=threshold.value,
                time_aggregation=threshold.aggregation,
            )
        ],
    )
