"""Locks hold at their scope and below, and for the group that holds them."""

import pytest

from tests.local.cloud import declared
from tests.local.cloud.conftest import GROUP, SUBSCRIPTION, Engine, Refused
from tests.local.cloud.declared import KEY_ID, SUBNET_ID, VAULT_ID, WORKSPACE_ID

LOCKED: list[tuple[str, str, str, str]] = [
    (VAULT_ID, "CanNotDelete", "keyvault:Vault", VAULT_ID),
    (VAULT_ID, "CanNotDelete", "keyvault:Key", KEY_ID),
    (GROUP, "CanNotDelete", "operationalinsights:Workspace", WORKSPACE_ID),
    (VAULT_ID, "CanNotDelete", "resources:ResourceGroup", GROUP),
    (f"/subscriptions/{SUBSCRIPTION}", "ReadOnly", "network:Subnet", SUBNET_ID),
]


@pytest.mark.parametrize(("scope", "level", "token", "id_"), LOCKED)
def test_a_lock_stops_deletes_at_its_scope_below_it_and_of_its_group(
    engine: Engine, scope: str, level: str, token: str, id_: str
) -> None:
    declared.stand(engine)
    lock_id, _ = engine.create("authorization:ManagementLockByScope", declared.lock(scope, level))
    with pytest.raises(Refused, match="ScopeLocked"):
        engine.delete(token, id_)
    engine.delete("authorization:ManagementLockByScope", lock_id)
    engine.delete(token, id_)
    assert engine.world.get(id_) is None


def test_only_a_read_only_lock_stops_writes(engine: Engine) -> None:
    declared.stand(engine)
    engine.create("authorization:ManagementLockByScope", declared.lock(GROUP))
    engine.create("managedidentity:UserAssignedIdentity", declared.identity("id-two"))
    engine.create(
        "authorization:ManagementLockByScope", declared.lock(GROUP, "ReadOnly", lockName="ro")
    )
    with pytest.raises(Refused, match="ScopeLocked"):
        engine.create("managedidentity:UserAssignedIdentity", declared.identity("id-three"))
    with pytest.raises(Refused, match="ScopeLocked"):
        engine.update("keyvault:Vault", VAULT_ID, declared.vault())
