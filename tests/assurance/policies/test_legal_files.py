"""assurance/policies: what the settings allow a stack of prod to be, the rules let it be."""

from datetime import date
from typing import Any

import pulumi
import pytest

from assurance.policies.exceptions import judged, kept
from assurance.policies.judge import Verdict
from assurance.policies.model import Stack
from assurance.policies.rules import images
from stacks.outputs import export
from stacks.platform import Platform
from stacks.settings import Configuration
from tests.assurance.recorded import resources
from tests.deployment import KUBECONFIG, PASSWORD, deploy
from tests.stacks import files
from tests.stacks.test_bad_sizes import SOURCE
from tests.stacks.test_bad_stack_files import (
    EXISTING_CLUSTER,
    EXISTING_POSTGRES,
    EXISTING_VAULT,
    GEO_KEY,
    VAULT,
)

TODAY = date(2026, 11, 1)
THEIR_VAULT = VAULT.format(files.config_of("prod")["azure-native:subscriptionId"])
RESTORE = {**SOURCE, "point_in_time": "2026-11-02T00:00:00Z"}
POSTGRES: dict[str, Any] = {"postgres": {**EXISTING_POSTGRES, "user_connections": 1000}}
KEY_VAULT: dict[str, Any] = {
    "key_vault": {
        **EXISTING_VAULT,
        "vault_id": THEIR_VAULT,
        "geo_key": {**GEO_KEY, "vault_id": f"{THEIR_VAULT}-geo"},
    }
}
CLUSTER: dict[str, Any] = {"cluster": EXISTING_CLUSTER, "network.nodes_subnet": files.REMOVED}
NODES = {"nodes": 2, "sku": "Standard_D4ds_v5", "storage": {"size_gib": 512, "tier": "P20"}}

LEGAL: dict[str, dict[str, Any]] = {
    "their database": POSTGRES,
    "their database, elsewhere": {"postgres": {**POSTGRES["postgres"], "port": 6543}},
    "their vault": KEY_VAULT,
    "their cluster": CLUSTER,
    "all of it theirs": {**POSTGRES, **KEY_VAULT, **CLUSTER},
    "a replica": {"postgres.read_replicas": [{"name": "read-1", "zone": "3"}]},
    "nodes": {"postgres.elastic_cluster": NODES},
    "a restore": {"postgres.restore_from": RESTORE},
    "a restore that is done": {"postgres.restore_from": {**RESTORE, "finished": True}},
    "a release": {"images.memory_service": "contoso.azurecr.io/mirror/memory-service:1.0"},
    "tenants": {"memory.isolation": {"kind": "row", "tenants": ["acme", "globex"]}},
    "memories that stay": {"retention.episodic_days": None},
    "their registry": {"images.registry": "contoso.azurecr.io/mirror"},
}


@pytest.mark.parametrize("changes", LEGAL.values(), ids=LEGAL)
def test_what_a_stack_file_may_say_violates_nothing(
    changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = (*images.allowed(), "contoso.azurecr.io/mirror/*")
    monkeypatch.setattr(images, "allowed", lambda: listed)  # as registries.yaml of whoever has it
    found = judged(Stack(resources(declared(changes), "prod"), "prod"), kept(), TODAY)
    wrong = [f"{it.rule.name} of {it.place('prod')}: {it.says}" for it in found
             if it.verdict is not Verdict.EXCEPTION]  # fmt: skip
    assert wrong == []


def declared(changes: dict[str, Any]) -> Any:
    password, kubeconfig = "postgres" in changes, "cluster" in changes
    settings = files.judged(
        "prod", files.changed("prod", changes), has_password=password, has_kubeconfig=kubeconfig
    )

    def program() -> None:
        configuration = Configuration(
            settings=settings,
            existing_admin_password=pulumi.Output.secret(PASSWORD) if password else None,
            existing_kubeconfig=pulumi.Output.secret(KUBECONFIG) if kubeconfig else None,
        )
        export(Platform(configuration))

    return deploy(program, stack="prod")
