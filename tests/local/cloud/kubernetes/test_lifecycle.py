"""The real engine, our plugin and a real API server, together."""

import subprocess
import time
from pathlib import Path

import pytest

from local.cloud.arm import Body
from local.cloud.kubernetes.client import Apply, Client
from local.cloud.kubernetes.objects import Kind, metadata, pluck
from tests.e2e.installation import running
from tests.local.cloud.kubernetes.manifests import (
    RESTRICTED,
    config_map,
    deployment,
    manifest,
    pod,
    service,
    widgets,
)
from tests.local.cloud.kubernetes.stack import Stack

pytestmark = pytest.mark.slow
CONFIG_MAP = Kind("", "v1", "ConfigMap")
NODE = Kind("", "v1", "Node")
DEPLOYMENT = Kind("apps", "v1", "Deployment")


def test_a_second_up_and_a_refresh_change_nothing(stack: Stack, namespace: str) -> None:
    secret = manifest("v1:Secret", namespace, "s", stringData={"key": "canary"})
    quota = manifest("v1:ResourceQuota", namespace, "q", spec={"hard": {"requests.cpu": "4000m"}})
    peer: list[Body] = [{"podSelector": {}}]
    policy = manifest(
        "networking.k8s.io/v1:NetworkPolicy",
        namespace,
        "p",
        spec={"podSelector": {}, "ingress": [{"from": peer}], "egress": []},
    )
    stack.declare("web", "apps/v1:Deployment", deployment(namespace, replicas=2))
    stack.declare("service", "core/v1:Service", service(namespace), depends_on=["web"])
    stack.declare("secret", "core/v1:Secret", secret)
    stack.declare("quota", "core/v1:ResourceQuota", quota)
    stack.declare("policy", "networking.k8s.io/v1:NetworkPolicy", policy)
    assert stack.up() == {"create": 7}
    outputs = stack.state("web")["outputs"]
    assert outputs["status"]["readyReplicas"] == 2
    assert outputs["__fieldManager"].startswith("pulumi-kubernetes-")
    assert outputs["__initialApiVersion"] == "apps/v1"
    assert stack.state("web")["id"] == f"{namespace}/web"
    assert stack.up() == {"same": 7}
    stack.succeed("refresh")
    assert stack.engine.last_changes() == {"same": 7}
    assert stack.up() == {"same": 7}
    assert "canary" not in stack.engine.state_file.read_text()
    stack.succeed("destroy")


def test_a_change_is_applied_and_awaited(stack: Stack, namespace: str, client: Client) -> None:
    stack.declare("web", "apps/v1:Deployment", deployment(namespace))
    stack.up()
    stack.declare("web", "apps/v1:Deployment", deployment(namespace, replicas=3))
    preview = stack.succeed("preview", "--diff")
    assert "replicas: 1 => 3" in preview
    assert pluck(client.get(DEPLOYMENT, namespace, "web"), "spec", "replicas") == 1
    assert stack.up()["update"] == 1
    assert pluck(stack.state("web"), "outputs", "status", "readyReplicas") == 3


def test_what_may_not_change_is_replaced_under_its_own_name(stack: Stack, namespace: str) -> None:
    stack.declare("settings", "core/v1:ConfigMap", config_map(namespace, a="1"))
    stack.up()
    before = stack.state("settings")["outputs"]["metadata"]["uid"]
    stack.declare("settings", "core/v1:ConfigMap", config_map(namespace, a="2"))
    assert "1 to replace" in stack.succeed("preview")
    assert stack.up()["replace"] == 1
    after = stack.state("settings")["outputs"]
    assert after["metadata"]["uid"] != before
    assert after["data"] == {"a": "2"}


def test_an_unnamed_object_is_named_once_and_replaced_before_it_goes(
    stack: Stack, namespace: str, client: Client
) -> None:
    unnamed = config_map(namespace, a="1")
    del unnamed["metadata"]["name"]
    stack.declare("auto", "core/v1:ConfigMap", unnamed)
    stack.up()
    meta = stack.state("auto")["outputs"]["metadata"]
    assert meta["name"].startswith("auto-")
    assert meta["annotations"] == {"pulumi.com/autonamed": "true"}
    assert stack.up() == {"same": 3}
    stack.declare("auto", "core/v1:ConfigMap", {**unnamed, "data": {"a": "2"}})
    assert stack.up()["replace"] == 1
    assert stack.state("auto")["outputs"]["metadata"]["name"] != meta["name"]
    assert client.find(CONFIG_MAP, namespace, meta["name"]) is None


