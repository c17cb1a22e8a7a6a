"""docs/network-paths.md: what the policies let through is what the page says, and nothing else."""

import re
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from assurance.cluster.objects import Snapshot
from assurance.cluster.reachability import Path, reachable
from stacks.outputs import export
from stacks.platform import Platform
from stacks.settings import Configuration
from tests.deployment import PASSWORD, deploy
from tests.manifests import every_manifest
from tests.stacks.files import REMOVED, ROOT, STACKS, changed, config_of, judged
from tests.stacks.rendered import snapshot
from tests.stacks.test_bad_cluster_settings import EXISTING_STORE
from tests.stacks.test_bad_stack_files import EXISTING_POSTGRES

PAGE = ROOT / "docs" / "network-paths.md"
EVERY_POD = "every pod"
CLIENTS = "namespaces engram.io/memory-client=true"
DNS = "namespaces kubernetes.io/metadata.name=kube-system pods k8s-app=kube-dns"
PODS = ("gateway", "zep", "memory-service", "memory-operations", "graphiti", "graph-store")


def rows() -> set[tuple[str, str, str]]:
    """Return the page's paths: from, to, port."""
    section = PAGE.read_text(encoding="utf-8").split("## Paths", 1)[1].split("\n## ", 1)[0]
    cells = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in section.splitlines()
        if line.startswith("|")
    ][2:]
    assert all(len(row) == 4 and row[3] for row in cells), "each path says why"
    return {(source, target, port) for source, target, port, _ in cells}


def peers(settings: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return whom each name of the page means in a stack, as the policies call it."""
    return {
        EVERY_POD: list(PODS),
        "clients": [CLIENTS],
        "DNS": [DNS],
        "PostgreSQL": [settings["network"]["endpoints_subnet"]],
        "Key Vault": [settings["network"]["endpoints_subnet"]],
        "Entra": settings["field_encryption"]["entra_cidrs"],
        "model": settings["model"]["cidrs"],
        "OIDC issuer": settings["workloads"]["gateway"]["sign_on"]["cidrs"],
        **{f"`{pod}`": [pod] for pod in PODS},
    }


def promised(settings: Mapping[str, Any]) -> set[Path]:
    """Return every path of the page, with a stack's own addresses."""
    means = peers(settings)
    return {
        Path(source, target, port)
        for named_source, named_target, port in rows()
        for source in means[named_source]
        for target in means[named_target]
    }


@pytest.mark.parametrize("stack", STACKS)
def test_what_is_possible_is_what_the_page_says(stack: str) -> None:
    settings = config_of(stack)["engram:settings"]
    assert reachable(snapshot(stack)) == promised(settings)


def test_the_page_names_every_workload_there_is() -> None:
    labels = {pod.labels["app.kubernetes.io/name"] for pod in snapshot("dev").templates()}
    assert labels == set(PODS)


def test_every_setting_that_the_page_names_exists() -> None:
    parts = "network|model|workloads|field_encryption"
    named = set(re.findall(rf"`((?:{parts})\.[\w.]+)`", PAGE.read_text("utf-8")))
    assert len(named) == 10
    for name in named - {"workloads.graph_store.cidrs"}:
        place = config_of("dev")["engram:settings"]
        for key in name.split("."):
            place = place[key]


def test_with_a_customers_servers_and_no_sign_on_the_page_is_right_too() -> None:
    changes = {
        "postgres": EXISTING_POSTGRES,
        "workloads.graph_store": EXISTING_STORE,
        "workloads.gateway.sign_on": REMOVED,
    }
    settings = judged("dev", changed("dev", changes), has_password=True)

    def program() -> None:
        password = pulumi.Output.secret(PASSWORD)
        export(Platform(Configuration(settings=settings, existing_admin_password=password)))

    deployment = deploy(program, stack="dev")
    instead = {
        ("10.20.0.0/26", "5432/TCP"): ("192.168.7.0/28", "6543/TCP"),
        ("graph-store", "7687/TCP"): ("192.168.8.0/28", "7687/TCP"),
    }
    dev = config_of("dev")["engram:settings"]
    gone = set(dev["workloads"]["gateway"]["sign_on"]["cidrs"])
    expected = {
        Path(
            path.source, *instead.get((path.destination, path.port), (path.destination, path.port))
        )
        for path in promised(dev)
        if (path.source != "gateway" or path.destination not in gone)
        and path.source != "graph-store"
    }
    assert reachable(Snapshot.of(every_manifest(deployment))) == expected
