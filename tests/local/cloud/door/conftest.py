"""A door in this process, a cloud behind it, and whoever the directory knows."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.identity import WorkloadIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys._shared.http_challenge_cache import clear as forget_challenges_of_keys
from azure.keyvault.keys.crypto import CryptographyClient
from azure.keyvault.secrets import SecretClient
from azure.keyvault.secrets._shared.http_challenge_cache import (
    clear as forget_challenges_of_secrets,
)
from joserfc import jwt
from joserfc.jwk import RSAKey

from local.cloud.arm import Body, Record
from local.cloud.cluster import fleet
from local.cloud.door.certificates import Certificates
from local.cloud.door.server import Door, Listener
from local.cloud.postgres.authority import Authority
from local.cloud.resources.managed_cluster import ManagedCluster
from local.cloud.world import World
from tests.local.cloud import declared
from tests.local.cloud.conftest import GROUP, TENANT, Engine

ISSUER = "https://westeurope.oic.prod-aks.azure.com/tenant/cluster/"
CLUSTER_ID = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/aks"
SUBJECT = "system:serviceaccount:engram:memory-service"
AUDIENCE = "api://AzureADTokenExchange"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
SECRET_ID = f"{declared.VAULT_ID}/secrets/password"
VAULT_URL = "https://kv-dev.vault.azure.net"
IDENTITY = "managedidentity:UserAssignedIdentity"
CREDENTIAL = "managedidentity:FederatedIdentityCredential"


@dataclass
class Azure:
    """The cloud behind the door, and the cluster whose tokens it believes."""

    engine: Engine
    folder: Path
    cluster_key: RSAKey
    identity: Body
    opened: ExitStack = field(default_factory=ExitStack)
    """The clients of a test; closed with it."""

    def keys(self) -> KeyClient:
        return self.opened.enter_context(KeyClient(VAULT_URL, self.credential()))

    def secrets(self) -> SecretClient:
        return self.opened.enter_context(SecretClient(VAULT_URL, self.credential()))

    def crypto(self, key: str | None) -> CryptographyClient:
        return self.opened.enter_context(CryptographyClient(key or "", self.credential()))

    @property
    def world(self) -> World:
        return self.engine.world

    @property
    def client_id(self) -> str:
        return str(self.identity["clientId"])

    def token(self, key: RSAKey | None = None, **claims: Any) -> str:
        """Return what a cluster writes into a pod."""
        now = int(self.world.now())
        known = {"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "nbf": now, "exp": now + 3600}
        signer = key or self.cluster_key
        return jwt.encode({"alg": "RS256", "kid": "k"}, {**known, **claims}, signer)

    def credential(self, key: RSAKey | None = None, **claims: Any) -> WorkloadIdentityCredential:
        """Return the credential of a pod that holds such a token."""
        file = self.folder / "azure-identity-token"
        file.write_text(self.token(key, **claims), encoding="utf-8")
        credential = WorkloadIdentityCredential(
            tenant_id=TENANT, client_id=self.client_id, token_file_path=str(file)
        )
        self.opened.callback(credential.close)
        return credential

    def grant(self, role: str, scope: str) -> str:
        """Grant the identity a role; return the assignment's id."""
        name = f"00000000-0000-4000-8000-{abs(hash((role, scope))) % 10**12:012}"
        body = declared.assignment(
            str(self.identity["principalId"]),
            scope,
            roleDefinitionId=declared.role(role),
            roleAssignmentName=name,
        )
        return self.engine.create("authorization:RoleAssignment", body, name)[0]


@pytest.fixture(scope="session")
def cluster_key() -> RSAKey:
    return RSAKey.generate_key(2048)


@pytest.fixture
def azure(
    tmp_path: Path, engine: Engine, cluster_key: RSAKey, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Azure]:
    """A vault with a key and a secret, and an identity that trusts a cluster."""
    engine.clock.now = time.time()
    engine.create("keyvault:Vault", declared.vault())
    engine.create("keyvault:Key", declared.key())
    engine.create("keyvault:Secret", declared.secret())
    _, identity = engine.create(IDENTITY, declared.identity("id-memory"), "id-memory")
    trust = {
        **declared.RG,
        "resourceName": "id-memory",
        "federatedIdentityCredentialResourceName": "memory-service",
        "issuer": ISSUER,
        "subject": SUBJECT,
        "audiences": [AUDIENCE],
    }
    engine.create(CREDENTIAL, trust, "trust")
    issuer = {"enabled": True, "issuerURL": ISSUER}
    profile: Body = {"oidcIssuerProfile": issuer, "agentPoolProfiles": []}
    engine.world.put(Record(CLUSTER_ID, ManagedCluster.type, {}, profile))
    monkeypatch.setattr(fleet, "token_key", lambda _: cluster_key.as_pem(private=False))
    azure = Azure(engine, tmp_path, cluster_key, identity)
    with azure.opened:
        yield azure


@pytest.fixture
def door(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a door before that cloud, to which every client of this test is led."""
    authority = Authority(azure.folder / "ca").ensure()
    listener = Listener(Door(azure.world, Certificates(authority)), 0)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{listener.server_address[1]}"
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, url)
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(authority.ca_file))
    forget_challenges_of_keys()
    forget_challenges_of_secrets()
    yield url
    azure.opened.close()
    listener.shutdown()
    thread.join()
    listener.server_close()
