"""components/vault_secrets.py and components/secret_shelf.py"""

import json
from datetime import date
from functools import cache
from typing import Any

import pulumi
import pytest

from components.key_vault import VaultReference
from components.passwords import Passwords, PasswordsArgs
from components.secret_shelf import VaultSecret, named_secret
from components.vault_secrets import READ_BY, VaultSecrets, VaultSecretsArgs
from components.workloads import Workload
from tests.deployment import PASSWORD, Deployment, deploy

SECRET = "azure-native:keyvault:Secret"
RANDOM = "random:index/randomPassword:RandomPassword"
VAULT = VaultReference(id="/vaults/kv", name="kv", uri="https://kv/", resource_group_name="rg-kv")
CUSTOMERS = VaultSecret(name="theirs", id="/vaults/kv/secrets/theirs")
GRAPH_KEY = "canary-of-a-graph-stores-key"
CERTIFICATE = "canary-of-a-private-key"
SPARE_DAY = date(2026, 11, 1)


def declare(renewed_on: date, **changes: Any) -> VaultSecrets:
    passwords = Passwords(
        "engram-dev",
        PasswordsArgs(
            vault=VAULT,
            vault_resource=None,
            suffix="a1b2c",
            logins=("zep_app", "memory_app"),
            renewed_on=renewed_on,
            valid_days=180,
            tags={},
        ),
    )
    args: dict[str, Any] = {
        "spare_key_renewed_on": SPARE_DAY,
        "certificate": pulumi.Output.secret(CERTIFICATE),
        "graph_store_key": pulumi.Output.secret(GRAPH_KEY),
        **changes,
    }
    return VaultSecrets(
        "engram-dev",
        VaultSecretsArgs(
            passwords=passwords, zep_login="zep_app", memory_login="memory_app", **args
        ),
    )


@cache
def secrets(renewed_on: date = date(2026, 11, 1), **changes: Any) -> Deployment:
    return deploy(lambda: declare(renewed_on, **changes))


def value(alias: str, deployment: Deployment | None = None) -> str:
    made = (deployment or secrets()).all(SECRET)[f"engram-dev-{alias}-secret"]
    properties = made["properties"]["value"]  # the SDK makes a secret of the whole object
    return str(properties["value"])


def generated(alias: str) -> str:
    return f"{PASSWORD}-engram-dev-{alias}-value"


ZEP_PASSWORD = f"{PASSWORD}-engram-dev-zep-app-password"


@pytest.mark.parametrize(
    ("alias", "text"),
    [
        ("zep-api-key", generated("zep-api-key")),
        ("zep-pooler-users", f'"zep_app" "{ZEP_PASSWORD}"\n'),
        ("memory-api-key", generated("memory-api-key")),
        (
            "memory-api-keys",
            f"{generated('memory-api-key')}\n{generated('memory-api-key-other')}\n",
        ),
        ("model-api-key", generated("model-api-key")),
        ("graph-store-password", generated("graph-store-password")),
        ("graph-store-auth", f"neo4j/{generated('graph-store-password')}"),
        ("graph-store-key", GRAPH_KEY),
        ("gateway-certificate", CERTIFICATE),
    ],
)
def test_each_secret_is_kept_in_the_form_in_which_a_pod_reads_it(alias: str, text: str) -> None:
    assert value(alias) == text


def test_a_database_password_is_kept_once() -> None:
    names: list[str] = []

    def program() -> None:
        made = declare(date(2026, 11, 1))
        for alias in ("zep-database-password", "memory-database-password"):
            pulumi.Output.from_input(made.by_alias[alias].name).apply(names.append)

    deploy(program)
    assert sorted(names) == ["engram-dev-a1b2c-memory-app", "engram-dev-a1b2c-zep-app"]


@pytest.mark.parametrize("workload", Workload)
def test_a_workload_gets_its_own_and_no_other(workload: Workload) -> None:
    found: list[VaultSecrets] = []
    deploy(lambda: found.append(declare(date(2026, 11, 1), field_keys=True)))
    assert set(found[0].of(workload)) == set(READ_BY[workload])


def test_without_encrypted_fields_nobody_reads_their_keys() -> None:
    found: list[VaultSecrets] = []
    deploy(lambda: found.append(declare(date(2026, 11, 1))))
    read = {alias for workload in Workload for alias in found[0].of(workload)}
    assert "memory-field-keys" not in read
    assert found[0].written_by(Workload.MEMORY_OPERATIONS) == {}


def test_the_jobs_alone_write_and_only_the_fields_keys() -> None:
    found: list[VaultSecrets] = []
    deploy(lambda: found.append(declare(date(2026, 11, 1), field_keys=True)))
    written = {workload: set(found[0].written_by(workload)) for workload in Workload}
    assert written.pop(Workload.MEMORY_OPERATIONS) == {"memory-field-keys"}
    assert set().union(*written.values()) == set()


