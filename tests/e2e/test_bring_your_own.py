"""The customer's server, cluster, vault and key: nothing of the kind is made, all the rest is.

One life of such a stack is lived once; each test looks at what was seen of it.
"""

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.cloud.keyring import KEY, SECRET, VAULT
from tests.e2e.customer import (
    FIELDS_KEY_NAME,
    GROUP,
    HOST,
    KEY_NAME,
    VAULT_NAME,
    Ground,
    ground,
    in_azure,
    keep_secrets,
    make_vault,
    program,
)
from tests.e2e.installation import Installation

pytestmark = pytest.mark.e2e

OWNERS = (
    "azure-native:dbforpostgresql:",
    "azure-native:keyvault:Vault",
    "azure-native:keyvault:Key",
    "azure-native:containerservice:",
    "azure-native:compute:DiskEncryptionSet",
    "azure-native:network:",
    "azure-native:privatedns:",
    "kubernetes:storage.k8s.io/v1:StorageClass",
)
"""Types that only parts of our own need."""
CHECKED = {
    *(f"zep: {name}" for name in ("tls", "extension vector")),
    *(f"memory: {name}" for name in ("tls", "table memory.zep_memory_vectors")),
    *(f"memory: {name}" for name in ("nearest neighbours", "grants of memory_app")),
}
"""Of the checks of every stack, those that this one would lose first."""
GROUPS = "Microsoft.Resources/resourceGroups"
SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname IN ('memory', 'zep') ORDER BY 1"


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The ground at one moment."""

    schemas: dict[str, list[str]]
    """By database."""
    azure: dict[str, list[str]]
    """Names by type."""
    pods: dict[str, bool]
    trusted: str | None


@dataclass(frozen=True, kw_only=True)
class Life:
    """A stack on the customer's ground: up, up again, destroyed; and what was seen meanwhile."""

    authority: str
    """PEM of the customer's."""
    first: dict[str, Any]
    standing: Seen
    resources: list[str]
    """Types in the state."""
    second: dict[str, Any]
    refreshed: dict[str, Any]
    destroyed: Seen


def look(own: Ground, installation: Installation) -> Seen:
    """See what stands on the ground."""
    schemas = {}
    for database in ("memory", "zep"):
        with own.connect(database) as session:
            schemas[database] = [name for (name,) in session.execute(SCHEMAS).fetchall()]
    return Seen(
        schemas=schemas, azure=in_azure(installation), pods=own.pods(), trusted=own.trusted()
    )


def live(own: Ground, installation: Installation) -> Life:
    """Bring the stack up and take it away, as its owner does."""
    keep_secrets(installation, own)
    make_vault(installation)
    first = installation.succeed("up")
    standing = look(own, installation)
    resources = [entry["type"] for entry in installation.engine().deployment()["resources"]]
    second, refreshed = installation.succeed("up"), installation.succeed("refresh")
    installation.succeed("destroy")
    return Life(
        authority=own.authority.ca_file.read_text(encoding="utf-8"),
        first=first,
        standing=standing,
        resources=resources,
        second=second,
        refreshed=refreshed,
        destroyed=look(own, installation),
    )


@pytest.fixture(scope="module")
def life() -> Iterator[Life]:
    folder = Path(tempfile.mkdtemp(prefix="engram-customer-"))
    folder.chmod(0o755)
    try:
        with ground(folder) as own:
            # The name of the customer's server is known in the customer's network only.
            installation = Installation(
                folder=folder / "local",
                project=program(folder / "program", own),
                variables={"PGHOSTADDR": "127.0.0.1"},
            )
            try:
                yield live(own, installation)
            finally:
                installation.run("clean")
    finally:
        shutil.rmtree(folder)


def test_up_ends_with_the_same_checks_all_passed(life: Life) -> None:
    assert [check for check in life.first["checks"] if not check["ok"]] == []
    assert {check["name"].lower() for check in life.first["checks"]} >= CHECKED


def test_nothing_of_what_the_customer_has_is_made(life: Life) -> None:
    assert [kind for kind in life.resources if kind.startswith(OWNERS)] == []


def test_the_way_is_the_customers_and_so_is_who_vouches_for_it(life: Life) -> None:
    reach = life.first["reach"]
    assert (reach["PGHOST"], reach["PGSSLMODE"]) == (HOST, "verify-full")
    assert reach["PGSSLROOTCERT"].endswith("/customer/ca.pem")
    assert life.standing.trusted == life.authority


def test_the_schemas_stand_in_the_customers_server(life: Life) -> None:
    assert life.standing.schemas == {"memory": ["memory"], "zep": ["zep"]}


def test_all_pods_are_ready_in_the_customers_cluster(life: Life) -> None:
    assert len(life.standing.pods) >= 9
    assert [name for name, ready in life.standing.pods.items() if not ready] == []


def test_the_secrets_lie_in_the_customers_vault(life: Life) -> None:
    assert life.standing.azure[VAULT] == [VAULT_NAME]
    declared = life.resources.count("azure-native:keyvault:Secret")
    assert len(life.standing.azure[SECRET]) == declared >= 4


def test_a_second_up_changes_nothing_and_a_refresh_finds_no_drift(life: Life) -> None:
    assert set(life.second["changes"]) == {"same"}
    assert set(life.refreshed["changes"]) == {"same"}


def test_what_was_the_customers_outlives_the_stack(life: Life) -> None:
    left = life.destroyed
    assert left.schemas == life.standing.schemas, "a destroy leaves the data"
    assert left.azure == {
        GROUPS: [GROUP],
        VAULT: [VAULT_NAME],
        KEY: [KEY_NAME, FIELDS_KEY_NAME],
    }
    assert (left.pods, left.trusted) == ({}, None)
