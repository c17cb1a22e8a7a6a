"""What a customer has before us: a PostgreSQL, a cluster, a vault with a key; none of it ours.

The server is no Flexible Server: no gate on extensions, no ``azure_pg_admin``, a name and a CA
of the customer's own.
"""

import secrets
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql
from typing_extensions import override

from local.cloud.azure import AzureProvider
from local.cloud.cluster.cluster import Cluster
from local.cloud.keyring import VAULT
from local.cloud.postgres import binaries
from local.cloud.postgres.account import Account
from local.cloud.postgres.authority import Authority
from local.cloud.postgres.server import Server
from local.cloud.provider import Declared
from local.cloud.resources import TYPES
from local.cloud.store import Store
from local.paths import Paths
from tests.e2e.installation import PROJECT, Installation
from tests.kubernetes_cluster import CLUSTER_ID, SPEC
from tests.postgres import DATA_KEY, default_settings

HOST = "db.customer.example"
ADMIN = "customer_admin"
GROUP = "rg-customer"
VAULT_NAME = "kv-customer-ground"
KEY_NAME = "customer-key"
FIELDS_KEY_NAME = "customer-fields-key"
GATE = ("azure_gate_start", "azure_gate_end")
PROGRAM = (
    *("Pulumi.yaml", "Pulumi.dev.yaml", "pyproject.toml", "requirements.txt", "__main__.py"),
    *("stacks", "components", "sizing", "memory", "local", "assurance"),
)


class CustomersServer(Server):
    """A PostgreSQL under the customer's own name."""

    @property
    @override
    def fqdn(self) -> str:
        return HOST


@dataclass(frozen=True, kw_only=True)
class Ground:
    """The customer's server and cluster, in a folder that no installation knows."""

    server: CustomersServer
    authority: Authority
    cluster: Cluster
    password: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)

    def prepare_databases(self) -> None:
        """Do what the settings ask of the server's owner, and nothing beyond."""
        with self.server.superuser() as db:
            verifier = db.pgconn.encrypt_password(
                self.password.encode(), ADMIN.encode(), b"scram-sha-256"
            ).decode()
            admin = sql.Identifier(ADMIN)
            made = sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD {}")
            db.execute(made.format(admin, sql.Literal(verifier)))
            for name in ("memory", "zep"):
                owned = sql.SQL("CREATE DATABASE {} OWNER {}")
                db.execute(owned.format(sql.Identifier(name), admin))
        for name in ("memory", "zep"):
            with self.server.superuser(name) as db:
                for trigger in GATE:
                    db.execute(sql.SQL("DROP EVENT TRIGGER {}").format(sql.Identifier(trigger)))
                db.execute("CREATE EXTENSION vector")
        with self.server.superuser("memory") as db:
            db.execute("CREATE EXTENSION pg_stat_statements")

    def connect(self, database: str) -> "psycopg.Connection[tuple[Any, ...]]":
        """Connect as the customer's administrator, over TLS and by the server's own port."""
        return psycopg.connect(
            host=HOST,
            hostaddr="127.0.0.1",
            port=self.server.port,
            user=ADMIN,
            password=self.password,
            dbname=database,
            sslmode="verify-full",
            sslrootcert=str(self.authority.ca_file),
            autocommit=True,
        )

    def pods(self) -> dict[str, bool]:
        """Return every pod of the workloads, and whether it is ready."""
        found = self.cluster.api.get("/api/v1/namespaces/zep/pods") or {"items": []}
        return {
            pod["metadata"]["name"]: any(
                condition["type"] == "Ready" and condition["status"] == "True"
                for condition in pod["status"].get("conditions", [])
            )
            for pod in found["items"]
        }

    def trusted(self) -> str | None:
        """Return whom the pods believe to be the server; nothing where there are none."""
        found = self.cluster.api.get("/api/v1/namespaces/zep/configmaps/postgres-ca")
        return None if found is None else str(found["data"]["ca.crt"])

    def settings(self, subscription: str) -> dict[str, dict[str, object]]:
        """Return the parts of a stack file that name all of this."""
        vault = f"/subscriptions/{subscription}/resourceGroups/{GROUP}/providers/{VAULT}"
        return {
            "postgres": {
                "kind": "existing",
                "host": HOST,
                "port": self.server.port,
                "ca_file": "customer/ca.pem",
                "cidrs": ["192.168.7.0/28"],
                "admin_login": ADMIN,
                "user_connections": 200,
            },
            "key_vault": {
                "kind": "existing",
                "vault_id": f"{vault}/{VAULT_NAME}",
                "key_name": KEY_NAME,
                "fields_key_name": FIELDS_KEY_NAME,
                "cidrs": ["192.168.7.16/28"],
            },
            "cluster": {
                "kind": "existing",
                "oidc_issuer_url": self.cluster.access.issuer_url,
                "storage_class": "managed-csi",
            },
        }


