"""Whose field it is, from the server's own records."""

from typing import Any

import pytest

from local.cloud.arm import Body
from local.cloud.kubernetes.ownership import takeover, without_ignored

OURS = "pulumi-kubernetes-1234"


def entry(manager: str, operation: str = "Apply", **fields: Any) -> Body:
    owned = {f"f:{key}": value for key, value in fields.items()}
    return {"manager": manager, "operation": operation, "fieldsV1": {"f:spec": owned}}


def live(*entries: Body) -> Body:
    meta = {"resourceVersion": "7", "managedFields": list(entries)}
    return {"metadata": meta, "spec": {"replicas": 4, "paused": True}}


INPUTS: Body = {"spec": {"replicas": 1, "paused": False}}


@pytest.mark.parametrize(
    ("owners", "replicas"),
    [
        ([entry("autoscaler", replicas={})], None),
        ([entry("autoscaler", replicas={}), entry(OURS, replicas={})], 4),
        ([entry(OURS, replicas={})], 4),
        ([], 4),
    ],
)
def test_an_ignored_field_stays_as_it_is(owners: list[Body], replicas: int | None) -> None:
    sent = without_ignored(INPUTS, live(*owners), OURS, ["spec.replicas"])
    assert sent["spec"].get("replicas") == replicas
    assert sent["spec"]["paused"] is False
    assert INPUTS["spec"]["replicas"] == 1


def test_an_ignored_field_that_is_nowhere_is_sent_as_declared() -> None:
    assert without_ignored(INPUTS, {"metadata": {}}, OURS, ["spec.replicas"]) == INPUTS


@pytest.mark.parametrize(
    ("other", "taken"),
    [
        (entry("kubectl-client-side-apply", "Update", replicas={}), True),
        (entry("before-first-apply", "Update", replicas={}), True),
        (entry("kubectl", replicas={}), True),
        (entry("autoscaler", "Update", replicas={}), False),
        ({**entry("kubectl", "Update", replicas={}), "subresource": "scale"}, False),
    ],
)
def test_fields_of_tools_that_did_not_apply_become_ours(other: Body, taken: bool) -> None:
    patch = takeover(live(entry(OURS, paused={}), other), OURS)
    assert bool(patch) is taken
    if taken:
        fields, version = patch
        assert fields["value"] == [entry(OURS, paused={}, replicas={})]
        assert version["value"] == "7"
