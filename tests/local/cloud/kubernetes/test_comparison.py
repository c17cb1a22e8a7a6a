"""What is a change, and which change replaces."""

import pytest

from local.cloud.arm import UNKNOWN, Body
from local.cloud.diff import Change
from local.cloud.kubernetes.comparison import as_declared, compare, normal, pruned
from tests.local.cloud.kubernetes.manifests import config_map, deployment, manifest, service

NS = "zep"


def live(inputs: Body, **added: object) -> Body:
    """Return inputs as the server answers them, with what it adds."""
    meta = {"namespace": NS, **inputs["metadata"], "uid": "u", "resourceVersion": "7"}
    return {**inputs, "metadata": meta, **added}


def changed(old: Body, new: Body, **added: object) -> list[Change]:
    return compare(old, live(old, **added), new).changes


def test_nothing_that_the_server_adds_is_a_change() -> None:
    old = service(NS)
    answered = live(old, status={"loadBalancer": {}})
    answered["spec"] = {
        **old["spec"],
        "clusterIP": "10.0.0.1",
        "ports": [{**old["spec"]["ports"][0], "protocol": "TCP"}],
    }
    assert compare(old, answered, old).changes == []


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ({"requests": {"cpu": "1000m"}}, {"requests": {"cpu": "1"}}),
        ({"requests": {"memory": "1024Mi"}}, {"requests": {"memory": "1Gi"}}),
        ({"requests": {"memory": "1e3"}}, {"requests": {"memory": "1k"}}),
        ({"hard": {"requests.cpu": "4000m"}}, {"hard": {"requests.cpu": "4"}}),
        ({"emptyDir": {"sizeLimit": "1024Mi"}}, {"emptyDir": {"sizeLimit": "1Gi"}}),
        ({"hostNetwork": False, "name": "x"}, {"name": "x"}),
        ({"env": [{"name": "A", "value": ""}]}, {"env": [{"name": "A"}]}),
        ({"egress": []}, {}),
    ],
)
def test_the_servers_way_of_writing_is_no_change(asked: Body, answered: Body) -> None:
    assert pruned(answered, asked) == asked


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        ({"data": {"a": "1"}}, {"data": {"a": "1.0"}}),
        ({"env": [{"name": "A", "value": "1000m"}]}, {"env": [{"name": "A", "value": "1"}]}),
    ],
)
def test_words_that_only_look_like_amounts_are_words(asked: Body, answered: Body) -> None:
    assert pruned(answered, asked) == answered


def test_drift_is_a_change_back() -> None:
    old = deployment(NS, replicas=1)
    drifted = live(old)
    drifted["spec"] = {**old["spec"], "replicas": 4}
    assert compare(old, drifted, old).changes == [Change("spec.replicas", "UPDATE", False)]


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (
            deployment(NS, replicas=1),
            deployment(NS, replicas=2),
            Change("spec.replicas", "UPDATE", False),
        ),
        (
            config_map(NS, a="1"),
            config_map(NS, a="1", b="2"),
            Change("data.b", "ADD", True),
        ),
        (config_map(NS, a="1", b="2"), config_map(NS, a="1"), Change("data.b", "DELETE", True)),
        (service(NS), service("other"), Change("metadata.namespace", "UPDATE", True)),
        (service(NS), service(UNKNOWN), Change("metadata.namespace", "UPDATE", True)),
        (service(NS), service(NS, clusterIP="None"), Change("spec.clusterIP", "ADD", True)),
        (
            manifest("apps/v1:StatefulSet", NS, "s", spec={"template": {}}),
            manifest("apps/v1:StatefulSet", NS, "s", spec={"template": {}, "serviceName": "x"}),
            Change("spec.serviceName", "ADD", True),
        ),
        (
            manifest("v1:Pod", NS, "p", spec={"containers": [{"image": "a"}]}),
            manifest("v1:Pod", NS, "p", spec={"containers": [{"image": "b"}]}),
            Change("spec.containers[0].image", "UPDATE", True),
        ),
        (
            manifest("storage.k8s.io/v1:StorageClass", "", "c"),
            manifest("storage.k8s.io/v1:StorageClass", "", "c", parameters={"kind": "x"}),
            Change("parameters", "ADD", True),
        ),
        (
            manifest("example/v1:Widget", NS, "w", spec={"selector": 1}),
            manifest("example/v1:Widget", NS, "w", spec={"selector": 2}),
            Change("spec.selector", "UPDATE", False),
        ),
        (
            manifest("v1:ResourceQuota", NS, "q"),
            manifest("v1:ResourceQuota", NS, "q", spec={"hard": {"pods": "1"}}),
            Change("spec", "ADD", False),
        ),
        (
            manifest("v1:Pod", NS, "p"),
            manifest("v1:Pod", NS, "p", spec={"containers": [{"image": "a"}]}),
            Change("spec", "ADD", True),
        ),
    ],
    ids=lambda value: value.path if isinstance(value, Change) else "",
)
def test_finds(old: Body, new: Body, change: Change) -> None:
    assert changed(old, new) == [change]


def test_content_may_change_in_place_where_the_provider_says_so() -> None:
    old, new = config_map(NS, a="1"), config_map(NS, a="2")
    mutable = frozenset({"ConfigMap"})
    assert not compare(old, live(old), new, mutable).replaces
    fixed = {**new, "immutable": True}
    assert compare({**old, "immutable": True}, live(old), fixed, mutable).replaces == ["data.a"]


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({}, True),
        ({"name": "other"}, False),
        ({"namespace": "other"}, False),
        ({"annotations": {"pulumi.com/autonamed": "true"}}, False),
    ],
)
def test_the_old_goes_first_where_the_new_needs_its_name(changes: Body, first: bool) -> None:
    old, new = config_map(NS, a="1"), config_map(NS, a="2")
    new["metadata"] = {**new["metadata"], **changes}
    comparison = compare(old, live(old), new)
    assert comparison.replaces
    assert comparison.delete_first is first


def test_a_namespace_left_to_the_default_is_no_change() -> None:
    old = config_map("", a="1")
    answered = {**old, "metadata": {**old["metadata"], "namespace": "default"}}
    assert compare(old, answered, config_map("default", a="1")).changes == []


def test_a_secret_is_compared_as_the_server_keeps_it() -> None:
    secret = manifest("v1:Secret", NS, "s", stringData={"key": "value"}, data={"other": "eA=="})
    assert normal(secret)["data"] == {"key": "dmFsdWU=", "other": "eA=="}
    assert "stringData" not in normal(secret)


def test_an_import_declares_what_the_server_did_not_add() -> None:
    answered = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "web",
            "uid": "u",
            "managedFields": [],
            "annotations": {"deployment.kubernetes.io/revision": "1", "mine": "yes"},
        },
        "spec": {"replicas": 1},
        "status": {"replicas": 1},
    }
    assert as_declared(answered) == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "annotations": {"mine": "yes"}},
        "spec": {"replicas": 1},
    }
