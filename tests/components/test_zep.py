"""components/zep.py"""

import re
from dataclasses import replace
from typing import Any

import pulumi
import pytest
import yaml

from components.pooler import Login, PoolerArgs
from components.workloads import Scale, Size
from components.zep import Zep, ZepArgs, configuration
from tests.components.workspace import (
    Stands,
    assert_hardened,
    assert_placed,
    identity,
    trust,
    workspace,
)
from tests.deployment import Deployment, deploy
from tests.manifests import manifests

LOGIN = Login(database="zep", user="zep_app")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - of the pod; policies decide who reaches it
ONE = Scale(minimum=3, maximum=3)
MANY = Scale(minimum=3, maximum=9, target_cpu_percent=60)


def declare(*, root: str = "root", **changes: Any) -> Zep:
    place = workspace()
    args = ZepArgs(
        workspace=place,
        identity=identity("zep"),
        trust=trust(place, root),
        image="zep@sha256:0",
        pooler=PoolerArgs(image="pgbouncer@sha256:1"),
        host=pulumi.Output.from_input("db.example.test"),
        login=LOGIN,
        scale=ONE,
        size=Size(cpu="1", memory="2Gi"),
        processors=2,
        ready=[Stands("schema")],
    )
    return Zep("zep", replace(args, **changes))


def zep(**changes: Any) -> Deployment:
    return deploy(lambda: declare(**changes))


def stateful_set(deployment: Deployment) -> Any:
    return manifests(deployment, "StatefulSet")["zep-api"]


def pod(deployment: Deployment) -> Any:
    return stateful_set(deployment)["spec"]["template"]["spec"]


def data(deployment: Deployment, name: str) -> Any:
    return manifests(deployment, "ConfigMap")[name]["data"]


# -- objects ---------------------------------------------------------------------------


@pytest.mark.parametrize(("scale", "autoscalers"), [(ONE, set()), (MANY, {"zep-api"})])
def test_declares_these_objects_and_the_schema_accepts_them(
    scale: Scale, autoscalers: set[str]
) -> None:
    seen = zep(scale=scale)
    assert set(manifests(seen, "ConfigMap")) == {"postgres-ca", "zep-config", "zep-pooler"}
    assert set(manifests(seen, "StatefulSet")) == {"zep-api"}
    assert set(manifests(seen, "Service")) == {"zep", "zep-api"}
    assert set(manifests(seen, "PodDisruptionBudget")) == {"zep-api"}
    assert set(manifests(seen, "HorizontalPodAutoscaler")) == autoscalers


def test_every_object_is_in_the_namespace_and_goes_through_its_provider() -> None:
    assert_placed(zep(scale=MANY))


def test_pods_wait_for_grants_configuration_and_the_database() -> None:
    assert zep().after("zep-pods") >= {
        *("quota", "grant", "schema", "zep-config", "zep-pooler", "postgres-ca", "zep-peers"),
    }


def test_the_first_pod_migrates_alone() -> None:
    spec = stateful_set(zep())["spec"]
    assert (spec["podManagementPolicy"], spec["replicas"], spec["serviceName"]) == (
        *("OrderedReady", 3),
        "zep-api",
    )
    assert manifests(zep(), "Service")["zep-api"]["spec"]["clusterIP"] == "None"


def test_services_find_the_pods_and_their_port() -> None:
    seen = zep()
    labels = stateful_set(seen)["spec"]["template"]["metadata"]["labels"]
    (container,) = pod(seen)["containers"]
    for service in manifests(seen, "Service").values():
        assert service["spec"]["selector"].items() <= labels.items()
        (port,) = service["spec"]["ports"]
        assert port["port"] == 8000
        assert {"name": port["targetPort"], "containerPort": 8000} in container["ports"]


def test_a_number_that_the_autoscaler_moves_is_not_moved_back() -> None:
    assert zep(scale=MANY).options("zep-pods").ignoreChanges == ["spec.replicas"]
    assert zep(scale=ONE).options("zep-pods").ignoreChanges == []


def test_the_autoscaler_looks_at_zep_alone() -> None:
    spec = manifests(zep(scale=MANY), "HorizontalPodAutoscaler")["zep-api"]["spec"]
    assert spec["scaleTargetRef"] == {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "name": "zep-api",
    }
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 9)
    (metric,) = spec["metrics"]
    assert metric["containerResource"] == {
        "name": "cpu",
        "container": "zep",
        "target": {"type": "Utilization", "averageUtilization": 60},
    }


