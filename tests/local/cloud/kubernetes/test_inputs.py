"""Names and namespaces; and that all else stays as the program says it."""

from typing import Any

import pytest

from local.cloud.arm import UNKNOWN, Body
from local.cloud.kubernetes.errors import UnsupportedError
from local.cloud.kubernetes.inputs import check
from local.cloud.kubernetes.objects import Kind, has_unknown, id_of, same_quantity
from local.cloud.provider import Declared
from tests.local.cloud.kubernetes.manifests import config_map, manifest

AUTONAMED = {"pulumi.com/autonamed": "true"}


def declared(**more: Any) -> Declared:
    urn = "urn:pulumi:dev::engram::kubernetes:core/v1:ConfigMap::settings"
    return Declared(urn, b"seed", **more)


def unnamed(**metadata: Any) -> Body:
    return {**config_map("zep", a="1"), "metadata": {"namespace": "zep", **metadata}}


def checked(news: Body, olds: Body | None = None, **more: Any) -> Body:
    found = check(declared(**more), olds or {}, news, "default")
    assert not found.failures
    return found.inputs


def test_named_inputs_stay_as_they_are() -> None:
    news = config_map("zep", a="1")
    assert checked(news) == news


def test_an_unnamed_object_is_named_and_marked() -> None:
    first, second = checked(unnamed()), checked(unnamed())
    assert first == second
    assert first["metadata"]["name"].startswith("settings-")
    assert len(first["metadata"]["name"]) == len("settings-") + 8
    assert first["metadata"]["annotations"] == AUTONAMED


def test_a_name_once_given_is_kept() -> None:
    olds = unnamed(name="settings-before", annotations=AUTONAMED)
    assert checked(unnamed(), olds)["metadata"]["name"] == "settings-before"


@pytest.mark.parametrize(
    "metadata", [{"name": UNKNOWN}, {"name": "x", "annotations": UNKNOWN}], ids=str
)
def test_what_is_not_known_yet_is_left_alone(metadata: Body) -> None:
    news = unnamed(**metadata)
    assert checked(news) == news


def test_unknown_annotations_bear_no_mark() -> None:
    assert checked(unnamed(annotations=UNKNOWN))["metadata"]["annotations"] == UNKNOWN


def test_wholly_unknown_metadata_is_left_alone() -> None:
    news = {**config_map("zep"), "metadata": UNKNOWN}
    assert checked(news) == news


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"autonaming": "ENFORCE", "proposed_name": "proposed"}, "proposed"),
        ({"autonaming": "PROPOSE", "proposed_name": "proposed"}, "proposed"),
    ],
)
def test_the_engines_autonaming_is_respected(options: dict[str, Any], name: str) -> None:
    assert checked(unnamed(), **options)["metadata"]["name"] == name


@pytest.mark.parametrize(
    ("metadata", "options", "words"),
    [
        ({"generateName": "x-"}, {}, "not supported in Server-Side Apply mode"),
        ({}, {"autonaming": "DISABLE"}, "automatic naming is disabled"),
    ],
)
def test_refuses(metadata: Body, options: dict[str, str], words: str) -> None:
    found = check(declared(**options), {}, unnamed(**metadata), "default")
    assert words in found.failures[0].message


@pytest.mark.parametrize(
    ("obj", "olds", "namespace"),
    [
        (config_map(""), {}, "default"),
        (config_map("zep"), {}, "zep"),
        (manifest("v1:Namespace", "", "n"), {}, None),
        (manifest("storage.k8s.io/v1:StorageClass", "", "c"), {}, None),
        (manifest("example/v1:Widget", "", "w"), {}, "default"),
        (manifest("example/v1:Widget", "", "w"), manifest("example/v1:Widget", "", "w"), None),
    ],
)
def test_what_lies_in_a_namespace_gets_one(obj: Body, olds: Body, namespace: str | None) -> None:
    assert checked(obj, olds)["metadata"].get("namespace") == namespace


def test_read_only_fields_are_no_inputs() -> None:
    news = unnamed(name="x", uid="u", resourceVersion="1", creationTimestamp="now")
    assert checked(news)["metadata"] == {"namespace": "zep", "name": "x"}


def test_the_label_of_older_versions_is_kept_where_it_is() -> None:
    label = {"app.kubernetes.io/managed-by": "pulumi"}
    olds = unnamed(name="x", labels=label)
    assert checked(unnamed(name="x"), olds)["metadata"]["labels"] == label
    assert "labels" not in checked(unnamed(name="x"))["metadata"]


@pytest.mark.parametrize(
    ("token", "kind"),
    [
        ("kubernetes:core/v1:Secret", Kind("", "v1", "Secret")),
        ("kubernetes:apps/v1:Deployment", Kind("apps", "v1", "Deployment")),
        ("kubernetes:example/v1:AllowList", Kind("example", "v1", "AllowList")),
    ],
)
def test_a_type_is_a_kind(token: str, kind: Kind) -> None:
    assert Kind.of_type(token) == kind


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("kubernetes:core/v1:SecretList", "list resources"),
        ("kubernetes:core/v1:SecretPatch", "patches of objects"),
        ("kubernetes:helm.sh/v3:Release", "Helm releases"),
        ("kubernetes:yaml:ConfigFile", "YAML manifests"),
    ],
)
def test_a_type_that_is_no_object_is_named(token: str, words: str) -> None:
    with pytest.raises(UnsupportedError, match=words):
        Kind.of_type(token)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1000m", "1", True),
        ("1024Mi", "1Gi", True),
        (1, "1", True),
        ("0.5", "500m", True),
        ("1e3", "1k", True),
        ("1G", "1Gi", False),
        ("one", "one", False),
        (True, 1, False),
        (None, "1", False),
    ],
)
def test_quantities(one: Any, other: Any, same: bool) -> None:
    assert same_quantity(one, other) is same


def test_ids_and_unknowns() -> None:
    assert id_of(config_map("zep")) == "zep/settings"
    assert id_of(config_map("")) == "settings"
    assert has_unknown({"a": [{"b": UNKNOWN}]})
    assert not has_unknown({"a": [{"b": 1}]})


def test_what_only_the_real_plugin_replaces_is_refused() -> None:
    annotations = {"pulumi.com/replaceUnready": "true"}
    for kind, paths in (("batch/v1:Job", ["metadata.annotations"]), ("v1:Pod", [])):
        obj = manifest(kind, "zep", "it")
        obj["metadata"]["annotations"] = annotations
        assert [each.path for each in check(declared(), {}, obj, "").failures] == paths