def test_a_preview_asks_the_server_and_changes_nothing(
    stack: Stack, namespace: str, client: Client
) -> None:
    stack.declare("settings", "core/v1:ConfigMap", config_map(namespace, a="1"))
    stack.succeed("preview")
    assert client.find(CONFIG_MAP, namespace, "settings") is None
    bad = manifest("v1:ConfigMap", namespace, "Not A Name", data={})
    stack.declare("settings", "core/v1:ConfigMap", bad)
    assert "Invalid value" in stack.fail("preview")


def test_the_first_preview_knows_no_kubeconfig(stack: Stack, namespace: str) -> None:
    stack.kubeconfig_later = True
    stack.declare("web", "apps/v1:Deployment", deployment(namespace))
    assert "4 to create" in stack.succeed("preview")
    assert stack.up() == {"create": 4}
    assert stack.up() == {"same": 4}


def test_pod_security_is_told_at_once_and_in_the_end(stack: Stack, namespace: str) -> None:
    loose = deployment(namespace, hostNetwork=True)
    loose["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": "3"}
    stack.declare("web", "apps/v1:Deployment", loose)
    told = stack.fail("up")
    assert 'warning: would violate PodSecurity "restricted:latest"' in told
    assert "'web' timed out waiting to be Ready" in told
    assert "[FailedCreate] pods" in told
    assert "is forbidden" in told
    assert stack.state("web")["id"] == f"{namespace}/web"
    stack.declare("web", "apps/v1:Deployment", deployment(namespace))
    assert stack.up()["update"] == 1
    assert "initErrors" not in stack.state("web")


