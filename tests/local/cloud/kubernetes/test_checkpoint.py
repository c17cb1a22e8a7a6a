"""What the state keeps, and what of it is secret."""

import pytest

from local.cloud.arm import Body
from local.cloud.kubernetes.checkpoint import Checkpoint, secrets_of
from local.cloud.wire import Path

LIVE: Body = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "x"},
    "data": {"a": "1"},
}
ASKED: Body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}


def test_the_state_is_the_live_object_and_what_was_asked_for() -> None:
    outputs = Checkpoint(LIVE, ASKED, "manager").outputs()
    assert outputs == {
        **LIVE,
        "__inputs": ASKED,
        "__initialApiVersion": "v1",
        "__fieldManager": "manager",
    }
    assert Checkpoint.of(outputs) == Checkpoint(LIVE, ASKED, "manager", "v1")


def test_the_version_of_the_creation_stays() -> None:
    assert Checkpoint(LIVE, ASKED, "m", "v1beta1").outputs()["__initialApiVersion"] == "v1beta1"


def test_dashes_become_underscores_and_back() -> None:
    schema: Body = {"spec": [{"x-kubernetes-preserve-unknown-fields": True}]}
    outputs = Checkpoint({**LIVE, **schema}, {}).outputs()
    assert outputs["spec"] == [{"x_kubernetes_preserve_unknown_fields": True}]
    assert Checkpoint.of(outputs).live["spec"] == schema["spec"]


@pytest.mark.parametrize(
    ("marked", "secret"),
    [
        ({("data", "a")}, {("data", "a"), ("__inputs", "data", "a")}),
        ({("data",)}, {("data",), ("__inputs", "data")}),
        ({("nowhere", "a")}, set()),
        ({("metadata", "name")}, {("metadata", "name")}),
    ],
)
def test_a_secret_input_is_secret_wherever_it_is_echoed(
    marked: set[Path], secret: set[Path]
) -> None:
    assert secrets_of(Checkpoint(LIVE, ASKED, "m").outputs(), marked) == secret


def test_a_secret_in_a_list_hides_the_list() -> None:
    body = {"kind": "Pod", "spec": {"containers": [{"env": [{"value": "canary"}]}]}}
    marked = {("spec", "containers", 0, "env", 0, "value")}
    assert secrets_of(body, marked) == {("spec", "containers")}


def test_the_data_of_a_secret_is_secret_whoever_asks() -> None:
    body = {"kind": "Secret", "data": {"a": "eA=="}, "metadata": {"name": "x"}}
    assert secrets_of({**body, "__inputs": body}, ()) == {("data",), ("__inputs", "data")}
