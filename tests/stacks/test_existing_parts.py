"""What the customer has already: each part alone, and in every mixture with parts of our own."""

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import product

import pulumi
import pytest

from stacks.outputs import export
from stacks.platform import Platform
from stacks.settings import Configuration
from tests.deployment import KUBECONFIG, PASSWORD, Deployment, deploy
from tests.stacks.bad import refused, row
from tests.stacks.files import REMOVED, changed, config_of, judged
from tests.stacks.test_bad_stack_files import (
    EXISTING_CLUSTER,
    EXISTING_POSTGRES,
    EXISTING_VAULT,
    VAULT,
)

CUSTOMERS: dict[str, dict[str, object]] = {
    "postgres": {"postgres": EXISTING_POSTGRES},
    "key_vault": {
        "key_vault": {
            **EXISTING_VAULT,
            "vault_id": VAULT.format(config_of("dev")["azure-native:subscriptionId"]),
        }
    },
    "cluster": {"cluster": EXISTING_CLUSTER, "network.nodes_subnet": REMOVED},
}
"""What a stack file says of each part where the customer has it."""

OWN = {
    "postgres": ("dbforpostgresql:",),
    "key_vault": ("keyvault:Vault", "keyvault:Key"),
    "cluster": ("containerservice:", "compute:", "kubernetes:storage.k8s.io/"),
}
"""The types that are the part itself, where it is ours."""
ENTRANCE = (
    "network:PrivateEndpoint",
    "network:PrivateDnsZoneGroup",
    "privatedns:PrivateZone",
    "privatedns:VirtualNetworkLink",
)
KEY_USER = (
    "managedidentity:UserAssignedIdentity",
    "authorization:RoleAssignment",
    "pulumi-python:dynamic/azure:Propagation",
)
SUBNET = ("network:Subnet", "network:NetworkSecurityGroup")
LOGS = "monitor:DiagnosticSetting"
ALERT = "monitor:MetricAlert"
BESIDE = {
    "postgres": Counter(
        [
            *ENTRANCE,
            *KEY_USER,
            LOGS,
            *([ALERT] * 3),
            "keyvault:Secret",
            "random:index/randomPassword:RandomPassword",
        ]
    ),
    "key_vault": Counter([*ENTRANCE, LOGS, ALERT]),
    "cluster": Counter([*SUBNET, *KEY_USER, *KEY_USER, LOGS, "authorization:RoleAssignment"]),
}
"""What stands only for the part: its way in, its password, users of its keys, logs, alerts."""
NETWORK = Counter([*SUBNET, "network:VirtualNetwork"])
"""Goes with the last part that needs it."""

MIXTURES = [
    tuple(part for part, theirs in zip(CUSTOMERS, kinds, strict=True) if theirs)
    for kinds in product((False, True), repeat=len(CUSTOMERS))
]


@cache
def deployed(mixture: tuple[str, ...], *, gate: bool = False) -> Deployment:
    """Run the program of a dev stack with these parts of the customer's."""
    changes = {key: value for part in mixture for key, value in CUSTOMERS[part].items()}
    if gate:
        changes["postgres"] = {**EXISTING_POSTGRES, "azure_extension_gate": True}
    password, kubeconfig = "postgres" in mixture, "cluster" in mixture
    settings = judged(
        "dev", changed("dev", changes), has_password=password, has_kubeconfig=kubeconfig
    )

    def program() -> None:
        configuration = Configuration(
            settings=settings,
            existing_admin_password=pulumi.Output.secret(PASSWORD) if password else None,
            existing_kubeconfig=pulumi.Output.secret(KUBECONFIG) if kubeconfig else None,
        )
        export(Platform(configuration))

    return deploy(program, stack="dev")


def _own(deployment: Deployment, part: str) -> Iterator[str]:
    return (kind for kind in deployment.counts() if kind.startswith(OWN[part]))


def _rest(deployment: Deployment) -> Counter[str]:
    """Count what is not itself one of the parts."""
    parts = tuple(prefix for prefixes in OWN.values() for prefix in prefixes)
    counts = deployment.counts()
    return Counter({kind: n for kind, n in counts.items() if not kind.startswith(parts)})


@pytest.mark.parametrize("mixture", MIXTURES, ids=lambda parts: "+".join(parts) or "nothing")
def test_nothing_the_customer_has_is_made_and_the_rest_stays(mixture: tuple[str, ...]) -> None:
    deployment = deployed(mixture)
    for part in CUSTOMERS:
        assert bool(list(_own(deployment, part))) == (part not in mixture), part
    gone = sum((BESIDE[part] for part in mixture), Counter[str]())
    if len(mixture) == len(CUSTOMERS):
        gone += NETWORK
    everything = _rest(deployed(()))
    assert everything - _rest(deployment) == gone
    assert _rest(deployment) - everything == Counter()


ALL = tuple(CUSTOMERS)


def test_the_disks_key_of_our_vault_goes_with_our_cluster() -> None:
    assert deployed(()).counts()["keyvault:Key"] == 3
    assert deployed(("cluster",)).counts()["keyvault:Key"] == 2


def test_no_secret_of_the_customers_leaves_the_program_in_clear() -> None:
    clear = list(deployed(ALL).clear_texts())
    assert len(clear) > 100
    assert [name for name, text in clear if PASSWORD in text or KUBECONFIG in text] == []


def test_everything_goes_where_the_settings_say() -> None:
    deployment = deployed(ALL)
    schemas = deployment.all("pulumi-python:dynamic/memory:VectorSchema").values()
    place = [(schema["host"], schema["port"], schema["ca_file"]) for schema in schemas]
    wanted = tuple(EXISTING_POSTGRES[key] for key in ("host", "port", "ca_file"))
    assert place == [wanted, wanted]
    secrets = deployment.all("azure-native:keyvault:Secret").values()
    vaults = {(secret["resourceGroupName"], secret["vaultName"]) for secret in secrets}
    assert vaults == {("rg-customer", "kv-customer")}
    trusts = deployment.all("azure-native:managedidentity:FederatedIdentityCredential").values()
    assert {trust["issuer"] for trust in trusts} == {EXISTING_CLUSTER["oidc_issuer_url"]}
    assert "customer-encrypted" in _storage_classes(deployment)


def _storage_classes(deployment: Deployment) -> set[str]:
    claims = deployment.all("kubernetes:core/v1:PersistentVolumeClaim").values()
    return {claim["spec"]["storageClassName"] for claim in claims}


@pytest.mark.parametrize(
    ("gate", "groups"), [(False, []), (True, ["azure_pg_admin"])], ids=["elsewhere", "on-azure"]
)
def test_zep_is_in_azures_group_only_where_there_is_one(gate: bool, groups: list[str]) -> None:
    schemas = deployed(("postgres",), gate=gate).all("pulumi-python:dynamic/memory:VectorSchema")
    (owner,) = schemas["engram-dev-zep"]["desired"]["roles"]
    assert list(owner["member_of"]) == groups


def test_the_gate_is_true_or_false() -> None:
    refused(
        row(
            *("dev", "postgres", {**EXISTING_POSTGRES, "azure_extension_gate": "yes"}),
            *("'yes'", "true or false", "without quotes"),
            at="postgres.azure_extension_gate",
        )
    )
