"""components/alerts.py: what Azure watches, from where it is an alert, and who is told."""

from typing import Any

import pytest

from components.alerts import VAULT, MetricAlerts, MetricAlertsArgs, recipients, server_thresholds
from components.placement import Placement
from tests.deployment import Deployment, deploy

ALERT = "azure-native:monitor:MetricAlert"
GROUP = "azure-native:monitor:ActionGroup"
PLACE = Placement(resource_group_name="rg", location="westeurope", tags={"owner": "us"})


def watched(thresholds: Any) -> Deployment:
    args = MetricAlertsArgs(
        scope="/server", thresholds=thresholds, action_group_id="/on-call", placement=PLACE
    )
    return deploy(lambda: MetricAlerts("db-server", args))


@pytest.mark.parametrize(
    ("part", "wanted"),
    [
        ("down", ("is_db_alive", "LessThan", 1, "Maximum", 1)),
        ("storage", ("storage_percent", "GreaterThan", 80, "Average", 2)),
        ("connections", ("active_connections", "GreaterThan", 675, "Average", 2)),
    ],
)
def test_a_server_is_watched(part: str, wanted: tuple[object, ...]) -> None:
    assert criterion(watched(server_thresholds(844)).all(ALERT)[f"db-server-{part}"]) == wanted


def test_a_vault_is_watched() -> None:
    assert criterion(watched(VAULT).one(ALERT)) == ("Availability", "LessThan", 90, "Average", 1)


def criterion(alert: dict[str, Any]) -> tuple[object, ...]:
    (only,) = alert["criteria"]["allOf"]
    wanted = ("metricName", "operator", "threshold", "timeAggregation")
    return (*(only[key] for key in wanted), alert["severity"])


def test_an_alert_is_on_looks_every_minute_and_tells_the_group() -> None:
    alert = watched(VAULT).one(ALERT)
    assert alert["enabled"] is True
    assert alert["scopes"] == ["/server"]
    assert alert["actions"] == [{"actionGroupId": "/on-call"}]
    assert (alert["evaluationFrequency"], alert["windowSize"]) == ("PT1M", "PT5M")


def test_those_who_are_told_get_azures_common_form() -> None:
    def program() -> None:
        recipients(
            "engram-dev",
            emails=["a@example.com", "b@example.com"],
            short_name="engram-dev",
            placement=PLACE,
        )

    group = deploy(program).one(GROUP)
    assert [receiver["emailAddress"] for receiver in group["emailReceivers"]] == [
        "a@example.com",
        "b@example.com",
    ]
    assert all(receiver["useCommonAlertSchema"] for receiver in group["emailReceivers"])
    assert group["enabled"] is True
