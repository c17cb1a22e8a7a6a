"""What is logged, for how long, and who is told."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from assurance.policies.azure import (
    ALERT,
    DIAGNOSTICS,
    RECIPIENTS,
    SERVER,
    VAULT,
    WORKSPACE,
    is_number,
)
from assurance.policies.model import Fault, Resource, Severity, Stack, resource_rule, stack_rule
from assurance.policies.words import must_be_on, unlike

SHORTEST_LOG_DAYS: Final = 90
ALL: Final = ("allLogs", "audit")
ALERTS: Final[Mapping[str, Mapping[str, tuple[str, float, float]]]] = {
    SERVER: {
        "is_db_alive": ("LessThan", 1, 1),
        "storage_percent": ("GreaterThan", 50, 94),
        "active_connections": ("GreaterThan", 1, 4999),
    },
    VAULT: {"Availability": ("LessThan", 50, 100)},
}
"""Metrics of which each tells that something is to be done now: the operator, and between which
thresholds it comes in time.  At 95 % Azure stops all writes; no server takes 5000 connections."""
RECEIVERS: Final = ("email", "sms", "webhook", "logicApp", "azureFunction", "itsm", "eventHub")


def _logged(stack: Stack, kind: str) -> Iterator[Fault]:
    workspaces = stack.of_type(WORKSPACE)
    for resource in stack.of_type(kind):
        own = [it for it in stack.of_type(DIAGNOSTICS) if it.refers("resourceUri", resource)]
        if not own:
            yield resource, "its logs go nowhere; allowed: a diagnostic setting with all of them"
        for setting in own:
            if not any(_is_complete(log) for log in setting.get("logs") or ()):
                yield setting, "not all logs are enabled; allowed: allLogs, or audit"
            if not any(setting.refers("workspaceId", it) for it in workspaces):
                yield setting, "workspaceId is no workspace of the stack"


def _is_complete(log: Any) -> bool:
    return log.get("categoryGroup") in ALL and log.get("enabled") is True


@stack_rule(
    name="postgres-logs-kept",
    title="Every database's logs leave it, to where it cannot change them",
    severity=Severity.HIGH,
    remediation="Send all logs of the server to the stack's workspace.",
    ai_rmf=("MEASURE 2.4", "MEASURE 2.8", "MANAGE 4.1"),
    sp800_53=("AU-4(1)", "AU-6", "AU-9(2)"),
    azure_policy=("78ed47da-513e-41e9-a088-e829b373281d",),
)
def postgres_logs_kept(stack: Stack) -> Iterator[Fault]:
    """The audit's records are worth as much as the distance to whom they are about."""
    yield from _logged(stack, SERVER)


@stack_rule(
    name="vault-logs-kept",
    title="Every use of a key or secret is logged outside of its vault",
    severity=Severity.HIGH,
    remediation="Send all logs of the vault to the stack's workspace.",
    ai_rmf=("MEASURE 2.8", "MANAGE 4.1"),
    sp800_53=("AU-4(1)", "AU-6", "AU-12"),
    azure_policy=(
        "cf820ca0-f99e-4f3e-84fb-66e913812d21",
        "951af2fa-529b-416e-ab6e-066fd85ac459",
    ),
    psrule=("Azure.KeyVault.Logs",),
)
def vault_logs_kept(stack: Stack) -> Iterator[Fault]:
    """The rotation log of AI-SEC-01 is made of it."""
    yield from _logged(stack, VAULT)


@resource_rule(
    WORKSPACE,
    name="monitoring-log-days",
    title="Logs are kept for 90 days or more",
    severity=Severity.MEDIUM,
    remediation="Set log_retention_days to 90 or more.",
    ai_rmf=("MEASURE 2.8", "GOVERN 1.4"),
    sp800_53=("AU-11",),
    trivy=("AZU-0025",),
)
def log_days(workspace: Resource) -> Iterator[str]:
    """What happened is often asked for months later."""
    if not is_number(workspace.get("retentionInDays"), SHORTEST_LOG_DAYS):
        allowed = f"{SHORTEST_LOG_DAYS} or more"
        yield unlike("retentionInDays", workspace.get("retentionInDays"), allowed)


