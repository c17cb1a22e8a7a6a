"""The functions of azure-native: what they answer, and to whom they refuse it."""

import base64

import pytest

from local.cloud.arm import Body
from local.cloud.protocol import provider_pb2
from local.cloud.wire import decode, encode
from tests.local.cloud import clusters
from tests.local.cloud.clusters import CLUSTER, CLUSTER_ID, FakeFleet, Ground, cluster, furnish
from tests.local.cloud.conftest import Engine, Refused
from tests.local.cloud.declared import KEY_ID

USER, ADMIN = (
    f"azure-native:containerservice:listManagedCluster{whose}Credentials"
    for whose in ("User", "Admin")
)
AKS = {"resourceGroupName": "rg", "resourceName": "aks-dev"}


@pytest.fixture(autouse=True)
def ground(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """A standing cluster and all that it needs."""
    FakeFleet().install(monkeypatch)
    made = furnish(engine)
    engine.create(CLUSTER, cluster())
    return made


def ask(engine: Engine, token: str, inputs: dict[str, str]) -> Body:
    request = provider_pb2.InvokeRequest(tok=token, args=encode(inputs))
    return decode(getattr(engine.call("Invoke", request), "return"))[0]


def test_a_user_gets_in_even_without_local_accounts(engine: Engine) -> None:
    (one,) = ask(engine, USER, AKS)["kubeconfigs"]
    assert one["name"] == "clusterUser"
    assert base64.b64decode(one["value"]).decode() == clusters.KUBECONFIG


def test_the_administrator_is_a_local_account(engine: Engine) -> None:
    with pytest.raises(Refused, match=r"BadRequest.*Getting static credential is not allowed"):
        ask(engine, ADMIN, AKS)
    engine.update(CLUSTER, CLUSTER_ID, cluster(disableLocalAccounts=False))
    assert ask(engine, ADMIN, AKS)["kubeconfigs"][0]["name"] == "clusterAdmin"


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ({**AKS, "resourceName": "none"}, "ResourceNotFound"),
        ({"resourceGroupName": "rg"}, "missing required property 'resourceName'"),
    ],
)
@pytest.mark.parametrize("token", [USER, ADMIN])
def test_nobody_gets_into_nothing(
    engine: Engine, token: str, where: dict[str, str], words: str
) -> None:
    with pytest.raises(Refused, match=words):
        ask(engine, token, where)


def test_a_key_tells_its_version(engine: Engine, ground: Ground) -> None:
    where = {"resourceGroupName": "rg", "vaultName": "kv-dev", "keyName": "cmk"}
    answer = ask(engine, "azure-native:keyvault:getKey", where)
    assert (answer["id"], answer["keyUriWithVersion"]) == (KEY_ID, ground.key_url)
