"""Sends logs and metrics of a resource to the stack's workspace."""

from collections.abc import Sequence

import pulumi
from pulumi_azure_native import monitor

from components.naming import Kind, azure_name


def send_logs(
    name: str,
    *,
    of: pulumi.Input[str],
    to: pulumi.Input[str],
    categories: Sequence[str] = (),
    opts: pulumi.ResourceOptions,
) -> monitor.DiagnosticSetting:
    """Declare the diagnostic setting ``name`` of one resource: all its logs, or some of them."""
    some = [monitor.DiagnosticsLogSettingsArgs(category=c, enabled=True) for c in categories]
    everything = [monitor.DiagnosticsLogSettingsArgs(category_group="allLogs", enabled=True)]
    return monitor.DiagnosticSetting(
        name,
        name=azure_name(Kind.DIAGNOSTICS, name),
        resource_uri=of,
        workspace_id=to,
        # A table for each category; the shared table AzureDiagnostics drops columns past 500.
        log_analytics_destination_type="Dedicated",
        logs=some or everything,
        metrics=[monitor.DiagnosticsMetricSettingsArgs(category="AllMetrics", enabled=True)],
        opts=opts,
    )