def _without_alerts(stack: Stack, kind: str) -> Iterator[Fault]:
    for resource in stack.of_type(kind):
        criteria: list[Any] = [
            alert.get("criteria.allOf") or ()
            for alert in stack.of_type(ALERT)
            if any(alert.refers(scope, resource) for scope in alert.items("scopes"))
        ]
        for metric, (operator, least, most) in ALERTS[kind].items():
            # Of several criteria all must hold; then another one can keep it from ever firing.
            if not any(len(all_of) == 1 and _fires(all_of[0], metric) for all_of in criteria):
                allowed = f"a metric alert of its own: {operator} {least} to {most}"
                yield resource, f"nobody is told of its {metric} in time; allowed: {allowed}"


def _fires(criterion: Any, metric: str) -> bool:
    """Return whether what an alert waits for can come, and comes before it is too late."""
    operator, least, most = next(it[metric] for it in ALERTS.values() if metric in it)
    return (
        criterion.get("metricName") == metric
        and criterion.get("operator") == operator
        and is_number(criterion.get("threshold"), least, most)
    )


@stack_rule(
    name="postgres-alerts",
    title="Somebody is told when a database is down, fills up or runs out of connections",
    severity=Severity.HIGH,
    remediation="Declare metric alerts on the server: is_db_alive, storage_percent and"
    " active_connections.",
    ai_rmf=("MEASURE 2.4", "MANAGE 4.1", "MANAGE 4.3"),
    sp800_53=("SI-4", "IR-5"),
)
def postgres_alerts(stack: Stack) -> Iterator[Fault]:
    """A server that does not answer says nothing itself."""
    yield from _without_alerts(stack, SERVER)


@stack_rule(
    name="vault-alerts",
    title="Somebody is told when a vault does not answer",
    severity=Severity.HIGH,
    remediation="Declare a metric alert on the vault: Availability.",
    ai_rmf=("MEASURE 2.4", "MANAGE 4.1", "MANAGE 4.3"),
    sp800_53=("SI-4", "IR-5"),
)
def vault_alerts(stack: Stack) -> Iterator[Fault]:
    """Without its key the database stops within the hour."""
    yield from _without_alerts(stack, VAULT)


@stack_rule(
    name="monitoring-alert-arrives",
    title="Every alert is on, and goes to people of this stack",
    severity=Severity.HIGH,
    remediation="Set enabled, and name the stack's action group in actions.",
    ai_rmf=("MEASURE 2.4", "MANAGE 4.3"),
    sp800_53=("SI-4(5)",),
)
def alert_arrives(stack: Stack) -> Iterator[Fault]:
    """An alert that nobody gets is worse than none: one relies on it."""
    for alert in stack.of_type(ALERT):
        yield from ((alert, words) for words in must_be_on(alert.inputs, "enabled"))
        actions = [f"{action}.actionGroupId" for action in alert.items("actions")]
        groups = stack.of_type(RECIPIENTS)
        if not any(alert.refers(action, group) for action in actions for group in groups):
            yield alert, "actions name no action group of the stack"


@resource_rule(
    RECIPIENTS,
    name="monitoring-somebody-is-told",
    title="A group of recipients is on, and has somebody in it",
    severity=Severity.HIGH,
    remediation="List addresses in alerts.emails.",
    ai_rmf=("MEASURE 2.4", "MANAGE 4.3"),
    sp800_53=("SI-4(5)",),
    trivy=("AZU-0018",),
)
def somebody_is_told(group: Resource) -> Iterator[str]:
    """Azure takes an empty group without a word."""
    yield from must_be_on(group.inputs, "enabled")
    if not any(group.get(f"{kind}Receivers") for kind in RECEIVERS):
        yield "it has no receivers; allowed: one or more"
