"""stacks/cluster_terms.py and stacks/workloads.py: settings that decide what a workload is told."""

from pathlib import Path
from typing import Any

import pytest

from components.serving_certificate import LONGEST_DAYS
from components.traffic import Address
from stacks import cluster_terms
from stacks.settings.model import StackSettings
from tests.certificates import Authority
from tests.deployment import Deployment
from tests.manifests import manifests
from tests.stacks.files import STACKS, changed, judged, settings_of
from tests.stacks.rendered import deployed
from tests.stacks.test_bad_cluster_settings import EXISTING_STORE
from tests.stacks.test_bad_stack_files import EXISTING_CLUSTER
from tests.stacks.test_platform import deployed_with


def settings(**changes: Any) -> StackSettings:
    named = {key.replace("__", "."): value for key, value in changes.items()}
    return judged("dev", changed("dev", named), has_kubeconfig="cluster" in changes)


@pytest.mark.parametrize(
    ("url", "port"),
    [("https://models.example/v1", 443), ("https://models.example:4000/v1", 4000)],
)
def test_a_policy_opens_the_port_that_the_url_names(url: str, port: int) -> None:
    given = settings(model__endpoint=url, workloads__gateway__sign_on__keys_url=url)
    found = cluster_terms.addresses(given, 5432)
    assert found.issuer is not None
    assert (found.model.port, found.issuer.port) == (port, port)
    sign_on = cluster_terms.sign_on(given.workloads.gateway.sign_on)
    assert sign_on is not None
    assert sign_on.jwks_port == port


def test_a_bolt_uri_has_a_port_of_its_own() -> None:
    store = {**EXISTING_STORE, "uri": "neo4j+s://graph.example:7688"}
    found = cluster_terms.addresses(settings(workloads__graph_store=store), 5432)
    assert found.graph_store == Address(cidrs=tuple(EXISTING_STORE["cidrs"]), port=7688)


def test_caches_of_names_are_the_customers_to_name() -> None:
    cluster = {**EXISTING_CLUSTER, "dns_cidrs": ["169.254.20.10/32"]}
    assert cluster_terms.addresses(settings(), 5432).dns_cidrs == ()
    found = cluster_terms.addresses(settings(cluster=cluster), 5432)
    assert found.dns_cidrs == ("169.254.20.10/32",)


def test_authorities_of_the_customers_own_are_read_from_their_files(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    pem = Authority("customer").pem
    file.write_text(f"a comment\n{pem}", encoding="utf-8")
    given = settings(model__ca_file=str(file), workloads__gateway__sign_on__ca_file=str(file))
    sign_on = cluster_terms.sign_on(given.workloads.gateway.sign_on)
    assert sign_on is not None
    assert sign_on.issuer_ca == pem
    assert cluster_terms.embedding_model(given).authority == pem
    assert cluster_terms.chat_model(given).authority == pem


def test_without_a_file_the_public_authorities_will_do() -> None:
    sign_on = cluster_terms.sign_on(settings().workloads.gateway.sign_on)
    assert sign_on is not None
    assert sign_on.issuer_ca is None
    assert cluster_terms.embedding_model(settings()).authority is None


@pytest.mark.parametrize(
    ("zones", "everywhere"), [(["1", "2", "3"], True), (["1"], False), ([], False)]
)
def test_disks_are_in_every_zone_where_nodes_are(zones: list[str], everywhere: bool) -> None:
    nodes = {"cluster.memory_pool.zones": zones, "cluster.memory_pool.min_count": 3}
    given = settings_of("dev", nodes)
    assert cluster_terms.disks_in_every_zone(given) is everywhere


def test_of_an_existing_cluster_the_disks_are_its_owners() -> None:
    assert not cluster_terms.disks_in_every_zone(settings(cluster=EXISTING_CLUSTER))


# -- wiring --------------------------------------------------------------------------------


def skips(deployment: Deployment) -> set[str]:
    """Return the objects whose pods no deployment waits for."""
    return {
        name
        for kind in ("Deployment", "StatefulSet")
        for name, manifest in manifests(deployment, kind).items()
        if (manifest["metadata"].get("annotations") or {}).get("pulumi.com/skipAwait") == "true"
    }


def test_what_has_no_image_yet_is_not_waited_for_and_keeps_nobody_waiting() -> None:
    none, named = (
        deployed_with("dev", {"images.memory_service": image})
        for image in (None, "contoso.azurecr.io/memory:1.0")
    )
    assert (skips(none), skips(named)) == ({"memory-service"}, set())
    for deployment in (none, named):
        assert "engram-dev-memory-service-pods" not in deployment.after("engram-dev-gateway-pods")


@pytest.mark.parametrize("stack", STACKS)
def test_every_pod_mounts_the_class_of_its_secrets_revision(stack: str) -> None:
    found = deployed(stack)
    revision = f"{settings_of(stack).passwords.renewed_on:%Y%m%d}"
    names = {name.rpartition("-")[2] for name in manifests(found, "SecretProviderClass")}
    assert names == {revision}


def test_the_graph_stores_certificate_outlives_a_renewal_that_is_late() -> None:
    certificates = deployed("prod").all("pulumi-python:dynamic/security:ServingCertificate")
    days = certificates["engram-prod-graph-store-certificate"]["valid_days"]
    assert days == LONGEST_DAYS


def test_a_key_that_the_customer_keeps_is_not_made() -> None:
    deployment = deployed_with("dev", {"model.key_secret": "key-of-the-model"})
    assert "engram-dev-model-api-key-secret" not in deployment.seen
    for workload in ("graphiti", "memory-service"):
        grant = deployment.seen[f"engram-dev-{workload}-model-api-key-grant"].inputs
        assert grant["scope"].endswith("/secrets/key-of-the-model")