def test_one_pod_at_a_time_may_be_evicted_and_a_broken_one_always() -> None:
    spec = manifests(zep(), "PodDisruptionBudget")["zep-api"]["spec"]
    assert (spec["maxUnavailable"], spec["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


# -- the pod ---------------------------------------------------------------------------


def test_the_pooler_starts_before_zep_and_stops_after() -> None:
    (sidecar,) = pod(zep())["initContainers"]
    assert (sidecar["name"], sidecar["restartPolicy"]) == ("pooler", "Always")
    assert sidecar["command"] == ["pgbouncer", "/etc/pgbouncer/pgbouncer.ini"]
    assert "startupProbe" in sidecar


def test_no_probe_dials_the_loopback_listener_from_the_node() -> None:
    (sidecar,) = pod(zep())["initContainers"]
    probes = [sidecar[f"{kind}Probe"] for kind in ("startup", "readiness", "liveness")]
    assert all("exec" in probe for probe in probes)


def test_zep_is_asked_at_its_heartbeat() -> None:
    (container,) = pod(zep())["containers"]
    for kind in ("startup", "readiness", "liveness"):
        assert container[f"{kind}Probe"]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_a_pod_that_goes_has_time_to_answer() -> None:
    spec = pod(zep())
    (container,) = spec["containers"]
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    longest_request = 51  # waiting in vain for a lock
    assert pause >= 5
    assert spec["terminationGracePeriodSeconds"] >= pause + longest_request


def test_every_container_is_restricted_limited_and_writes_nothing() -> None:
    spec = pod(zep())
    assert_hardened(spec)
    containers = (*spec["initContainers"], *spec["containers"])
    assert all(m["readOnly"] for c in containers for m in c["volumeMounts"])


def test_every_mount_has_its_volume_and_every_volume_its_source() -> None:
    seen = zep()
    spec = pod(seen)
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    containers = (*spec["initContainers"], *spec["containers"])
    assert {m["name"] for c in containers for m in c["volumeMounts"]} == set(volumes)
    sources = {v["configMap"]["name"] for v in volumes.values() if "configMap" in v}
    assert sources == set(manifests(seen, "ConfigMap"))
    assert volumes["secrets"]["csi"] == {
        "driver": "secrets-store.csi.k8s.io",
        "readOnly": True,
        "volumeAttributes": {"secretProviderClass": "zep"},
    }


def test_files_are_where_the_configuration_looks_for_them() -> None:
    seen = zep()
    (sidecar,) = pod(seen)["initContainers"]
    mounted = {mount["name"]: mount["mountPath"] for mount in sidecar["volumeMounts"]}
    ini = data(seen, "zep-pooler")["pgbouncer.ini"]
    assert f"server_tls_ca_file = {mounted['postgres-ca']}/ca.crt\n" in ini
    assert f"auth_file = {mounted['secrets']}/zep-pooler-users\n" in ini


def test_secrets_come_from_the_vault_and_are_in_no_object() -> None:
    spec = pod(zep())
    variables = {
        variable["name"]: variable["valueFrom"]["secretKeyRef"]
        for container in (*spec["initContainers"], *spec["containers"])
        for variable in container["env"]
        if "valueFrom" in variable
    }
    assert variables == {
        "PGPASSWORD": {"name": "zep", "key": "zep-database-password"},
        "ZEP_PG_PASSWORD": {"name": "zep", "key": "zep-database-password"},
        "ZEP_API_SECRET": {"name": "zep", "key": "zep-api-key"},
    }


def test_pods_keep_apart_from_each_other() -> None:
    rules = {rule["topologyKey"]: rule for rule in pod(zep())["topologySpreadConstraints"]}
    assert set(rules) == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    for rule in rules.values():
        # Of a lost node nothing is expected, and of a Deployment that rolls only what is new.
        assert rule["nodeTaintsPolicy"] == "Honor"
        assert rule["matchLabelKeys"] == ["pod-template-hash"]


def test_go_does_not_take_the_cores_of_the_node() -> None:
    (container,) = pod(zep(processors=2))["containers"]
    assert {"name": "GOMAXPROCS", "value": "2"} in container["env"]


ROLLING: dict[str, dict[str, Any]] = {
    "another host": {"host": "other.example.test"},
    "another pool": {
        "pooler": PoolerArgs(
            image="pgbouncer@sha256:1", pool=replace(PoolerArgs(image="").pool, size=5)
        )
    },
    "another schema": {"schema": "other"},
    "other roots": {"root": "another"},
}


@pytest.mark.parametrize("case", ROLLING)
def test_pods_roll_with(case: str) -> None:
    def annotations(**changes: Any) -> Any:
        return stateful_set(zep(**changes))["spec"]["template"]["metadata"]["annotations"]

    assert annotations() == annotations()
    assert annotations() != annotations(**ROLLING[case])


# -- zep.yaml --------------------------------------------------------------------------


def test_the_configuration_is_what_zep_was_run_with() -> None:
    plain = re.sub(r"{{.*?}}", "secret", data(zep(), "zep-config")["zep.yaml"])
    assert yaml.safe_load(plain) == {
        "log": {"level": "info", "format": "json"},
        "http": {"host": EVERYWHERE, "port": 8000, "max_request_size": 5242880},
        "postgres": {
            "user": "zep_app",
            "password": "secret",
            "host": "127.0.0.1",
            "port": 6432,
            "database": "zep",
            "schema_name": "zep",
        },
        "carbon": {"locale": "en"},
        "graphiti": {"service_url": "http://graphiti:8003"},
        "api_secret": "secret",
        "telemetry": {"disabled": True},
    }


def test_the_configuration_asks_for_variables_that_the_container_has() -> None:
    asked = set(re.findall(r'Env "(\w+)"', configuration(LOGIN, "zep")))
    (container,) = pod(zep())["containers"]
    assert asked == {"ZEP_PG_PASSWORD", "ZEP_API_SECRET"}
    assert asked <= {variable["name"] for variable in container["env"]}
