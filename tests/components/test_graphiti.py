"""components/graphiti.py"""

import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.graph_store import GraphAccess
from components.graphiti import PREPARE, ChatModel, Graphiti, GraphitiArgs
from components.workloads import Size
from tests.components.workspace import (
    Stands,
    assert_hardened,
    assert_placed,
    environment,
    identity,
    mounts,
    pod,
    workspace,
)
from tests.deployment import Deployment, deploy
from tests.manifests import manifests

NAME = "graphiti"
TMP = "/tmp"  # noqa: S108 - the pod's own
OURS = GraphAccess(uri="bolt+s://graph-store:7687", authority="authority")
MODEL = ChatModel(endpoint="https://m.example/openai/v1/", name="gpt-4o-mini")
OWN_MODEL = replace(MODEL, authority="authority of the model")
CUSTOMERS = GraphAccess(uri="neo4j+s://graph.example", user="engram")


def declare(graph: GraphAccess = OURS, **changes: Any) -> Graphiti:
    args = GraphitiArgs(
        workspace=workspace(),
        identity=identity(NAME),
        image="graphiti@sha256:1",
        graph=replace(graph, ready=[Stands("graph")]),
        model=MODEL,
        replicas=2,
        size=Size(cpu="1", memory="2Gi"),
    )
    return Graphiti(NAME, replace(args, **changes))


def deployed(graph: GraphAccess = OURS, **changes: Any) -> Deployment:
    return deploy(lambda: declare(graph, **changes))


def container(deployment: Deployment) -> Any:
    (found,) = pod(deployment, NAME)["containers"]
    return found


def preparation(deployment: Deployment) -> Any:
    (found,) = pod(deployment, NAME)["initContainers"]
    return found


@pytest.mark.parametrize("graph", [OURS, CUSTOMERS])
@pytest.mark.parametrize("model", [MODEL, OWN_MODEL])
def test_is_hardened_and_placed(graph: GraphAccess, model: ChatModel) -> None:
    seen = deployed(graph, model=model)
    assert_hardened(pod(seen, NAME))
    assert_placed(seen)


def test_a_fixed_number_that_no_autoscaler_takes_jobs_from() -> None:
    seen = deployed()
    assert manifests(seen, "Deployment")[NAME]["spec"]["replicas"] == 2
    assert manifests(seen, "HorizontalPodAutoscaler") == {}
    assert set(manifests(seen, "PodDisruptionBudget")) == {NAME}


def test_settings() -> None:
    assert environment(container(deployed())) == {
        "PORT": "8003",
        "OPENAI_BASE_URL": "https://m.example/openai/v1/",
        "MODEL_NAME": "gpt-4o-mini",
        "NEO4J_URI": "bolt+s://graph-store:7687",
        "NEO4J_USER": "neo4j",
        "SSL_CERT_FILE": "/etc/engram/trust/ca.pem",
        "HOME": TMP,
        "PYTHONDONTWRITEBYTECODE": "1",
        "OPENAI_API_KEY": {"name": NAME, "key": "model-api-key"},
        "NEO4J_PASSWORD": {"name": NAME, "key": "graph-store-password"},
    }


def test_the_image_starts_itself() -> None:
    assert {"command", "args"} & container(deployed()).keys() == set()


def test_writes_only_where_something_is_mounted() -> None:
    found = mounts(container(deployed()))
    assert {path for path, read_only in found.items() if not read_only} == {
        "/app/llm_cache",
        TMP,
    }


@pytest.mark.parametrize(
    ("graph", "model", "files"),
    [
        (OURS, MODEL, {"graph-store.crt": "authority"}),
        (CUSTOMERS, OWN_MODEL, {"model.crt": "authority of the model"}),
        (
            OURS,
            OWN_MODEL,
            {"graph-store.crt": "authority", "model.crt": "authority of the model"},
        ),
        (CUSTOMERS, MODEL, None),
    ],
)
def test_trusts_the_authorities_of_graph_and_model_where_they_have_their_own(
    graph: GraphAccess, model: ChatModel, files: dict[str, str] | None
) -> None:
    seen = deployed(graph, model=model)
    declared = manifests(seen, "ConfigMap")
    assert [found["data"] for found in declared.values()] == ([files] if files else [])
    sources = {
        v["name"]: v["configMap"]["name"] for v in pod(seen, NAME)["volumes"] if "configMap" in v
    }
    mounted = {m["mountPath"]: m["name"] for m in preparation(seen)["volumeMounts"]}
    own = mounted.get(environment(preparation(seen))["OWN_AUTHORITIES"])
    assert [sources[own]] == list(declared) if files else own is None


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_asks_the_only_question_that_it_answers(probe: str) -> None:
    assert container(deployed())[probe]["httpGet"] == {"path": "/healthcheck", "port": "main"}


def test_waits_for_the_graph_and_for_its_secrets() -> None:
    assert {"graph", "grant", f"{NAME}-authorities"} <= deployed().after(f"{NAME}-pods")


@pytest.mark.parametrize(
    "changed", [{"model": OWN_MODEL}, {"graph": replace(OURS, authority="other")}]
)
def test_what_is_read_at_the_start_rolls_the_pods(changed: dict[str, Any]) -> None:
    def revision(**changes: Any) -> Any:
        template = manifests(deployed(**changes), "Deployment")[NAME]["spec"]["template"]
        return template["metadata"]["annotations"]["engram.io/configuration"]

    assert revision() != revision(**changed)


@pytest.mark.parametrize("authorities", [{"graph-store": "ours", "model": "theirs"}, {}])
def test_preparation_waits_and_lays_the_authorities_together(
    tmp_path: Path, authorities: dict[str, str]
) -> None:
    """The program of the init container, run as it is."""
    public, own, trust = tmp_path / "public", tmp_path / "own", tmp_path / "trust"
    public.write_text("public", encoding="utf-8")
    for name, authority in authorities.items():
        own.mkdir(exist_ok=True)
        (own / f"{name}.crt").write_text(authority, encoding="utf-8")
    with socket.socket() as store:
        store.bind(("127.0.0.1", 0))
        place = f"bolt+s://127.0.0.1:{store.getsockname()[1]}"
        process = subprocess.Popen(
            [sys.executable, "-c", PREPARE],
            env={
                **os.environ,
                "NEO4J_URI": place,
                "PUBLIC_AUTHORITIES": str(public),
                "OWN_AUTHORITIES": str(own),
                "SSL_CERT_FILE": str(trust),
            },
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert "waiting" in process.stdout.readline()
        store.listen()
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert trust.read_text(encoding="utf-8") == "\n".join(["public", *authorities.values()])
