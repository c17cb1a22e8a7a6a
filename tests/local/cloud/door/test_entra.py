"""The directory behind the door: whom it gives a token, and in which words it refuses."""

import json
from typing import Any

import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from local.cloud.cluster import fleet
from local.cloud.cluster.errors import ClusterError
from local.cloud.door import directory, tokens
from local.cloud.door.messages import Refused, Request
from local.cloud.resources.federated_identity_credential import CREDENTIAL as TYPE
from tests.local.cloud.conftest import TENANT
from tests.local.cloud.door.conftest import CREDENTIAL, ISSUER, SUBJECT, Azure

VAULTS = "https://vault.azure.net/.default"
ARM = "https://management.azure.com/.default"
pytestmark = pytest.mark.usefixtures("door")


def test_a_token_says_who_the_identity_is_and_whom_it_is_for(azure: Azure) -> None:
    token = azure.credential().get_token(VAULTS).token
    keys = KeySet.import_key_set(
        requests.get(
            f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys", timeout=10
        ).json()
    )
    claims = jwt.decode(token, keys, algorithms=["RS256"]).claims
    assert (claims["oid"], claims["appid"]) == (azure.identity["principalId"], azure.client_id)
    assert (claims["aud"], claims["tid"]) == ("https://vault.azure.net", TENANT)
    assert claims["exp"] - claims["iat"] == 3600


def test_a_token_for_the_vaults_is_none_for_arm(azure: Azure) -> None:
    token = azure.credential().get_token(VAULTS).token
    request = Request(
        method="GET",
        host="management.azure.com",
        path="/",
        headers={"authorization": f"Bearer {token}"},
    )
    assert tokens.caller(azure.world, request, tokens.VAULTS).client_id == azure.client_id
    with pytest.raises(Refused, match="Invalid audience"):
        tokens.caller(azure.world, request, tokens.MANAGEMENT)


def test_a_token_ends(azure: Azure) -> None:
    token = azure.credential().get_token(VAULTS).token
    azure.engine.clock.now += 3601
    with pytest.raises(tokens.TokenError, match="not within its time"):
        tokens.read(azure.world, token, tokens.VAULTS)


def test_nobody_else_makes_tokens(azure: Azure) -> None:
    token = azure.credential().get_token(VAULTS).token
    head, body, signature = token.split(".")
    forged = ".".join((head, body, signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "B")))
    with pytest.raises(tokens.TokenError, match="signature"):
        tokens.read(azure.world, forged, tokens.VAULTS)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"iss": ISSUER.replace("cluster", "other")}, "AADSTS700211: .* issuer '.*/other/'"),
    ({"iss": ISSUER.rstrip("/")}, "AADSTS700211"),
    ({"sub": SUBJECT.replace("memory", "Memory")}, "AADSTS700213: .* subject '.*Memory-service'"),
    ({"aud": ["https://kubernetes.default.svc"]}, "AADSTS700212"),
    ({"exp": 1_000_000_000}, "AADSTS700024"),
]


@pytest.mark.parametrize(("claims", "words"), REFUSALS)
def test_only_what_the_credential_names_is_believed(
    azure: Azure, claims: dict[str, Any], words: str
) -> None:
    with pytest.raises(ClientAuthenticationError, match=words):
        azure.credential(**claims).get_token(VAULTS)


def test_a_strangers_signature_is_not_believed(azure: Azure) -> None:
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        azure.credential(key=RSAKey.generate_key(2048)).get_token(VAULTS)


def test_a_credential_that_is_removed_ends_the_trust(azure: Azure) -> None:
    (credential,) = azure.world.of_type(TYPE)
    azure.engine.delete(CREDENTIAL, credential.arm_id)
    with pytest.raises(ClientAuthenticationError, match="AADSTS700211"):
        azure.credential().get_token(VAULTS)


def test_a_cluster_that_is_gone_vouches_for_nobody(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: str) -> bytes:
        raise ClusterError("gone")

    monkeypatch.setattr(fleet, "token_key", gone)
    with pytest.raises(ClientAuthenticationError, match="AADSTS50166"):
        azure.credential().get_token(VAULTS)


def test_the_owner_signs_in_with_a_secret_and_may_everything(azure: Azure) -> None:
    owner = directory.owner(azure.world)
    with ClientSecretCredential(TENANT, owner.client_id, owner.secret) as credential:
        token = credential.get_token(ARM).token
    known = tokens.read(azure.world, token, tokens.MANAGEMENT)
    assert (known.principal_id, known.is_owner) == (owner.principal_id, True)
    with (
        ClientSecretCredential(TENANT, owner.client_id, "guessed") as credential,
        pytest.raises(ClientAuthenticationError, match="AADSTS7000215"),
    ):
        credential.get_token(ARM)


def asked(tenant: str, **form: str) -> dict[str, Any]:
    url = f"https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
    answer: dict[str, Any] = requests.post(url, data=form, timeout=10).json()
    return answer


@pytest.mark.parametrize(
    ("tenant", "form", "number"),
    [
        ("another", {}, 90002),
        (TENANT, {"grant_type": "password"}, 70003),
        (TENANT, {"grant_type": "client_credentials"}, 7000218),
        (TENANT, {"grant_type": "client_credentials", "client_secret": "x"}, 700016),
        (TENANT, {"scope": "https://graph.microsoft.com/.default"}, 500011),
    ],
)
def test_a_refusal_has_azures_shape(tenant: str, form: dict[str, str], number: int) -> None:
    answer = asked(tenant, **{"scope": VAULTS, "client_id": "nobody", **form})
    assert answer["error_codes"] == [number]
    assert answer["error_description"].startswith(f"AADSTS{number}: ")
    assert {"error", "timestamp", "trace_id", "correlation_id"} <= answer.keys()


@pytest.mark.parametrize("assertion", ["", "a.b.c", "not a token", f"e.{'e30'}.x.y"])
def test_what_is_no_token_is_refused(azure: Azure, assertion: str) -> None:
    answer = asked(
        TENANT,
        grant_type="client_credentials",
        scope=VAULTS,
        client_id=azure.client_id,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion=assertion,
    )
    assert answer["error_codes"] == [50027]


def test_no_secret_of_the_directory_is_readable_in_the_store(azure: Azure) -> None:
    owner = directory.owner(azure.world)
    token = azure.credential().get_token(VAULTS).token
    content = b"".join(f.read_bytes() for f in (azure.folder / "cloud").glob("cloud.sqlite*"))
    for secret in (owner.secret, token, json.dumps("BEGIN PRIVATE KEY").strip('"')):
        assert secret.encode() not in content
