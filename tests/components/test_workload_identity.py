"""components/workload_identity.py and components/grants.py"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pulumi_kubernetes as k8s
import pytest
import yaml

from components.key_vault import KeyReference, VaultReference
from components.secret_shelf import VaultSecret
from components.workload_identity import WorkloadIdentity, WorkloadIdentityArgs
from components.workloads import Workload, Workspace
from tests.components.test_network import PLACE
from tests.deployment import ISSUER, Deployment, deploy
from tests.manifests import manifests

GRANT = "azure-native:authorization:RoleAssignment"
TRUST = "azure-native:managedidentity:FederatedIdentityCredential"
CLASS = "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass"
SECRETS = {
    "zep-api-key": VaultSecret(name="engram-dev-a1b2c-zep-api-key", id="/kv/secrets/key"),
    "zep-database-password": VaultSecret(name="engram-dev-a1b2c-zep-app", id="/kv/secrets/pw"),
}


VARIABLE = "zep-database-password"


def declare(
    workload: Workload,
    revision: str = "20261101",
    variables: tuple[str, ...] = (VARIABLE,),
    **more: Any,
) -> WorkloadIdentity:
    workspace = Workspace(
        provider=k8s.Provider("cluster", kubeconfig="{}"),
        namespace="zep",
        priority_class="memory",
        storage_class="encrypted",
        ready=[],
    )
    args = WorkloadIdentityArgs(
        workload=workload,
        workspace=workspace,
        oidc_issuer_url=ISSUER,
        placement=PLACE,
        subscription_id="sub",
        tenant_id="tenant",
        vault=VaultReference(id="/kv", name="kv", uri="https://kv/", resource_group_name="rg"),
        secrets=SECRETS,
        variables=variables,
        revision=revision,
        grant_wait_seconds=7,
        **more,
    )
    return WorkloadIdentity(f"engram-dev-{workload.label}", args)


@cache
def identity(
    workload: Workload = Workload.ZEP, variables: tuple[str, ...] = (VARIABLE,)
) -> Deployment:
    return deploy(lambda: declare(workload, variables=variables))


@pytest.mark.parametrize("workload", Workload)
def test_azure_trusts_one_service_account_of_this_cluster(workload: Workload) -> None:
    trust = identity(workload).one(TRUST)
    assert trust["issuer"] == ISSUER
    assert trust["subject"] == f"system:serviceaccount:zep:{workload.label}"
    assert trust["audiences"] == ["api://AzureADTokenExchange"]
    assert trust["resourceName"] == f"id-engram-dev-{workload.label}"


def test_each_grant_reaches_one_secret() -> None:
    grants = identity().all(GRANT)
    assert {grant["scope"] for grant in grants.values()} == {"/kv/secrets/key", "/kv/secrets/pw"}
    for grant in grants.values():
        assert grant["roleDefinitionId"].endswith("/4633458b-17de-408a-b874-0445c86b69e6")
        assert grant["principalId"] == "engram-dev-zep-identity-principal"
        assert grant["principalType"] == "ServicePrincipal"


def test_whoever_unwraps_the_fields_keys_may_use_one_key_and_write_one_secret() -> None:
    key = KeyReference(id="/kv/keys/fields", name="fields", uri="https://kv/keys/fields")
    ring = {"ring": VaultSecret(name="ring", id="/kv/secrets/ring")}
    found: list[WorkloadIdentity] = []
    made = deploy(lambda: found.append(declare(Workload.ZEP, wraps_with=key, writes=ring)))
    assert {
        (grant["scope"], grant["roleDefinitionId"].rsplit("/", 1)[-1])
        for grant in made.all(GRANT).values()
        if grant["scope"] not in {secret.id for secret in SECRETS.values()}
    } == {
        ("/kv/keys/fields", "e147488a-f6f5-4113-8e2d-b22465e65bf6"),
        ("/kv/secrets/ring", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"),
    }
    assert found[0].pod.labels == {"azure.workload.identity/use": "true"}
    assert set(made.all(GRANT)) <= made.after("engram-dev-zep-grants-known")


def test_who_only_mounts_secrets_asks_for_no_token() -> None:
    found: list[WorkloadIdentity] = []
    deploy(lambda: found.append(declare(Workload.ZEP)))
    assert found[0].pod.labels == {}


def test_one_wait_covers_every_grant() -> None:
    deployment = identity()
    assert set(deployment.all(GRANT)) <= deployment.after("engram-dev-zep-grants-known")
    wait = deployment.one("pulumi-python:dynamic/azure:Propagation")
    assert set(wait["grant_id"].split("|")) == {f"/mock/{name}" for name in deployment.all(GRANT)}
    assert wait["wait_seconds"] == 7


def test_the_service_account_names_its_identity_and_gets_no_token_of_the_api_server() -> None:
    account = manifests(identity(), "ServiceAccount")["zep"]
    assert account["metadata"]["namespace"] == "zep"
    annotations = account["metadata"]["annotations"]
    assert annotations == {"azure.workload.identity/client-id": "engram-dev-zep-identity-client"}
    assert account["automountServiceAccountToken"] is False


def secret_class(variables: tuple[str, ...] = (VARIABLE,)) -> dict[str, Any]:
    made = identity(variables=variables).one(CLASS)
    assert (made["apiVersion"], made["kind"]) == (
        "secrets-store.csi.x-k8s.io/v1",
        "SecretProviderClass",
    )
    assert made["metadata"]["name"] == "zep-20261101"
    found: dict[str, Any] = made["spec"]
    return found


def test_the_driver_is_told_which_secrets_under_which_names_and_as_whom() -> None:
    spec = secret_class()
    parameters = spec["parameters"]
    objects = [yaml.safe_load(text) for text in yaml.safe_load(parameters.pop("objects"))["array"]]
    assert spec["provider"] == "azure"
    assert parameters == {
        "clientID": "engram-dev-zep-identity-client",
        "tenantId": "tenant",
        "keyvaultName": "kv",
    }
    assert objects == [
        {"objectName": secret.name, "objectType": "secret", "objectAlias": alias}
        for alias, secret in SECRETS.items()
    ]


def test_only_what_is_read_as_a_variable_is_synced() -> None:
    (synced,) = secret_class()["secretObjects"]
    assert (synced["secretName"], synced["type"]) == ("zep-20261101", "Opaque")
    assert synced["data"] == [{"objectName": VARIABLE, "key": VARIABLE}]


def test_what_is_read_as_files_makes_no_secret() -> None:
    assert "secretObjects" not in secret_class(variables=())


def test_a_pod_waits_until_it_is_somebody_and_may_read() -> None:
    found: list[WorkloadIdentity] = []
    deploy(lambda: found.append(declare(Workload.ZEP)))
    pod = found[0].pod
    assert (pod.service_account, pod.secret_class, pod.synced_secret) == (
        *("zep", "zep-20261101", "zep-20261101"),
    )
    assert {resource._name for resource in pod.ready} == {
        "engram-dev-zep-trust",
        "engram-dev-zep-grants-known",
        "engram-dev-zep-account",
        "engram-dev-zep-secrets",
    }


def _note(found: list[WorkloadIdentity], make: Callable[[], WorkloadIdentity]) -> None:
    found.append(make())


@pytest.mark.parametrize("workload", Workload)
def test_renewed_secrets_have_a_class_and_a_secret_of_their_own(workload: Workload) -> None:
    """What the driver synced before stays with the pods that started with it."""
    found: list[WorkloadIdentity] = []
    for revision in ("20261101", "20270201"):
        made = partial(declare, workload, revision)
        deploy(partial(_note, found, made))
    before, after = (made.pod for made in found)
    assert before.service_account == after.service_account == workload.label
    assert before.secret_class != after.secret_class == f"{workload.label}-20270201"
    assert before.synced_secret != after.synced_secret == f"{workload.label}-20270201"
