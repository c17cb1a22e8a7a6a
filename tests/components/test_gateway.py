"""components/gateway.py"""

import json
from dataclasses import replace
from typing import Any

import pytest

from components.gateway import Gateway, GatewayArgs, configuration, host_names
from components.gateway_access import Role, SignOn
from components.gateway_config import Limits, files
from components.workloads import Scale, Size
from tests.components.workspace import (
    assert_hardened,
    assert_placed,
    identity,
    mounts,
    pod,
    workspace,
)
from tests.deployment import Deployment, deploy
from tests.manifests import manifests

NAME = "gateway"
SIZE = Size(cpu="500m", memory="512Mi")
SIGN_ON = SignOn(
    issuer="https://login.example/t/v2.0",
    audiences=["api://engram"],
    jwks_host="login.example",
    jwks_path="/t/discovery/v2.0/keys",
    roles={Role.READ: "Engram.Read", Role.WRITE: "Engram.Write", Role.ADMIN: "Engram.Admin"},
)


def declare(**changes: Any) -> Gateway:
    args = GatewayArgs(
        workspace=workspace(),
        identity=identity(NAME),
        image="envoy@sha256:1",
        sign_on=SIGN_ON,
        scale=Scale(minimum=2, maximum=2),
        size=SIZE,
    )
    return Gateway(NAME, replace(args, **changes))


def deployed(**changes: Any) -> Deployment:
    return deploy(lambda: declare(**changes))


def container(deployment: Deployment) -> Any:
    (found,) = pod(deployment, NAME)["containers"]
    return found


def rendered(deployment: Deployment) -> dict[str, Any]:
    data = manifests(deployment, "ConfigMap")[NAME]["data"]
    return {name: json.loads(text) for name, text in data.items()}


def test_is_hardened_and_placed() -> None:
    seen = deployed()
    assert_hardened(pod(seen, NAME))
    assert_placed(seen)
    assert set(manifests(seen, "PodDisruptionBudget")) == {NAME}


@pytest.mark.parametrize(
    ("sign_on", "names"),
    [
        (
            SIGN_ON,
            {
                "envoy.json",
                "gateway-certificate.json",
                "zep-api-key.json",
                "memory-api-key.json",
            },
        ),
        (None, {"envoy.json", "gateway-certificate.json"}),
    ],
)
def test_envoy_gets_what_is_tested_with_envoy(sign_on: SignOn | None, names: set[str]) -> None:
    found = rendered(deployed(sign_on=sign_on))
    assert set(found) == names
    assert found == json.loads(json.dumps(files(configuration("zep", sign_on, SIZE, Limits()))))


def test_every_file_that_envoy_reads_is_mounted_or_in_its_image() -> None:
    found = rendered(deployed())
    read = set(_strings(found))
    paths = {text for text in read if text.startswith("/etc/")}
    assert paths == {
        *(f"/etc/envoy/{name}" for name in found if name != "envoy.json"),
        "/etc/engram/secrets",
        "/etc/engram/secrets/gateway-certificate",
        "/etc/engram/secrets/zep-api-key",
        "/etc/engram/secrets/memory-api-key",
        "/etc/ssl/certs/ca-certificates.crt",
    }
    assert mounts(container(deployed())) == {"/etc/envoy": True, "/etc/engram/secrets": True}


def test_the_services_are_called_by_their_whole_names() -> None:
    found = rendered(deployed())["envoy.json"]["static_resources"]["clusters"]
    hosts = {
        cluster["name"]: cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"][
            "address"
        ]["socket_address"]
        for cluster in found
    }
    assert hosts == {
        "zep": {"address": "zep.zep.svc.cluster.local.", "port_value": 8000},
        "memory-service": {"address": "memory-service.zep.svc.cluster.local.", "port_value": 8080},
        "issuer": {"address": "login.example", "port_value": 443},
        "admin": {"address": "127.0.0.1", "port_value": 9901},
    }


def test_the_service_is_https_inside_the_cluster() -> None:
    spec = manifests(deployed(), "Service")[NAME]["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["ports"] == [{"name": "https", "port": 443, "targetPort": "main"}]
    ports = {port["name"]: port["containerPort"] for port in container(deployed())["ports"]}
    assert ports == {"main": 8443, "status": 8081}


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_probes_ask_the_listener_for_them(probe: str) -> None:
    assert container(deployed())[probe]["httpGet"] == {"path": "/ready", "port": "status"}


@pytest.mark.parametrize(("cpu", "threads"), [("500m", "1"), ("1", "1"), ("2500m", "3")])
def test_as_many_threads_as_cores(cpu: str, threads: str) -> None:
    arguments = container(deployed(size=replace(SIZE, cpu=cpu)))["args"]
    assert arguments[arguments.index("--concurrency") + 1] == threads


def test_refuses_before_the_kernel_kills() -> None:
    heap = rendered(deployed())["envoy.json"]["overload_manager"]["resource_monitors"][0]
    assert heap["typed_config"]["max_heap_size_bytes"] == 512 * 2**20 * 8 // 10


def test_what_is_running_may_end() -> None:
    """Envoy drops everything on SIGTERM, so that comes after what Zep can take."""
    spec = pod(deployed(), NAME)
    pause = container(deployed())["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert 30 < pause < spec["terminationGracePeriodSeconds"]


def test_another_configuration_rolls_the_pods() -> None:
    def revision(**changes: Any) -> Any:
        template = manifests(deployed(**changes), "Deployment")[NAME]["spec"]["template"]
        return template["metadata"]["annotations"]["engram.io/configuration"]

    assert revision() == revision()
    assert revision() != revision(sign_on=replace(SIGN_ON, audiences=["api://other"]))


def test_waits_for_its_configuration_and_its_secrets() -> None:
    assert {"grant", f"{NAME}-config"} <= deployed().after(f"{NAME}-pods")


def test_its_names_in_the_cluster() -> None:
    assert host_names("zep") == [
        "gateway.zep.svc.cluster.local",
        "gateway.zep.svc",
        "gateway.zep",
        "gateway",
    ]


def _strings(value: Any) -> list[str]:
    match value:
        case dict():
            return [text for inner in value.values() for text in _strings(inner)]
        case list():
            return [text for inner in value for text in _strings(inner)]
        case str():
            return [value]
        case _:
            return []