@contextmanager
def ground(folder: Path) -> Iterator[Ground]:
    """Make the customer's server and cluster, and remove them afterwards."""
    account = Account.choose()
    servers = folder / "servers"
    servers.mkdir()
    servers.chmod(0o755)
    unpacked = binaries.unpack(Paths.current().service_cache, account)
    own = Ground(
        server=CustomersServer("customer", servers / "customer", unpacked, account),
        authority=Authority(folder / "ca"),
        cluster=Cluster(CLUSTER_ID, folder / "clusters" / "customer"),
    )
    try:
        own.server.create(own.authority, DATA_KEY, default_settings())
        own.prepare_databases()
        own.cluster.create(SPEC)
        yield own
    finally:
        own.cluster.remove()
        own.server.remove()


def program(folder: Path, own: Ground) -> Path:
    """Return a copy of the clone whose stack file dev names the customer's parts."""
    folder.mkdir()
    ignored = shutil.ignore_patterns("__pycache__")
    for name in PROGRAM:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=ignored)
        else:
            shutil.copy(source, folder / name)
    for name in ("venv", "bin"):  # the tools are the clone's
        (folder / ".local").mkdir(exist_ok=True)
        (folder / ".local" / name).symlink_to(PROJECT / ".local" / name)
    (folder / "customer").mkdir()
    shutil.copy(own.authority.ca_file, folder / "customer" / "ca.pem")
    file = folder / "Pulumi.dev.yaml"
    stack = yaml.safe_load(file.read_text(encoding="utf-8"))
    settings = stack["config"]["engram:settings"]
    settings.update(own.settings(stack["config"]["azure-native:subscriptionId"]))
    del settings["network"]["nodes_subnet"]
    file.write_text(yaml.safe_dump(stack), encoding="utf-8")
    return folder


def keep_secrets(installation: Installation, own: Ground) -> None:
    """Give the installation the two secrets that existing parts need."""
    for key, value in (
        ("engram:postgresAdminPassword", own.password),
        ("engram:kubeconfig", own.cluster.access.kubeconfig),
    ):
        subprocess.run(
            [sys.executable, "-m", "local", "secret", key],
            cwd=installation.project,
            env=installation.environment,
            input=value,
            text=True,
            check=True,
        )


@contextmanager
def cloud_of(installation: Installation) -> Iterator[AzureProvider]:
    """Open the local Azure of an installation, as somebody else in the same subscription."""
    store = Store(installation.paths.cloud)
    try:
        provider = AzureProvider(store, TYPES)
        config = yaml.safe_load((installation.project / "Pulumi.dev.yaml").read_text())["config"]
        ours = ("subscriptionId", "tenantId", "location")
        provider.configure({name: config[f"azure-native:{name}"] for name in ours})
        yield provider
    finally:
        store.close()


def make_vault(installation: Installation) -> None:
    """Let the customer's security team make its vault, and the two keys in it."""
    place = {"resourceGroupName": GROUP}
    vault = {
        "tenantId": "00000000-0000-0000-0000-0000000000aa",
        "sku": {"family": "A", "name": "premium"},
        "enableRbacAuthorization": True,
        "enablePurgeProtection": True,
    }
    key = {"kty": "RSA", "keySize": 3072, "keyOps": ["wrapKey", "unwrapKey"]}
    named = {**place, "vaultName": VAULT_NAME}
    with cloud_of(installation) as azure:
        resources: list[tuple[str, dict[str, Any]]] = [
            ("resources:ResourceGroup", place),
            ("keyvault:Vault", {**named, "properties": vault}),
            ("keyvault:Key", {**named, "keyName": KEY_NAME, "properties": key}),
            ("keyvault:Key", {**named, "keyName": FIELDS_KEY_NAME, "properties": key}),
        ]
        for token, inputs in resources:
            declared = Declared(f"urn:pulumi:team::customer::azure-native:{token}::{token}")
            checked = azure.check(declared, {}, inputs)
            assert checked.failures == []
            azure.create(declared, checked.inputs, frozenset())


def in_azure(installation: Installation) -> dict[str, list[str]]:
    """Return what stands in the subscription, the customer's and ours: names by type."""
    found: dict[str, list[str]] = defaultdict(list)
    with cloud_of(installation) as azure:
        for record in azure.world.children("/subscriptions"):
            found[record.type].append(record.name)
    return dict(found)