@pytest.mark.parametrize("protected", [True, False])
def test_the_fields_keys_are_made_empty_once_and_never_written_over(*, protected: bool) -> None:
    deployment = secrets(field_keys=True, protected=protected)
    name = "engram-dev-memory-field-keys-secret"
    properties = deployment.all(SECRET)[name]["properties"]["value"]
    assert json.loads(properties["value"]) == {"format": 1, "keys": []}
    assert list(deployment.options(name).ignoreChanges) == ["properties", "tags"]
    assert deployment.protected() == ({name} if protected else set())


def test_a_tenants_key_is_bound_to_the_tenant() -> None:
    deployment = secrets(tenants=("acme", "north_sea"))
    made = deployment.all(SECRET)
    lines = made["engram-dev-memory-api-keys-secret"]["properties"]["value"]["value"].splitlines()
    assert lines[2:] == [
        f"{generated('memory-api-key-acme')} acme",
        f"{generated('memory-api-key-north-sea')} north_sea",
    ]
    own = made["engram-dev-memory-api-key-north-sea-secret"]["properties"]["value"]
    assert own["value"] == generated("memory-api-key-north-sea")


def test_only_those_who_call_the_model_read_its_key() -> None:
    readers = {workload for workload, aliases in READ_BY.items() if "model-api-key" in aliases}
    assert readers == {Workload.MEMORY_SERVICE, Workload.GRAPHITI}


def test_the_customers_key_of_the_model_is_never_written_over() -> None:
    deployment = secrets()
    ignored = deployment.options("engram-dev-model-api-key-secret").ignoreChanges
    assert list(ignored) == ["properties", "tags"]
    assert not deployment.options("engram-dev-zep-api-key-secret").ignoreChanges


@pytest.mark.parametrize(
    ("alias", "renewed"),
    [
        ("zep-api-key", True),
        ("memory-api-key", True),
        ("memory-api-key-other", False),
        ("model-api-key", False),
        ("graph-store-password", False),
    ],
)
def test_a_later_date_renews_what_follows_a_renewal(alias: str, renewed: bool) -> None:
    keepers = [
        secrets(day).all(RANDOM)[f"engram-dev-{alias}-value"].get("keepers")
        for day in (date(2026, 11, 1), date(2027, 2, 1))
    ]
    assert (keepers[0] != keepers[1]) is renewed


def test_the_memorys_two_keys_are_renewed_on_days_of_their_own() -> None:
    keepers = [
        {
            alias: secrets(spare_key_renewed_on=day).all(RANDOM)[f"engram-dev-{alias}-value"][
                "keepers"
            ]
            for alias in ("memory-api-key", "memory-api-key-other")
        }
        for day in (SPARE_DAY, date(2026, 12, 24))
    ]
    assert keepers[0]["memory-api-key"] == keepers[1]["memory-api-key"]
    assert keepers[1]["memory-api-key-other"] == {"renewed_on": "2026-12-24"}


def test_a_customers_secret_is_referred_to_and_not_made() -> None:
    customers = {
        "certificate": CUSTOMERS,
        "graph_store_password": CUSTOMERS,
        "model_key": CUSTOMERS,
    }
    made = set(secrets(**customers).all(SECRET))
    assert not [n for n in made if any(p in n for p in ("graph-store", "certificate", "model"))]
    assert made < set(secrets().all(SECRET))


def test_whoever_calls_the_model_reads_the_customers_key() -> None:
    found: list[VaultSecrets] = []
    deploy(lambda: found.append(declare(date(2026, 11, 1), model_key=CUSTOMERS)))
    for workload in (Workload.MEMORY_SERVICE, Workload.GRAPHITI):
        assert found[0].of(workload)["model-api-key"] is CUSTOMERS


def test_a_graph_store_of_ours_has_a_certificate() -> None:
    with pytest.raises(ValueError, match="a graph store of ours needs the private key"):
        secrets(graph_store_key=None)


def test_a_customers_secret_is_found_by_its_name() -> None:
    ids: list[str] = []

    def program() -> None:
        pulumi.Output.from_input(named_secret(VAULT, "theirs").id).apply(ids.append)

    deploy(program)
    assert ids == ["/vaults/kv/secrets/theirs"]


def test_nothing_secret_is_in_clear_on_its_way_or_in_the_state() -> None:
    deployment = secrets()
    texts = [text for _, text in deployment.clear_texts()]
    canaries = (PASSWORD, CERTIFICATE, GRAPH_KEY)
    assert not [text for text in texts if any(canary in text for canary in canaries)]
    for name in deployment.all(SECRET):
        assert list(deployment.options(name).additionalSecretOutputs) == ["properties"]


def test_every_secret_says_what_it_is_and_when_it_ends() -> None:
    for made in secrets().all(SECRET).values():
        properties = made["properties"]["value"]
        assert properties["contentType"]
        assert properties["attributes"] == {"enabled": True, "expires": 1809043200}