def test_a_conflict_names_manager_and_field(stack: Stack, namespace: str, client: Client) -> None:
    stack.declare("web", "apps/v1:Deployment", deployment(namespace))
    stack.up()
    theirs = manifest("apps/v1:Deployment", namespace, "web", spec={"replicas": 4})
    client.apply(theirs, Apply("somebody", force=True), lambda _: None)
    ours = deployment(namespace, replicas=2)
    stack.declare("web", "apps/v1:Deployment", ours)
    told = stack.fail("up")
    assert "Server-Side Apply field conflict detected" in told
    assert "somebody" in told
    assert ".spec.replicas" in told
    ours["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
    stack.declare("web", "apps/v1:Deployment", ours)
    stack.up()
    assert pluck(client.get(DEPLOYMENT, namespace, "web"), "spec", "replicas") == 2


def test_an_ignored_field_stays_another_managers(
    stack: Stack, namespace: str, client: Client
) -> None:
    ignored = {"ignore_changes": ["spec.replicas"]}
    stack.declare("web", "apps/v1:Deployment", deployment(namespace), **ignored)
    stack.up()
    theirs = manifest("apps/v1:Deployment", namespace, "web", spec={"replicas": 2})
    client.apply(theirs, Apply("autoscaler", force=True), lambda _: None)
    labelled = deployment(namespace)
    labelled["metadata"]["labels"] = {"a": "b"}
    stack.declare("web", "apps/v1:Deployment", labelled, **ignored)
    stack.up()
    live = client.get(DEPLOYMENT, namespace, "web")
    assert pluck(live, "spec", "replicas") == 2
    assert metadata(live)["labels"] == {"a": "b"}


def test_drift_is_seen_by_a_refresh_and_mended(
    stack: Stack, namespace: str, client: Client
) -> None:
    stack.declare("web", "apps/v1:Deployment", deployment(namespace))
    stack.declare("settings", "core/v1:ConfigMap", config_map(namespace, a="1"))
    stack.up()
    client.delete(CONFIG_MAP, namespace, "settings", "Background")
    theirs = manifest("apps/v1:Deployment", namespace, "web", spec={"replicas": 2})
    client.apply(theirs, Apply("kubectl", force=True), lambda _: None)
    stack.succeed("refresh")
    changes = stack.up()
    assert (changes["create"], changes["update"]) == (1, 1)
    assert pluck(client.get(DEPLOYMENT, namespace, "web"), "spec", "replicas") == 1


def test_what_was_deleted_outside_is_deleted(stack: Stack, namespace: str, client: Client) -> None:
    stack.declare("settings", "core/v1:ConfigMap", config_map(namespace, a="1"))
    stack.up()
    client.delete(CONFIG_MAP, namespace, "settings", "Background")
    stack.succeed("destroy")


def test_an_object_waits_for_the_definition_of_its_kind(
    stack: Stack, namespace: str, client: Client
) -> None:
    group = f"{namespace}.example"
    custom = manifest(f"{group}/v1:Widget", namespace, "one", spec={"size": 1})
    stack.declare("widgets", "apiextensions.k8s.io/v1:CustomResourceDefinition", widgets(group))
    stack.declare("one", f"{group}/v1:Widget", custom)
    stack.succeed("preview")
    assert stack.up() == {"create": 4}
    assert stack.up() == {"same": 4}
    stack.succeed("refresh")
    assert stack.engine.last_changes() == {"same": 4}
    custom["spec"]["size"] = 2
    definition = widgets(group)
    definition["spec"]["names"]["shortNames"] = ["wd"]
    stack.declare("widgets", "apiextensions.k8s.io/v1:CustomResourceDefinition", definition)
    stack.declare("one", f"{group}/v1:Widget", custom)
    assert stack.up() == {"same": 2, "update": 2}
    stack.succeed("destroy")
    assert client.find(Kind(group, "v1", "Widget"), namespace, "one") is None


def test_an_unreachable_cluster_only_warns_in_a_preview(
    stack: Stack, namespace: str, tmp_path: Path
) -> None:
    dead = tmp_path / "dead"
    dead.write_text(
        "{current-context: a, contexts: [{name: a, context: {cluster: c, user: u}}],"
        " clusters: [{name: c, cluster: {server: 'http://127.0.0.1:9'}}],"
        " users: [{name: u, user: {token: t}}]}\n"
    )
    stack.kubeconfig = dead
    stack.declare("settings", "core/v1:ConfigMap", config_map(namespace, a="1"))
    unreachable = "configured Kubernetes cluster is unreachable"
    assert f"warning: {unreachable}" in stack.succeed("preview")
    assert f"error: {unreachable}" in stack.fail("up")


def test_another_address_is_another_cluster(stack: Stack, namespace: str, tmp_path: Path) -> None:
    stack.declare("settings", "core/v1:ConfigMap", config_map(namespace, a="1"))
    stack.up()
    moved = tmp_path / "moved"
    moved.write_text(stack.kubeconfig.read_text().replace("127.0.0.1", "localhost"))
    stack.kubeconfig = moved
    told = stack.succeed("preview")
    assert "2 to replace" in told or "+-2" in told


def test_a_job_that_gives_up_fails_at_once(stack: Stack, namespace: str) -> None:
    template = pod(restartPolicy="Never", nodeSelector={"no": "node"})
    spec = {"backoffLimit": 0, "activeDeadlineSeconds": 1, "template": template}
    job = manifest("batch/v1:Job", namespace, "job", spec=spec)
    stack.declare("job", "batch/v1:Job", job)
    began = time.monotonic()
    assert "DeadlineExceeded" in stack.fail("up")
    assert time.monotonic() - began < 60


def test_a_claim_waits_for_nobody_where_its_class_waits_for_a_consumer(
    stack: Stack, namespace: str
) -> None:
    later = manifest(
        "storage.k8s.io/v1:StorageClass",
        "",
        f"later-{namespace}",
        provisioner="none.example",
        volumeBindingMode="WaitForFirstConsumer",
    )
    claim = manifest(
        "v1:PersistentVolumeClaim",
        namespace,
        "disk",
        spec={
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": f"later-{namespace}",
            "resources": {"requests": {"storage": "1024Mi"}},
        },
    )
    stack.declare("class", "storage.k8s.io/v1:StorageClass", later)
    stack.declare("disk", "core/v1:PersistentVolumeClaim", claim, depends_on=["class"])
    assert stack.up() == {"create": 4}
    assert stack.up() == {"same": 4}
    stack.succeed("destroy")


def test_a_stateful_set_is_awaited_pod_by_pod(stack: Stack, namespace: str) -> None:
    spec = {
        "replicas": 2,
        "serviceName": "web",
        "selector": {"matchLabels": {"app": "web"}},
        "template": pod(),
    }
    stateful_set = manifest("apps/v1:StatefulSet", namespace, "web", spec=spec)
    stack.declare("headless", "core/v1:Service", service(namespace, clusterIP="None"))
    stack.declare("web", "apps/v1:StatefulSet", stateful_set, depends_on=["headless"])
    assert stack.up() == {"create": 4}
    assert stack.state("web")["outputs"]["status"]["readyReplicas"] == 2
    spec["template"] = pod(securityContext={**RESTRICTED, "runAsUser": 2000})
    stack.declare("web", "apps/v1:StatefulSet", stateful_set, depends_on=["headless"])
    assert stack.up()["update"] == 1
    status = stack.state("web")["outputs"]["status"]
    assert status["currentRevision"] == status["updateRevision"]
    assert stack.up() == {"same": 4}


def test_a_forgotten_provider_does_not_reach_the_users_own_cluster(
    stack: Stack, namespace: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(stack.kubeconfig))
    stack.forgotten = True
    stack.declare("settings", "core/v1:ConfigMap", config_map(namespace, a="1"))
    assert "the kubeconfig names no cluster" in stack.fail("up")
    assert client.find(CONFIG_MAP, namespace, "settings") is None


def test_what_stands_is_taken_over_only_when_asked_to(
    stack: Stack, namespace: str, client: Client
) -> None:
    client.apply(config_map(namespace, a="1"), Apply("elsewhere"), lambda _: None)
    stack.declare("settings", "core/v1:ConfigMap", config_map(namespace, a="1"))
    assert 'configmaps "settings" already exists' in stack.fail("up")
    stack.provider = {"upsertExistingObjects": True}
    assert stack.up()["create"] == 1
    assert stack.up() == {"same": 3}


def test_another_manager_takes_the_place_of_the_one_before(
    stack: Stack, namespace: str, client: Client
) -> None:
    stack.declare("web", "apps/v1:Deployment", deployment(namespace))
    stack.up()
    named = deployment(namespace)
    named["metadata"]["labels"] = {"a": "b"}
    named["metadata"]["annotations"] = {"pulumi.com/patchFieldManager": "me"}
    stack.declare("web", "apps/v1:Deployment", named)
    stack.up()
    entries = metadata(client.get(DEPLOYMENT, namespace, "web"))["managedFields"]
    ours = {each["manager"] for each in entries if each["manager"] != "kube-controller-manager"}
    assert ours == {"me"}


def test_an_up_that_was_killed_is_taken_up_again(
    stack: Stack, namespace: str, client: Client
) -> None:
    stack.provider = {"upsertExistingObjects": True}
    waiting = deployment(namespace, nodeSelector={f"{namespace}/here": "yes"})
    stack.declare("web", "apps/v1:Deployment", waiting)
    stack.write_plan()
    with subprocess.Popen(
        [stack.engine.executable, "up", "--yes", "--skip-preview", "--stack", "test"],
        cwd=stack.folder,
        env=stack.engine.environment(),
        stdout=subprocess.DEVNULL,
    ) as process:
        deadline = time.monotonic() + 120
        while client.find(DEPLOYMENT, namespace, "web") is None:
            assert process.poll() is None, "the engine ended before it made anything"
            assert time.monotonic() < deadline, "the engine makes nothing"
            time.sleep(0.1)
        process.kill()
    deadline = time.monotonic() + 20
    while any(str(stack.folder).encode() in environment for _, environment in running()):
        assert time.monotonic() < deadline, "the plugin outlives its engine"
        time.sleep(0.2)
    stack.engine.run(["cancel", "--yes", "--stack", "test"], capture=True)
    free = (node for node in client.find_all(NODE, "") if not pluck(node, "spec", "taints"))
    labelled = manifest("v1:Node", "", next(free)["metadata"]["name"])
    labelled["metadata"]["labels"] = {f"{namespace}/here": "yes"}
    client.apply(labelled, Apply("test"), lambda _: None)
    stack.succeed("up")
    assert pluck(stack.state("web"), "outputs", "status", "readyReplicas") == 1
    assert stack.up() == {"same": 3}


def test_an_object_made_elsewhere_is_imported(stack: Stack, namespace: str, client: Client) -> None:
    client.apply(config_map(namespace, a="1"), Apply("elsewhere"), lambda _: None)
    stack.declare(
        "settings",
        "core/v1:ConfigMap",
        config_map(namespace, a="1"),
        import_=f"{namespace}/settings",
    )
    stack.succeed("up")
    assert stack.state("settings")["outputs"]["data"] == {"a": "1"}


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("core/v1:ConfigMapList", "list resources exist for YAML manifests"),
        ("core/v1:ConfigMapPatch", "patches of objects made elsewhere are not served"),
        ("helm.sh/v3:Release", "Helm releases are not served locally"),
    ],
)
def test_what_is_not_served_is_named(stack: Stack, token: str, words: str) -> None:
    stack.declare("it", token, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}})
    assert words in stack.fail("preview")
