"""Which cluster is meant, and when it is another one."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.cloud.arm import UNKNOWN, Body
from local.cloud.kubernetes.errors import KubernetesError
from local.cloud.kubernetes.kubeconfig import Settings, changes, load, refusals, unheeded


def config(server: str = "https://one", user: str = "me", namespace: str = "") -> str:
    inside = {"cluster": "c", "user": "u"} | ({"namespace": namespace} if namespace else {})
    return yaml.safe_dump(
        {
            "current-context": "a",
            "contexts": [
                {"name": "a", "context": inside},
                {"name": "b", "context": {"cluster": "d", "user": "u"}},
            ],
            "clusters": [
                {"name": "c", "cluster": {"server": server}},
                {"name": "d", "cluster": {"server": "https://other"}},
            ],
            "users": [{"name": "u", "user": {"username": user}}],
        }
    )


ONE = {"kubeconfig": config()}


@pytest.mark.parametrize(
    ("olds", "news", "differing", "replaces"),
    [
        (ONE, ONE, [], []),
        (ONE, {"kubeconfig": config(user="you")}, ["kubeconfig"], []),
        (ONE, {"kubeconfig": config("https://two")}, ["kubeconfig"], ["kubeconfig"]),
        (ONE, {**ONE, "context": "b"}, ["context"], ["context"]),
        (ONE, {**ONE, "cluster": "d"}, ["cluster"], ["cluster"]),
        (ONE, {**ONE, "context": "a"}, ["context"], []),
        (ONE, {**ONE, "namespace": "n"}, ["namespace"], []),
        (ONE, {"kubeconfig": UNKNOWN}, ["kubeconfig"], ["kubeconfig"]),
        ({}, ONE, ["kubeconfig"], []),
        (ONE, {**ONE, "clusterIdentifier": "x"}, ["clusterIdentifier"], []),
        (
            {**ONE, "clusterIdentifier": "x"},
            {**ONE, "clusterIdentifier": "y"},
            ["clusterIdentifier"],
            ["clusterIdentifier"],
        ),
        (
            {**ONE, "clusterIdentifier": "x"},
            {"kubeconfig": config("https://two"), "clusterIdentifier": "x"},
            ["kubeconfig"],
            [],
        ),
        (
            {**ONE, "clusterIdentifier": "x"},
            {"kubeconfig": UNKNOWN, "clusterIdentifier": "x"},
            ["kubeconfig"],
            [],
        ),
    ],
)
def test_another_cluster_replaces(
    olds: Body, news: Body, differing: list[str], replaces: list[str]
) -> None:
    assert changes(olds, news) == (differing, replaces)


def test_a_kubeconfig_is_content_or_object_or_path_or_ambient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config"
    file.write_text(config())
    expected = yaml.safe_load(config())
    assert load(config()) == load(json.dumps(expected)) == load(expected) == expected
    assert load(str(file)) == expected
    monkeypatch.setenv("KUBECONFIG", str(file))
    assert load(None) == expected


@pytest.mark.parametrize(
    ("given", "words"), [("{", "is not YAML"), ("no", "names no cluster"), ("a: b", "no cluster")]
)
def test_what_is_no_kubeconfig_is_told_without_quoting_it(given: str, words: str) -> None:
    with pytest.raises(KubernetesError, match=words):
        load(given)
    assert words in Settings.read({"kubeconfig": given}).problem


@pytest.mark.parametrize(
    ("values", "namespace"),
    [
        (ONE, "default"),
        ({"kubeconfig": config(namespace="there")}, "there"),
        ({"kubeconfig": config(namespace="there"), "namespace": "mine"}, "mine"),
    ],
)
def test_the_default_namespace(values: Body, namespace: str) -> None:
    assert Settings.read(values).namespace == namespace


def test_the_chosen_cluster_is_used_in_the_context() -> None:
    settings = Settings.read({**ONE, "cluster": "d"})
    assert settings.kubeconfig["contexts"][0]["context"]["cluster"] == "d"


@pytest.mark.parametrize(
    ("values", "paths"),
    [
        ({}, []),
        ({"enableServerSideApply": "true"}, []),
        ({"enableServerSideApply": "false"}, ["enableServerSideApply"]),
        ({"renderYamlToDirectory": "there"}, ["renderYamlToDirectory"]),
        ({"renderYamlToDirectory": ""}, []),
        ({"enableServerSideApply": UNKNOWN}, []),
    ],
)
def test_what_is_not_served_is_named(values: dict[str, Any], paths: list[str]) -> None:
    assert [each.path for each in refusals(values)] == paths


def test_what_makes_no_difference_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unheeded(ONE) == []
    assert unheeded({**ONE, "kubeClientSettings": {"qps": 5}}) == ["kubeClientSettings"]
    monkeypatch.setenv("PULUMI_K8S_AWAIT_ALL", "true")
    assert unheeded(ONE) == ["PULUMI_K8S_AWAIT_ALL"]


def test_an_empty_kubeconfig_of_the_environment_names_no_cluster(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KUBECONFIG", os.devnull)
    for values in ({}, {"kubeconfig": ""}):
        assert "names no cluster" in Settings.read(values).problem


def test_the_environment_has_a_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_K8S_DELETE_UNREACHABLE", "true")
    monkeypatch.setenv("PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE", "true")
    settings = Settings.read({**ONE, "enableConfigMapMutable": "false"})
    assert settings.delete_unreachable
    assert settings.mutable == frozenset()
