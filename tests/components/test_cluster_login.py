"""components/cluster_reference.py: a kubeconfig that cannot log in alone ends the program."""

from pathlib import Path

import pulumi
import pytest
import yaml

from components.cluster import Cluster
from components.cluster_reference import RUNBOOK, ExistingCluster, able_to_log_in
from tests.components.test_cluster import ARGS
from tests.deployment import ISSUER, KUBECONFIG, deploy
from tests.stacks.files import ROOT

AKS_LOGIN = ["get-token", "--login", "devicecode", "--server-id", "6dae42f8"]


def kubeconfig(command: str, args: list[str] | None) -> str:
    login = {"apiVersion": "client.authentication.k8s.io/v1beta1", "command": command, "args": args}
    return yaml.safe_dump({"kind": "Config", "users": [{"name": "us", "user": {"exec": login}}]})


@pytest.fixture
def path(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has kubelogin and nothing else."""
    (tmp_path / "kubelogin").touch(mode=0o755)
    return {"PATH": str(tmp_path)}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (kubeconfig("aws-login", None), "logs in with 'aws-login', which is not on PATH; install"),
        (kubeconfig("kubelogin", AKS_LOGIN), "ask a person for a code.*set AAD_LOGIN_METHOD to az"),
    ],
)
def test_a_log_in_that_cannot_succeed_alone_ends_the_program(
    given: str, words: str, path: dict[str, str]
) -> None:
    with pytest.raises(pulumi.RunError, match=words) as caught:
        able_to_log_in(given, path)
    assert RUNBOOK in str(caught.value)
    assert (ROOT / RUNBOOK).exists()


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        (kubeconfig("kubelogin", AKS_LOGIN), {"AAD_LOGIN_METHOD": "azurecli"}),
        (kubeconfig("kubelogin", ["get-token", "--login", "azurecli"]), {}),
        (kubeconfig("kubelogin", None), {}),
        (yaml.safe_dump({"users": [{"name": "us", "user": {"client-certificate": "x"}}]}), {}),
        (yaml.safe_dump({"users": None}), {}),
        (KUBECONFIG, {}),
        ("{", {}),
    ],
)
def test_any_other_kubeconfig_goes_to_the_plugin_as_it_is(
    given: str, environment: dict[str, str], path: dict[str, str]
) -> None:
    assert able_to_log_in(given, {**path, **environment}) == given


@pytest.mark.parametrize("whose", ["ours", "the customer's"])
def test_the_log_in_is_looked_at_wherever_the_kubeconfig_comes_from(
    whose: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_at: list[str] = []

    def look(kubeconfig: str) -> str:
        looked_at.append(kubeconfig)
        return kubeconfig

    monkeypatch.setattr("components.cluster_reference.able_to_log_in", look)
    customers = ExistingCluster(kubeconfig=KUBECONFIG, oidc_issuer_url=ISSUER, storage_class="s")
    deploy(
        (lambda: Cluster("engram-dev", ARGS))
        if whose == "ours"
        else (lambda: customers.reference("engram-dev"))
    )
    assert looked_at == [KUBECONFIG]
